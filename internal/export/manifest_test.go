package export

import (
	"bytes"
	"encoding/json"
	"errors"
	"io"
	"os"
	"reflect"
	"strings"
	"testing"
	"time"

	"github.com/milvus-io/milvus-proto/go-api/v2/commonpb"
	"github.com/milvus-io/milvus-proto/go-api/v2/schemapb"
	"google.golang.org/protobuf/proto"

	"migrate/internal/columns"
	"migrate/internal/document"
	"migrate/internal/milvus"
	"migrate/internal/model"
	"migrate/internal/source"
	"migrate/sinks"
)

// fields are one of each kind, with all that Milvus says of a field.
func fields() []*schemapb.FieldSchema {
	params := func(key, value string) []*commonpb.KeyValuePair {
		return []*commonpb.KeyValuePair{{Key: key, Value: value}}
	}
	return []*schemapb.FieldSchema{
		{FieldID: 100, Name: "id", Description: "the \"key\" <&> ключ", IsPrimaryKey: true, AutoID: true, DataType: schemapb.DataType_Int64},
		{FieldID: 101, Name: "bool", DataType: schemapb.DataType_Bool, DefaultValue: &schemapb.ValueField{Data: &schemapb.ValueField_BoolData{BoolData: true}}},
		{FieldID: 102, Name: "int8", DataType: schemapb.DataType_Int8, DefaultValue: &schemapb.ValueField{Data: &schemapb.ValueField_IntData{IntData: -128}}},
		{FieldID: 103, Name: "int16", DataType: schemapb.DataType_Int16},
		{FieldID: 104, Name: "int32", DataType: schemapb.DataType_Int32},
		{FieldID: 105, Name: "int64", DataType: schemapb.DataType_Int64, DefaultValue: &schemapb.ValueField{Data: &schemapb.ValueField_LongData{LongData: 1<<53 + 1}}},
		{FieldID: 106, Name: "float", DataType: schemapb.DataType_Float, DefaultValue: &schemapb.ValueField{Data: &schemapb.ValueField_FloatData{FloatData: 0.1}}},
		{FieldID: 107, Name: "double", DataType: schemapb.DataType_Double, DefaultValue: &schemapb.ValueField{Data: &schemapb.ValueField_DoubleData{DoubleData: 0.1}}},
		{FieldID: 108, Name: "tenant", DataType: schemapb.DataType_VarChar, IsPartitionKey: true, TypeParams: params("max_length", "64"),
			DefaultValue: &schemapb.ValueField{Data: &schemapb.ValueField_StringData{StringData: ""}}},
		{FieldID: 109, Name: "json", DataType: schemapb.DataType_JSON, State: schemapb.FieldState_FieldCreating},
		{FieldID: 110, Name: "array", DataType: schemapb.DataType_Array, ElementType: schemapb.DataType_Int8, TypeParams: params("max_capacity", "8")},
		{FieldID: 111, Name: "floats", DataType: schemapb.DataType_FloatVector, TypeParams: params("dim", "4"), IndexParams: params("index_type", "FLAT")},
		{FieldID: 112, Name: "bits", DataType: schemapb.DataType_BinaryVector, TypeParams: params("dim", "16")},
		{FieldID: 113, Name: "$meta", DataType: schemapb.DataType_JSON, IsDynamic: true},
	}
}

func collection() *model.Collection {
	return &model.Collection{
		Name: "books", Database: "library", Schema: &schemapb.CollectionSchema{
			Name: "books", Description: "all of them", EnableDynamicField: true, Fields: fields(),
		},
		Shards: 2, ConsistencyLevel: commonpb.ConsistencyLevel_Eventually,
		Properties: []*commonpb.KeyValuePair{{Key: "collection.ttl.seconds", Value: "60"}, {Key: "mmap.enabled", Value: ""}},
		Partitions: []string{"_default", "new"},
		Indexes: []model.Index{
			{Name: "", Field: "int64"},
			{Name: "by floats", Field: "floats", Params: []*commonpb.KeyValuePair{{Key: "index_type", Value: "HNSW"}, {Key: "params", Value: `{"M":8}`}}},
		},
		Aliases: []string{"shelf"}, Loaded: true,
	}
}

// full is a manifest in which nothing is left out.
func full() *Manifest {
	low, mid, high := model.IntKey(-1<<63), model.IntKey(0), model.IntKey(1<<63-1)
	return &Manifest{
		Format: Version, Job: "books", Source: Server{Address: "localhost:19530", Version: "v2.3.5"},
		Started:    time.Date(2026, 11, 24, 1, 2, 3, 456789, time.UTC),
		Finished:   time.Date(2026, 11, 24, 1, 2, 4, 0, time.UTC),
		Collection: Describe(collection()),
		Total:      model.Sum{Rows: 3, Hash: 0xfedcba9876543210}, Bytes: 4321,
		Parts: []Part{
			{Partition: "_default", Range: model.Range{UpTo: &mid}, Object: "_default/part-00000.parquet",
				Rows: model.Sum{Rows: 3, Hash: 0xfedcba9876543210}, Bytes: 4321, SHA256: strings.Repeat("0f", 32), Lowest: &low, Highest: &mid},
			{Partition: "_default", Range: model.Range{After: &mid}},
		},
		Columns: map[string]columns.Stats{"title": {Longest: &columns.Most{N: 300, Key: low}, NotUTF8: &mid}},
		Findings: model.Findings{
			Duplicates: model.Duplicates{Keys: 1, Rows: 1, Sample: []model.Copies{{Key: model.TextKey("a\"b"), Copies: 2}}},
			Unreadable: []model.Unreadable{{Range: model.Range{After: &mid, UpTo: &high}, Rows: 1}},
		},
	}
}

// beforeColumns is a manifest as it was written when columns were not measured.
func beforeColumns(m *Manifest) *Manifest {
	m.Columns = nil
	return m
}

// wantSame compares manifests; a schema is compared as protocol buffers are.
func wantSame(t *testing.T, got, want *Manifest) {
	t.Helper()
	if have, wanted := got.Collection.Schema.CollectionSchema, want.Collection.Schema.CollectionSchema; !same(have, wanted) {
		t.Errorf("schema %v, want %v", have, wanted)
	}
	got.Collection.Schema = want.Collection.Schema
	if !reflect.DeepEqual(got, want) {
		t.Errorf("manifest %+v, want %+v", got, want)
	}
}

func same(a, b proto.Message) bool {
	return proto.Equal(a, b)
}

func local(t *testing.T) *sinks.Local {
	t.Helper()
	s, err := sinks.NewLocal(t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	return s
}

func TestWriteThenRead(t *testing.T) {
	sink, ctx := local(t), t.Context()
	if err := Write(ctx, sink, full()); err != nil {
		t.Fatal(err)
	}
	got, err := Read(ctx, sink, "books")
	if err != nil {
		t.Fatal(err)
	}
	wantSame(t, got, full())
	for range 2 {
		if err := RemoveManifest(ctx, sink, "books"); err != nil {
			t.Errorf("removing it: %v", err)
		}
		if _, err := Read(ctx, sink, "books"); !errors.Is(err, ErrNone) {
			t.Errorf("reading what was removed: %v", err)
		}
	}
}

// Earlier versions wrote the address as it was given, with the login in it.
func TestLoginInADocument(t *testing.T) {
	sink, old := local(t), full()
	old.Source.Address = "root:hunter2@somewhere:19530"
	if err := Write(t.Context(), sink, old); err != nil {
		t.Fatal(err)
	}
	if got, err := Read(t.Context(), sink, "books"); err != nil || got.Source.Address != "somewhere:19530" || got.Source.Version != old.Source.Version {
		t.Errorf("%v: %+v", err, got)
	}
}

// An export that was copied under another name is the job of that name.
func TestReadUnderAnotherName(t *testing.T) {
	sink, ctx := local(t), t.Context()
	text, err := document.Marshal(full())
	if err != nil {
		t.Fatal(err)
	}
	put(t, sink, "a/copy/manifest.json", text)
	m, err := Read(ctx, sink, "a/copy")
	if err != nil {
		t.Fatal(err)
	}
	if got, want := m.ObjectName(m.Parts[0]), "a/copy/_default/part-00000.parquet"; got != want {
		t.Errorf("the part is %s, want %s", got, want)
	}
}

func put(t *testing.T, sink sinks.Sink, name string, content []byte) {
	t.Helper()
	_, err := sink.Put(t.Context(), name, func(w io.Writer) error {
		_, err := w.Write(content)
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
}

// Manifests that were written years ago are read as ever, and say what they said.
func TestFormat1(t *testing.T) {
	for file, want := range map[string]*Manifest{"round1.json": beforeColumns(full()), "format1.json": full()} {
		text, err := os.ReadFile("testdata/" + file)
		if err != nil {
			t.Fatal(err)
		}
		m, err := parse(text)
		if err != nil {
			t.Fatalf("%s: %v", file, err)
		}
		wantSame(t, m, want)
	}
	text, err := os.ReadFile("testdata/format1.json")
	if err != nil {
		t.Fatal(err)
	}
	sink := local(t)
	if err := Write(t.Context(), sink, full()); err != nil {
		t.Fatal(err)
	}
	obj, err := sink.Open(t.Context(), "books/manifest.json")
	if err != nil {
		t.Fatal(err)
	}
	defer obj.Close()
	if now, err := io.ReadAll(obj); err != nil || !bytes.Equal(now, text) {
		t.Errorf("it is written otherwise now, %v:\n%s", err, now)
	}
}

// reseal makes a changed document one that was written so.
func reseal(t testing.TB, text []byte) []byte {
	t.Helper()
	var members map[string]json.RawMessage
	err := json.Unmarshal(text, &members)
	delete(members, "sha256")
	if err == nil {
		text, err = document.Marshal(members)
	}
	if err != nil {
		t.Fatal(err)
	}
	return text
}

func TestReadRefuses(t *testing.T) {
	text, err := os.ReadFile("testdata/format1.json")
	if err != nil {
		t.Fatal(err)
	}
	edit := func(old, new string) string {
		if !bytes.Contains(text, []byte(old)) {
			t.Fatalf("the manifest holds no %s", old)
		}
		return string(reseal(t, bytes.ReplaceAll(text, []byte(old), []byte(new))))
	}
	for name, test := range map[string]struct {
		text string
		want error
		says string
	}{
		"newer format":      {edit(`"format": 1`, `"format": 2`), ErrVersion, "2"},
		"newer in all else": {`{"format": 9, "collection": ["else"]}`, ErrVersion, "9"},
		"no format":         {edit(`"format": 1`, `"format": 0`), ErrDamaged, "no collection"},
		"format of text":    {edit(`"format": 1`, `"format": "1"`), ErrDamaged, "cannot unmarshal string"},
		"nothing":           {"", ErrDamaged, ""},
		"no JSON":           {"PAR1", ErrDamaged, ""},
		"no object":         {"[]", ErrDamaged, ""},
		"null":              {"null", ErrDamaged, ""},
		"altered":           {strings.Replace(string(text), "BinaryVector", "FloatVector", 1), ErrDamaged, "checksum"},
		"half":              {string(text[:len(text)/2]), ErrDamaged, ""},
		"no schema":         {edit(`"schema"`, `"else"`), ErrDamaged, "no collection"},
		"no primary key":    {edit(`"isPrimaryKey"`, `"isPartitionKey"`), ErrDamaged, ""},
		"unknown type":      {edit(`"BinaryVector"`, `"Hologram"`), ErrDamaged, "Hologram"},
		"hash cut short":    {edit(`"hash": "fedcba9876543210"`, `"hash": "fedcba98 76543210"`), ErrDamaged, "checksum"},
		"key of neither":    {edit(`"up_to": 0`, `"up_to": 0.5`), ErrDamaged, "primary key"},
	} {
		sink := local(t)
		put(t, sink, "books/manifest.json", []byte(test.text))
		m, err := Read(t.Context(), sink, "books")
		if !errors.Is(err, test.want) || !strings.Contains(err.Error(), test.says) {
			t.Errorf("%s: %v, %v; want %v that says %q", name, m, err, test.want, test.says)
		}
	}
}

// What was described is the collection that it was, but for the id that its server gave it.
func TestDescribeAndBack(t *testing.T) {
	for name, want := range map[string]*model.Collection{
		"full": collection(),
		"bare": {Name: "bare", Schema: &schemapb.CollectionSchema{Fields: fields()[:1]}},
	} {
		got := Describe(want).Milvus()
		if !same(got.Schema, want.Schema) {
			t.Errorf("%s: schema %v, want %v", name, got.Schema, want.Schema)
		}
		got.Schema.Fields[0].Name = "changed"
		if want.Schema.Fields[0].Name == "changed" {
			t.Errorf("%s: a change of the copy's schema changed the manifest's", name)
		}
		got.Schema = want.Schema
		if !reflect.DeepEqual(got, want) {
			t.Errorf("%s: %+v, want %+v", name, got, want)
		}
	}
}

func TestPartName(t *testing.T) {
	for _, test := range []struct {
		partition string
		n         int
		epoch     int64
		want      string
	}{
		{"_default", 0, 1, "_default/part-00000.parquet"},
		{"_default", 0, 7, "_default/part-00000.7.parquet"},
		{model.AllPartitions, 12, 1, "all/part-00012.parquet"},
		{"p", 123456, 0, "p/part-123456.parquet"},
	} {
		if got := PartName(test.partition, test.n, test.epoch); got != test.want || !IsPart(got) {
			t.Errorf("part %d of %q: %q, want %q", test.n, test.partition, got, test.want)
		}
	}
	for _, other := range []string{"manifest.json", "export.checkpoint.json", "mine.parquet", "_default/part-1.parquet", "2026-11/_default/part-00000.parquet"} {
		if IsPart(other) {
			t.Errorf("%s is taken for a part", other)
		}
	}
}

func TestReadPart(t *testing.T) {
	sink, ctx := local(t), t.Context()
	m := &Manifest{Job: "books", Collection: Describe(&model.Collection{Schema: &schemapb.CollectionSchema{Fields: fields()[:1]}})}
	layout, err := columns.NewLayout(m.Collection.Schema.CollectionSchema)
	if err != nil {
		t.Fatal(err)
	}
	rec, err := layout.Decode([]*schemapb.FieldData{{FieldName: "id", Field: &schemapb.FieldData_Scalars{Scalars: &schemapb.ScalarField{
		Data: &schemapb.ScalarField_LongData{LongData: &schemapb.LongArray{Data: []int64{3, 1, 2}}}}}}})
	if err != nil {
		t.Fatal(err)
	}
	p := Part{Object: PartName("p", 0, 1)}
	_, err = sink.Put(ctx, m.ObjectName(p), func(w io.Writer) error {
		pw, err := NewWriter(w, layout.Arrow)
		if err != nil {
			return err
		}
		err = errors.Join(pw.Write(rec), pw.Close())
		p.SHA256 = pw.SHA256()
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	var keys []model.Key
	read := func(p Part) error {
		stream, err := m.ReadPart(ctx, sink, p)
		if err != nil {
			return err
		}
		for rec, err := range source.Rows(stream) {
			if err != nil {
				return err
			}
			keys = append(keys, layout.Keys(rec)...)
		}
		return nil
	}
	if err := read(p); err != nil {
		t.Fatal(err)
	}
	if want := []model.Key{model.IntKey(3), model.IntKey(1), model.IntKey(2)}; !reflect.DeepEqual(keys, want) {
		t.Errorf("keys %v, want %v", keys, want)
	}
	if err := read(Part{Object: PartName("p", 1, 1)}); !errors.Is(err, sinks.ErrNotExist) {
		t.Errorf("a part that is missing: %v", err)
	}
	put(t, sink, m.ObjectName(p), []byte("PAR1, once"))
	if err := read(p); !errors.Is(err, ErrPartDamaged) {
		t.Errorf("a part that was altered: %v", err)
	}
}

// FuzzParse never panics, and what it takes for a manifest describes a collection that can be laid out or refused.
func FuzzParse(f *testing.F) {
	text, err := os.ReadFile("testdata/format1.json")
	if err != nil {
		f.Fatal(err)
	}
	f.Add(text)
	f.Add([]byte(`{"format":1,"collection":{"schema":{"fields":[{"name":"id","isPrimaryKey":true,"dataType":"Int64"}]}}}`))
	f.Add([]byte(`{"format":1,"collection":{"schema":{"fields":[{"isPrimaryKey":true,"dataType":101,"typeParams":[{"key":"dim","value":"9"}]}]}}}`))
	f.Add([]byte(`{"format":1,"collection":{"schema":null},"parts":[{"after":null,"up_to":"","object":"../x"}],"findings":null}`))
	f.Fuzz(func(t *testing.T, text []byte) {
		var members map[string]json.RawMessage
		if json.Unmarshal(text, &members) == nil && members != nil {
			text = reseal(t, text)
		}
		m, err := parse(text)
		if err != nil {
			if !errors.Is(err, ErrDamaged) && !errors.Is(err, ErrVersion) {
				t.Errorf("an error of no kind: %v", err)
			}
			return
		}
		if layout, err := columns.NewLayout(m.Collection.Schema.CollectionSchema); err == nil {
			layout.RowBytes()
			for _, p := range m.Parts {
				milvus.KeyOf(m.Collection.Schema.CollectionSchema).Within(p.Range)
			}
		}
		if c := m.Collection.Milvus(); model.PrimaryKey(c.Schema) == nil {
			t.Error("a collection without a primary key")
		}
	})
}
