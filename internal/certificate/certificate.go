// Package certificate is what a switch from one server to another leaves behind: both servers, the schema, the rows and their
// checksums, as a sealed JSON document and as a page that prints.
package certificate

import (
	"bytes"
	"context"
	_ "embed"
	"encoding/json"
	"fmt"
	"html/template"
	"io"
	"path"
	"runtime/debug"
	"slices"
	"strings"
	"time"

	"google.golang.org/protobuf/encoding/protojson"

	"migrate/internal/document"
	"migrate/internal/export"
	"migrate/internal/milvus"
	"migrate/internal/model"
	"migrate/internal/verify"
	"migrate/sinks"
)

// Version is the format of the document.
const Version = 1

// Certificate says that two collections held the same rows while nobody wrote to the one that was left.
type Certificate struct {
	Format  int       `json:"format"`
	Migrate string    `json:"migrate"` // the version that made it
	Job     string    `json:"job"`
	Made    time.Time `json:"made"`
	Left    Party     `json:"left"`   // served before
	Serves  Party     `json:"serves"` // from now on
	Still   Still     `json:"still"`
	WayBack time.Time `json:"way_back_until"`         // until which a sync keeps the side that was left in step
	Alias   string    `json:"alias,omitempty"`        // on the target, that the switch moves
	Before  string    `json:"alias_before,omitempty"` // the collection that it named before a switch to the target
	// AllowedDuplicates: the side that was left has keys of several rows, of which the other one has one each; whoever switched said
	// that this may be.
	AllowedDuplicates bool `json:"allowed_duplicates,omitempty"`
	// Report is of the comparison of all rows, the side that was left on its left.
	Report *verify.Report `json:"report"`
}

// Party is a collection on one of the servers.
type Party struct {
	Role         string            `json:"role"` // in the move: source or target
	Address      string            `json:"address"`
	Version      string            `json:"version"` // of Milvus
	CollectionID int64             `json:"collection_id"`
	Collection   export.Collection `json:"collection"`
}

// UnmarshalJSON leaves the login out that earlier versions wrote into the address.
func (p *Party) UnmarshalJSON(b []byte) error {
	type plain Party
	err := json.Unmarshal(b, (*plain)(p))
	p.Address = milvus.HostPort(p.Address)
	return err
}

// Still is the time in which nothing was written to the side that was left, and what that was seen by.
type Still struct {
	From  time.Time `json:"from"`
	Until time.Time `json:"until"`
	Proof string    `json:"proof"`
}

// NewParty describes a collection on a server.
func NewParty(role string, server *milvus.Server, c *model.Collection) Party {
	return Party{Role: role, Address: server.Address, Version: server.Version(), CollectionID: c.ID, Collection: export.Describe(c)}
}

// Prefix begins the names of all certificates of a job's collection.
func Prefix(job, collection string) string {
	return path.Join(job, "certificate-"+collection+"-")
}

// name is that of a certificate's objects, without the suffix.
func (c Certificate) name() string {
	return Prefix(c.Job, c.target().Collection.Name) + c.Made.UTC().Format("20060102T150405Z")
}

// target is the side that was the target of the move, by whose collection the job is told from others.
func (c Certificate) target() Party {
	if c.Left.Role == "target" {
		return c.Left
	}
	return c.Serves
}

// JSON is the sealed document, laid out for people.
func (c Certificate) JSON() ([]byte, error) {
	text, err := document.Marshal(c)
	if err != nil {
		return nil, fmt.Errorf("encoding the certificate: %w", err)
	}
	var lines bytes.Buffer
	if err := json.Indent(&lines, append(text, '\n'), "", "  "); err != nil {
		return nil, fmt.Errorf("encoding the certificate: %w", err)
	}
	return lines.Bytes(), nil
}

// Parse reads the document. sealed.ErrBroken where it was altered.
func Parse(text []byte) (Certificate, error) {
	var c Certificate
	if err := document.Unmarshal(text, &c); err != nil {
		return Certificate{}, fmt.Errorf("reading a certificate: %w", err)
	}
	return c, nil
}

//go:embed certificate.html
var pageText string

var page = template.Must(template.New("certificate").Funcs(template.FuncMap{
	"time":   func(t time.Time) string { return t.UTC().Format("2006-01-02 15:04:05 UTC") },
	"hash":   func(h model.Digest) string { return fmt.Sprintf("%016x", uint64(h)) },
	"schema": schemaText,
	"join":   strings.Join,
}).Parse(pageText))

// HTML is the page that prints; it loads nothing from the network. The SHA-256 on it is that of the JSON document.
func (c Certificate) HTML() ([]byte, error) {
	document, err := c.JSON()
	if err != nil {
		return nil, err
	}
	var seal struct {
		SHA256 string `json:"sha256"`
	}
	if err := json.Unmarshal(document, &seal); err != nil {
		return nil, fmt.Errorf("reading the certificate's seal: %w", err)
	}
	var text bytes.Buffer
	if err := page.Execute(&text, struct {
		Certificate
		SHA256 string
	}{c, seal.SHA256}); err != nil {
		return nil, fmt.Errorf("making the certificate's page: %w", err)
	}
	return text.Bytes(), nil
}

func schemaText(s export.Schema) (string, error) {
	text, err := protojson.Marshal(s.CollectionSchema)
	if err != nil {
		return "", err
	}
	var lines bytes.Buffer // protojson's own layout differs from run to run, on purpose
	err = json.Indent(&lines, text, "", "  ")
	return lines.String(), err
}

// Write puts document and page beside the export, and returns where they are. It may be repeated.
func Write(ctx context.Context, sink sinks.Sink, c Certificate) (urls []string, err error) {
	for _, form := range []struct {
		suffix string
		text   func() ([]byte, error)
	}{{".json", c.JSON}, {".html", c.HTML}} {
		text, err := form.text()
		if err != nil {
			return nil, err
		}
		name := c.name() + form.suffix
		if _, err := sink.Put(ctx, name, func(w io.Writer) error {
			_, err := w.Write(text)
			return err
		}); err != nil {
			return nil, fmt.Errorf("writing the certificate: %w", err)
		}
		urls = append(urls, sink.URL(name))
	}
	return urls, nil
}

// Collections are those of a job, by their names on the target, that there are certificates of.
func Collections(ctx context.Context, sink sinks.Sink, job string) ([]string, error) {
	var names []string
	for info, err := range sink.List(ctx, job+"/certificate-") {
		if err != nil {
			return nil, fmt.Errorf("looking for certificates: %w", err)
		}
		name, _, _ := strings.Cut(strings.TrimPrefix(info.Name, job+"/certificate-"), "-") // no collection's name has one
		if !slices.Contains(names, name) {
			names = append(names, name)
		}
	}
	return names, nil
}

// Latest is the newest certificate of a job's collection; nil where there is none.
func Latest(ctx context.Context, sink sinks.Sink, job, collection string) (*Certificate, error) {
	latest := ""
	for info, err := range sink.List(ctx, Prefix(job, collection)) {
		if err != nil {
			return nil, fmt.Errorf("looking for certificates: %w", err)
		}
		if path.Ext(info.Name) == ".json" {
			latest = max(latest, info.Name)
		}
	}
	if latest == "" {
		return nil, nil
	}
	obj, err := sink.Open(ctx, latest)
	if err != nil {
		return nil, fmt.Errorf("opening %s: %w", sink.URL(latest), err)
	}
	defer obj.Close()
	text, err := io.ReadAll(obj)
	if err != nil {
		return nil, fmt.Errorf("reading %s: %w", sink.URL(latest), err)
	}
	c, err := Parse(text)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", sink.URL(latest), err)
	}
	return &c, nil
}

// Tool is the version of this program, as it was built.
func Tool() string {
	info, ok := debug.ReadBuildInfo()
	if !ok {
		return "unknown"
	}
	version := info.Main.Version
	for _, s := range info.Settings {
		switch {
		case s.Key == "vcs.revision" && (version == "" || version == "(devel)"):
			version = s.Value
		case s.Key == "vcs.modified" && s.Value == "true" && !strings.HasSuffix(version, "+dirty"):
			version += "+dirty"
		}
	}
	return version
}
