// Package export is what an export is made of: Parquet objects, each the rows of one range as bulk insert wants them, and the manifest
// that describes them and the collection. The manifest is written last, so that it means a complete export; it is all that an
// import or a verification knows of the source.
//
//	<job>/manifest.json
//	<job>/<partition>/part-00000.parquet
//	<job>/<partition>/part-00001.2.parquet    by the second owner of the job
//
// Rows come in row groups of about 32 MB, since Milvus buffers a whole column of a row group. Text is compressed with Snappy; vectors
// and numbers are not, because random floats do not shrink.
package export

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"maps"
	"path"
	"regexp"
	"slices"
	"time"

	"github.com/milvus-io/milvus-proto/go-api/v2/commonpb"
	"github.com/milvus-io/milvus-proto/go-api/v2/schemapb"
	"google.golang.org/protobuf/encoding/protojson"

	"migrate/internal/columns"
	"migrate/internal/document"
	"migrate/internal/milvus"
	"migrate/internal/model"
	"migrate/sinks"
)

// Version is the newest manifest format that this program reads, and the one that it writes.
const Version = 1

// Errors that a caller decides on.
var (
	// ErrNone: there is no complete export of that name.
	ErrNone = errors.New("no complete export")
	// ErrVersion: the manifest was written by a newer migrate.
	ErrVersion = errors.New("manifest of a newer format")
	// ErrDamaged: the manifest can't be read.
	ErrDamaged = errors.New("manifest damaged")
)

// Manifest describes one export.
type Manifest struct {
	Format     int            `json:"format"`
	Job        string         `json:"job"`
	Source     Server         `json:"source"`
	Started    time.Time      `json:"started"`
	Finished   time.Time      `json:"finished"`
	Read       string         `json:"read,omitempty"`     // how rows were read, where not by queries
	Snapshot   uint64         `json:"snapshot,omitempty"` // the one instant of all rows, as a server timestamp; 0 where there is none
	Collection Collection     `json:"collection"`
	Total      model.Sum      `json:"total"` // over all columns of all rows
	Bytes      int64          `json:"bytes"` // of all parts
	Parts      []Part         `json:"parts"` // by partition, then by range; together they cover every key, or have every row where they are scattered
	Findings   model.Findings `json:"findings"`
	// Columns is what of the values decides whether a target takes them; nil where an earlier migrate exported.
	Columns map[string]columns.Stats `json:"columns,omitempty"`
}

// Server is where an export came from.
type Server struct {
	Address string `json:"address"`
	Version string `json:"version"`
}

// UnmarshalJSON leaves the login out that earlier versions wrote into the address.
func (s *Server) UnmarshalJSON(b []byte) error {
	type plain Server
	err := json.Unmarshal(b, (*plain)(s))
	s.Address = milvus.HostPort(s.Address)
	return err
}

// Part is one range of one partition, or scattered rows of it. A range without rows has no object.
type Part struct {
	Partition string `json:"partition"`
	model.Range
	Scattered bool `json:"scattered,omitempty"` // the keys of several parts lie among each other, and none has a range of its own

	Object  string     `json:"object,omitempty"` // relative to the job's folder
	Rows    model.Sum  `json:"content"`
	Bytes   int64      `json:"bytes,omitempty"`
	SHA256  string     `json:"sha256,omitempty"`
	Lowest  *model.Key `json:"lowest,omitempty"` // smallest and largest key that is there
	Highest *model.Key `json:"highest,omitempty"`
	Foreign *Foreign   `json:"foreign,omitempty"` // nil where migrate wrote it
}

// Foreign is what there is to know of a part that others wrote, which lies where they left it.
type Foreign struct {
	Keyless bool `json:"keyless,omitempty"` // it has no keys: the target gives them
	Rewrite bool `json:"rewrite,omitempty"` // bulk insert may not take it as it is
}

// Foreign reports whether others wrote the parts.
func (m *Manifest) Foreign() bool {
	return slices.ContainsFunc(m.Parts, func(p Part) bool { return p.Foreign != nil })
}

// Keyless reports whether the rows have no keys: others wrote them, for a collection that gives some.
func (m *Manifest) Keyless() bool {
	return slices.ContainsFunc(m.Parts, func(p Part) bool { return p.Foreign != nil && p.Foreign.Keyless })
}

// Widen widens the key bounds of a part by those of a batch.
func (p *Part) Widen(keys []model.Key) {
	low, high := slices.MinFunc(keys, model.Key.Compare), slices.MaxFunc(keys, model.Key.Compare)
	if p.Lowest == nil || low.Compare(*p.Lowest) < 0 {
		low = low.Clone()
		p.Lowest = &low
	}
	if p.Highest == nil || high.Compare(*p.Highest) > 0 {
		high = high.Clone()
		p.Highest = &high
	}
}

// Collection is a milvus.Collection in JSON; the schema is protojson.
type Collection struct {
	Name             string            `json:"name"`
	Database         string            `json:"database,omitempty"`
	Schema           Schema            `json:"schema"`
	Shards           int32             `json:"shards"`
	ConsistencyLevel string            `json:"consistency_level"`
	Properties       map[string]string `json:"properties,omitempty"`
	Partitions       []string          `json:"partitions"`
	Indexes          []Index           `json:"indexes,omitempty"`
	Aliases          []string          `json:"aliases,omitempty"`
	Loaded           bool              `json:"loaded"`
}

// Index is one index.
type Index struct {
	Name   string            `json:"name"`
	Field  string            `json:"field"`
	Params map[string]string `json:"params"`
}

// Schema is a collection's schema as Milvus gives it, written as protojson.
type Schema struct{ *schemapb.CollectionSchema }

// MarshalJSON writes protojson.
func (s Schema) MarshalJSON() ([]byte, error) {
	return protojson.Marshal(s.CollectionSchema)
}

// UnmarshalJSON reads protojson.
func (s *Schema) UnmarshalJSON(b []byte) error {
	s.CollectionSchema = &schemapb.CollectionSchema{}
	return protojson.Unmarshal(b, s.CollectionSchema)
}

// Describe puts a collection into a manifest's terms.
func Describe(c *model.Collection) Collection {
	d := Collection{
		Name: c.Name, Database: c.Database, Schema: Schema{model.WithoutSecrets(c.Schema)}, Shards: c.Shards,
		ConsistencyLevel: c.ConsistencyLevel.String(), Properties: mapOf(c.PropertiesToShow()),
		Partitions: c.Partitions, Aliases: c.Aliases, Loaded: c.Loaded,
	}
	for _, x := range c.Indexes {
		d.Indexes = append(d.Indexes, Index{x.Name, x.Field, mapOf(x.Params)})
	}
	return d
}

// Milvus is the collection as it was described.
func (d Collection) Milvus() *model.Collection {
	c := &model.Collection{
		Name: d.Name, Database: d.Database, Schema: model.CloneSchema(d.Schema.CollectionSchema),
		Shards: d.Shards, ConsistencyLevel: commonpb.ConsistencyLevel(commonpb.ConsistencyLevel_value[d.ConsistencyLevel]),
		Properties: toPairs(d.Properties), Partitions: d.Partitions, Aliases: d.Aliases, Loaded: d.Loaded,
	}
	for _, x := range d.Indexes {
		c.Indexes = append(c.Indexes, model.Index{Name: x.Name, Field: x.Field, Params: toPairs(x.Params)})
	}
	return c
}

// Add adds a part, what was found while it was read, and what its columns hold.
func (m *Manifest) Add(p Part, found model.Findings, stats map[string]columns.Stats) {
	m.Columns = columns.AddStats(m.Columns, stats)
	m.Parts = append(m.Parts, p)
	m.Total.Add(p.Rows)
	m.Bytes += p.Bytes
	m.Findings.Add(found)
}

// IsPart reports whether an object of a job's folder, named relative to it, is a part of that job: it has a name that PartName
// gives. Other jobs may lie in the folder, and files of others.
func IsPart(object string) bool { return partName.MatchString(object) }

var partName = regexp.MustCompile(`^[^/]+/part-[0-9]{5,}(\.[0-9]+)?\.parquet$`)

// ObjectName is where a part's object is on the sink.
func (m *Manifest) ObjectName(p Part) string {
	if p.Foreign != nil {
		return p.Object
	}
	return path.Join(m.Job, p.Object)
}

// PartName names the n-th part of a partition as an owner of the job writes it, relative to the job's folder. Owners after the first
// have their epoch in the name: what one of before writes late lies beside it and replaces nothing.
func PartName(partition string, n int, epoch int64) string {
	if partition == model.AllPartitions {
		partition = "all"
	}
	if epoch > 1 {
		return fmt.Sprintf("%s/part-%05d.%d.parquet", partition, n, epoch)
	}
	return fmt.Sprintf("%s/part-%05d.parquet", partition, n)
}

func name(job string) string { return path.Join(job, "manifest.json") }

// Write makes the export complete.
func Write(ctx context.Context, sink sinks.Sink, m *Manifest) error {
	text, err := m.encode()
	if err != nil {
		return fmt.Errorf("encoding the manifest of %q: %w", m.Job, err)
	}
	_, err = sink.Put(ctx, name(m.Job), func(w io.Writer) error {
		_, err := w.Write(text)
		return err
	})
	if err != nil {
		return fmt.Errorf("writing the manifest of %q: %w", m.Job, err)
	}
	return nil
}

// encode lays the document out for people.
func (m *Manifest) encode() ([]byte, error) {
	text, err := document.Marshal(m)
	if err != nil {
		return nil, err
	}
	var lines bytes.Buffer
	err = json.Indent(&lines, append(text, '\n'), "", "  ")
	return lines.Bytes(), err
}

// Remove makes an export incomplete, so that its parts can be replaced.
func RemoveManifest(ctx context.Context, sink sinks.Sink, job string) error {
	if err := sink.Delete(ctx, name(job)); err != nil {
		return fmt.Errorf("removing the manifest of %q: %w", job, err)
	}
	return nil
}

// Read reads the manifest of a job. ErrNone where the export is absent or was not finished.
func Read(ctx context.Context, sink sinks.Sink, job string) (*Manifest, error) {
	obj, err := sink.Open(ctx, name(job))
	if errors.Is(err, sinks.ErrNotExist) {
		return nil, fmt.Errorf("%s: %w", sink.URL(job), ErrNone)
	}
	if err != nil {
		return nil, fmt.Errorf("opening the manifest of %q: %w", job, err)
	}
	defer obj.Close()
	text, err := io.ReadAll(obj)
	if err != nil {
		return nil, fmt.Errorf("reading %s: %w", sink.URL(name(job)), err)
	}
	m, err := parse(text)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", sink.URL(name(job)), err)
	}
	m.Job = job
	return m, nil
}

// ParseCollection reads the description of a collection: one by itself, or that of a manifest.
func ParseCollection(text []byte) (*model.Collection, error) {
	var head struct{ Format int }
	if err := json.Unmarshal(text, &head); err != nil {
		return nil, fmt.Errorf("%w: %w", ErrDamaged, err)
	}
	if head.Format > 0 {
		m, err := parse(text)
		if err != nil {
			return nil, err
		}
		return m.Collection.Milvus(), nil
	}
	var d Collection
	if err := json.Unmarshal(text, &d); err != nil {
		return nil, fmt.Errorf("%w: %w", ErrDamaged, err)
	}
	if !d.complete() {
		return nil, fmt.Errorf("%w: it describes no collection", ErrDamaged)
	}
	return d.Milvus(), nil
}

// complete reports whether a description has what a collection can't do without.
func (d Collection) complete() bool {
	return d.Schema.CollectionSchema != nil && model.PrimaryKey(d.Schema.CollectionSchema) != nil
}

// parse looks at the format first: a newer one may hold anything else.
func parse(text []byte) (*Manifest, error) {
	var head struct{ Format int }
	if err := json.Unmarshal(text, &head); err != nil {
		return nil, fmt.Errorf("%w: %w", ErrDamaged, err)
	}
	if head.Format > Version {
		return nil, fmt.Errorf("%w: %d, and this migrate reads up to %d; use the migrate that exported it, or a newer one", ErrVersion, head.Format, Version)
	}
	m := &Manifest{}
	if err := document.Unmarshal(text, m); err != nil {
		return nil, fmt.Errorf("%w: %w", ErrDamaged, err)
	}
	if m.Format < 1 || !m.Collection.complete() {
		return nil, fmt.Errorf("%w: it describes no collection", ErrDamaged)
	}
	return m, nil
}

func mapOf(pairs []*commonpb.KeyValuePair) map[string]string {
	m := make(map[string]string, len(pairs))
	for _, p := range pairs {
		m[p.GetKey()] = p.GetValue()
	}
	return m
}

func toPairs(m map[string]string) []*commonpb.KeyValuePair {
	var pairs []*commonpb.KeyValuePair
	for _, k := range slices.Sorted(maps.Keys(m)) {
		pairs = append(pairs, &commonpb.KeyValuePair{Key: k, Value: m[k]})
	}
	return pairs
}
