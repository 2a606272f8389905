package milvus

import (
	"slices"
	"testing"

	"github.com/milvus-io/milvus-proto/go-api/v2/commonpb"
	"github.com/milvus-io/milvus-proto/go-api/v2/schemapb"

	"migrate/internal/model"
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
	}
}

// TestTypes: which of the later types a server has, and which of these its bulk insert does not take.
func TestTypes(t *testing.T) {
	const (
		half   = schemapb.DataType_Float16Vector
		brain  = schemapb.DataType_BFloat16Vector
		sparse = schemapb.DataType_SparseFloatVector
		int8s  = schemapb.DataType_Int8Vector
		place  = schemapb.DataType_Geometry
		time   = schemapb.DataType_Timestamptz
	)
	type types = []schemapb.DataType
	before := capabilitiesOf("v2.3.5").Types
	for version, want := range map[string]struct{ has, notImported types }{
		"":        {},
		"v2.4.0":  {types{half, brain, sparse}, types{half, brain, sparse}},
		"v2.4.3":  {types{half, brain, sparse}, types{sparse}},
		"v2.4.4":  {types{half, brain, sparse}, nil},
		"v2.5.17": {types{half, brain, sparse}, nil},
		"v2.5.18": {types{place, half, brain, sparse}, nil},
		"v2.6.0":  {types{half, brain, sparse, int8s}, nil},
		"v2.6.1":  {types{time, half, brain, sparse, int8s}, nil},
		"v2.6.3":  {types{place, time, half, brain, sparse, int8s}, nil},
		"v3.0.0":  {types{place, time, half, brain, sparse, int8s}, nil},
	} {
		can := capabilitiesOf(version)
		has := slices.DeleteFunc(slices.Clone(can.Types), func(kind schemapb.DataType) bool { return slices.Contains(before, kind) })
		if !slices.Equal(has, want.has) || !slices.Equal(can.NotImported, want.notImported) || len(can.Types) != len(before)+len(has) {
			t.Errorf("%q: has %v and does not import %v; want %v", version, has, can.NotImported, want)
		}
	}
}

// TestNullable: which versions have fields that take NULL, and vectors.
func TestNullable(t *testing.T) {
	number, vector := &schemapb.FieldSchema{Name: "n", DataType: schemapb.DataType_Int64, Nullable: true}, &schemapb.FieldSchema{Name: "v", DataType: schemapb.DataType_FloatVector, Nullable: true}
	for version, want := range map[string][]string{
		"": {"n (nullable)", "v (nullable)"}, "v2.3.5": {"n (nullable)", "v (nullable)"}, "v2.4.23": {"n (nullable)", "v (nullable)"},
		"v2.5.0": {"v (nullable)"}, "v2.5.30": {"v (nullable)"}, "v2.6.17": {"v (nullable)"}, "v2.6.18": nil, "v2.6.20": nil, "v3.0.0": nil,
	} {
		can := capabilitiesOf(version)
		if got := can.Unsupported(&model.Collection{Schema: &schemapb.CollectionSchema{Fields: []*schemapb.FieldSchema{number, vector}}}); !slices.Equal(got, want) {
			t.Errorf("%q: does not take %q, want %q", version, got, want)
		}
		if can.EmptyIsNull != can.Nullable {
			t.Errorf("%q: makes NULL of an empty list: %t", version, can.EmptyIsNull)
		}
	}
}

func TestUnsupported(t *testing.T) {
	schema := books()
	schema.Fields = append(schema.Fields,
		&schemapb.FieldSchema{Name: "sparse", DataType: schemapb.DataType_SparseFloatVector}, &schemapb.FieldSchema{Name: "new", DataType: 1234})
	got := capabilitiesOf("v2.3.5").Unsupported(&model.Collection{Schema: schema})
	if want := []string{"sparse (SparseFloatVector)", "the schema: new (unknown data_type 1234)"}; !slices.Equal(got, want) {
		t.Errorf("%q, want %q", got, want)
	}
}

func TestWhatASchemaSays(t *testing.T) {
	schema := books()
	if model.PrimaryKey(schema).GetName() != "id" || model.PrimaryKey(&schemapb.CollectionSchema{}) != nil {
		t.Errorf("primary keys %v and %v", model.PrimaryKey(schema), model.PrimaryKey(&schemapb.CollectionSchema{}))
	}
	if model.AutoID(schema) || model.PartitionKey(schema) {
		t.Errorf("auto id %t, partition key %t; want neither", model.AutoID(schema), model.PartitionKey(schema))
	}
	clone := model.CloneSchema(schema)
	clone.Fields[0].AutoID, clone.Fields[1].IsPartitionKey = true, true
	if !model.AutoID(clone) || !model.PartitionKey(clone) || model.AutoID(schema) || model.PartitionKey(schema) {
		t.Error("a clone can't be changed for itself")
	}
	if got := model.TypeParam(schema.Fields[2], "dim") + model.TypeParam(schema.Fields[0], "dim"); got != "8" {
		t.Errorf("dimensions %s, want 8 and none", got)
	}
}

// TestBeyondLimits says what a server would refuse to make, by its version.
func TestBeyondLimits(t *testing.T) {
	vector := func(name, dim string) *schemapb.FieldSchema {
		return &schemapb.FieldSchema{Name: name, DataType: schemapb.DataType_FloatVector, TypeParams: []*commonpb.KeyValuePair{{Key: "dim", Value: dim}}}
	}
	many := make([]*schemapb.FieldSchema, 65)
	for i := range many {
		many[i] = &schemapb.FieldSchema{DataType: schemapb.DataType_Int8}
	}
	for name, c := range map[string]struct {
		version string
		fields  []*schemapb.FieldSchema
		want    []string
	}{
		"ordinary":            {"v2.5.10", books().Fields, nil},
		"one dimension":       {"v2.5.10", []*schemapb.FieldSchema{vector("v", "1")}, []string{`field "v" has 1 dimension, and it takes vectors of 2 at least`}},
		"one dimension, 2.3":  {"v2.3.5", []*schemapb.FieldSchema{vector("v", "1")}, nil},
		"two vectors, 2.3":    {"v2.3.5", []*schemapb.FieldSchema{vector("v", "8"), vector("w", "8")}, []string{"2 vector fields, and it takes 1"}},
		"a sparse one too":    {"v2.3.5", []*schemapb.FieldSchema{vector("v", "8"), {Name: "s", DataType: schemapb.DataType_SparseFloatVector}}, []string{"2 vector fields, and it takes 1"}},
		"two vectors":         {"v2.4.15", []*schemapb.FieldSchema{vector("v", "8"), vector("w", "8")}, nil},
		"many fields":         {"v2.6.1", many, []string{"65 fields, and it takes 64"}},
		"many fields, 3.0":    {"v3.0.2", many, nil},
		"a server's own name": {"v2.5.10", []*schemapb.FieldSchema{{Name: "Timestamp"}}, []string{`field "Timestamp" has a name that it keeps for itself`}},
		"the dynamic field":   {"v2.5.10", []*schemapb.FieldSchema{{Name: "$meta", IsDynamic: true}}, nil},
	} {
		if got := capabilitiesOf(c.version).BeyondLimits(&schemapb.CollectionSchema{Fields: c.fields}); !slices.Equal(got, c.want) {
			t.Errorf("%s: %q, want %q", name, got, c.want)
		}
	}
}
