package milvus

import (
	"slices"
	"testing"

	"github.com/milvus-io/milvus-proto/go-api/v2/commonpb"
	"github.com/milvus-io/milvus-proto/go-api/v2/schemapb"
)

// books is a schema with an id, a text, a vector and an array.
func books() *schemapb.CollectionSchema {
	return &schemapb.CollectionSchema{Fields: []*schemapb.FieldSchema{
		{Name: "id", DataType: schemapb.DataType_Int64, IsPrimaryKey: true},
		{Name: "title", DataType: schemapb.DataType_VarChar, TypeParams: []*commonpb.KeyValuePair{{Key: "max_length", Value: "64"}, {Key: "mmap", Value: "on"}}},
		{Name: "v", DataType: schemapb.DataType_FloatVector, TypeParams: []*commonpb.KeyValuePair{{Key: "dim", Value: "8"}}},
		{Name: "tags", DataType: schemapb.DataType_Array, ElementType: schemapb.DataType_VarChar},
	}}
}

func TestSchemaDifferences(t *testing.T) {
	id, title, v, tags := 0, 1, 2, 3
	type fields = []*schemapb.FieldSchema
	for name, test := range map[string]struct {
		change func(*schemapb.CollectionSchema, fields)
		want   []string
	}{
		"none":              {func(*schemapb.CollectionSchema, fields) {}, nil},
		"name":              {func(s *schemapb.CollectionSchema, _ fields) { s.Name, s.Description = "other", "other" }, nil},
		"ids":               {func(_ *schemapb.CollectionSchema, f fields) { f[id].FieldID, f[v].FieldID = 100, 101 }, nil},
		"descriptions":      {func(_ *schemapb.CollectionSchema, f fields) { f[id].Description = "the key" }, nil},
		"order":             {func(s *schemapb.CollectionSchema, f fields) { slices.Reverse(f) }, nil},
		"parameters' order": {func(_ *schemapb.CollectionSchema, f fields) { slices.Reverse(f[title].TypeParams) }, nil},
		"the dynamic field itself": {func(s *schemapb.CollectionSchema, _ fields) {
			s.Fields = append(s.Fields, &schemapb.FieldSchema{Name: "$meta", IsDynamic: true})
		}, nil},
		"field less": {func(s *schemapb.CollectionSchema, f fields) { s.Fields = f[:tags] }, []string{`field "tags" is missing`}},
		"field more": {func(s *schemapb.CollectionSchema, _ fields) {
			s.Fields = append(s.Fields, &schemapb.FieldSchema{Name: "new"})
		}, []string{`field "new" is extra`}},
		"field's name": {func(_ *schemapb.CollectionSchema, f fields) { f[v].Name = "w" }, []string{`field "v" is missing`, `field "w" is extra`}},
		"type":         {func(_ *schemapb.CollectionSchema, f fields) { f[title].DataType = schemapb.DataType_JSON }, []string{`field "title" has type JSON instead of VarChar`}},
		"element type": {func(_ *schemapb.CollectionSchema, f fields) { f[tags].ElementType = schemapb.DataType_Int8 }, []string{`field "tags" has element type Int8 instead of VarChar`}},
		"dimension":    {func(_ *schemapb.CollectionSchema, f fields) { f[v].TypeParams[0].Value = "9" }, []string{`field "v" has parameters {dim=9} instead of {dim=8}`}},
		"no length":    {func(_ *schemapb.CollectionSchema, f fields) { f[title].TypeParams = nil }, []string{`field "title" has parameters {} instead of {max_length=64 mmap=on}`}},
		"key": {func(_ *schemapb.CollectionSchema, f fields) { f[id].IsPrimaryKey, f[title].IsPrimaryKey = false, true }, []string{
			`field "id" has primary key false instead of true`, `field "title" has primary key true instead of false`}},
		"partition key": {func(_ *schemapb.CollectionSchema, f fields) { f[title].IsPartitionKey = true }, []string{`field "title" has partition key true instead of false`}},
		"default": {func(_ *schemapb.CollectionSchema, f fields) {
			f[title].DefaultValue = &schemapb.ValueField{Data: &schemapb.ValueField_StringData{StringData: ""}}
		}, []string{`field "title" has another default`}},
		"dynamic field": {func(s *schemapb.CollectionSchema, _ fields) { s.EnableDynamicField = true }, []string{`the dynamic field is on instead of off`}},
		"auto id":       {func(_ *schemapb.CollectionSchema, f fields) { f[id].AutoID = true }, []string{`auto id is on instead of off`}},
	} {
		have := books()
		test.change(have, have.Fields)
		if got := SchemaDifferences(books(), have); !slices.Equal(got, test.want) {
			t.Errorf("%s: %q, want %q", name, got, test.want)
		}
		if got := SchemaDifferences(have, books()); (len(got) == 0) != (len(test.want) == 0) {
			t.Errorf("%s, the other way round: %q", name, got)
		}
	}
}

func TestCapabilitiesOf(t *testing.T) {
	type capabilities struct{ grpc, rest, losesStats, idempotent, commit bool }
	for version, want := range map[string]capabilities{
		"v2.3.5-lite": {grpc: true},
		"v2.3.0":      {grpc: true},
		"2.3":         {grpc: true},
		"2.4.0":       {rest: true, losesStats: true},
		"v2.4.0-rc.1": {rest: true, losesStats: true},
		"v2.4.3":      {rest: true, losesStats: true},
		"v2.4.4":      {rest: true},
		"v2.4.10":     {rest: true},
		"v2.6.1":      {rest: true},
		"v2.6.23":     {rest: true},
		"v2.6.24":     {rest: true, idempotent: true},
		"v3.0.1":      {rest: true, commit: true},
		"v3.0.2":      {rest: true, idempotent: true, commit: true},
		"v3.3.0":      {rest: true, idempotent: true, commit: true},
		"v2.30.1":     {rest: true},
		"v2.2.16":     {},
		"":            {},
		"nonsense":    {},
		"v2":          {},
	} {
		can := capabilitiesOf(version)
		if got := (capabilities{can.GRPCImport, can.RESTImport, can.ImportLosesStats, can.IdempotentImport, can.ImportCommit}); got != want {
			t.Errorf("%q: %+v, want %+v", version, got, want)
		}
		if imports := want.grpc || want.rest; imports != (can.FilesPerJob > 0) || imports != (can.JobsKnownFor > 0) {
			t.Errorf("%q: %d files a job, known for %v", version, can.FilesPerJob, can.JobsKnownFor)
		}
		if len(can.Types) != len(carried) {
			t.Errorf("%q: carries %v", version, can.Types)
		}
	}
}

func TestUnsupported(t *testing.T) {
	schema := books()
	schema.Fields = append(schema.Fields,
		&schemapb.FieldSchema{Name: "sparse", DataType: schemapb.DataType_SparseFloatVector}, &schemapb.FieldSchema{Name: "new", DataType: 1234})
	got := capabilitiesOf("v2.3.5").Unsupported(schema)
	if want := []string{"sparse (SparseFloatVector)", "new (1234)"}; !slices.Equal(got, want) {
		t.Errorf("%q, want %q", got, want)
	}
}

func TestWhatASchemaSays(t *testing.T) {
	schema := books()
	if PrimaryKey(schema).GetName() != "id" || PrimaryKey(&schemapb.CollectionSchema{}) != nil {
		t.Errorf("primary keys %v and %v", PrimaryKey(schema), PrimaryKey(&schemapb.CollectionSchema{}))
	}
	if AutoID(schema) || PartitionKey(schema) {
		t.Errorf("auto id %t, partition key %t; want neither", AutoID(schema), PartitionKey(schema))
	}
	clone := CloneSchema(schema)
	clone.Fields[0].AutoID, clone.Fields[1].IsPartitionKey = true, true
	if !AutoID(clone) || !PartitionKey(clone) || AutoID(schema) || PartitionKey(schema) {
		t.Error("a clone can't be changed for itself")
	}
	if got := TypeParam(schema.Fields[2], "dim") + TypeParam(schema.Fields[0], "dim"); got != "8" {
		t.Errorf("dimensions %s, want 8 and none", got)
	}
}
