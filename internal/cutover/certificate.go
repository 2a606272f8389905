package cutover

import (
	"bytes"
	"context"
	_ "embed"
	"encoding/json"
	"fmt"
	"io"
	"path"
	"slices"
	"strings"
	"time"

	"migrate/internal/document"
	"migrate/internal/export"
	"migrate/internal/milvus"
	"migrate/internal/model"
	"migrate/internal/syncer"
	"migrate/internal/verify"
	"migrate/sinks"
)

// CertificateFormat is that of the document.
const CertificateFormat = 1

// Certificate is what a cutover leaves behind, as a sealed JSON document and as a page that prints. It says that two collections held
// the same rows while nobody wrote to the one that was left.
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

func newParty(role syncer.Side, server *milvus.Server, c *model.Collection) Party {
	return Party{Role: role.String(), Address: server.Address, Version: server.Version(), CollectionID: c.ID, Collection: export.Describe(c)}
}

// CertificatePrefix begins the names of all certificates of a job's collection.
func CertificatePrefix(job, collection string) string {
	return path.Join(job, "certificate-"+collection+"-")
}

// name is that of a certificate's objects, without the suffix.
func (c Certificate) name() string {
	return CertificatePrefix(c.Job, c.target().Collection.Name) + c.Made.UTC().Format("20060102T150405Z")
}

// target is the side that was the target of the move, by whose collection the job is told from others, and source the other one.
func (c Certificate) target() Party {
	if c.Left.Role == string(syncer.Target) {
		return c.Left
	}
	return c.Serves
}

func (c Certificate) source() Party {
	if c.Left.Role == string(syncer.Target) {
		return c.Serves
	}
	return c.Left
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

// ParseCertificate reads the document. document.ErrBroken where it was altered.
func ParseCertificate(text []byte) (Certificate, error) {
	var c Certificate
	if err := document.Unmarshal(text, &c); err != nil {
		return Certificate{}, fmt.Errorf("reading a certificate: %w", err)
	}
	return c, nil
}

// write puts document and page beside the export, and returns where they are. It may be repeated.
func (c Certificate) write(ctx context.Context, sink sinks.Sink) (urls []string, err error) {
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

// CertifiedCollections are those of a job, by their names on the target, that there are certificates of.
func CertifiedCollections(ctx context.Context, sink sinks.Sink, job string) ([]string, error) {
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

// LatestCertificate is the newest certificate of a job's collection; nil where there is none.
func LatestCertificate(ctx context.Context, sink sinks.Sink, job, collection string) (*Certificate, error) {
	latest := ""
	for info, err := range sink.List(ctx, CertificatePrefix(job, collection)) {
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
	c, err := ParseCertificate(text)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", sink.URL(latest), err)
	}
	return &c, nil
}
