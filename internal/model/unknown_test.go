package model

import (
	"slices"
	"strings"
	"testing"

	"github.com/milvus-io/milvus-proto/go-api/v2/commonpb"
	"github.com/milvus-io/milvus-proto/go-api/v2/milvuspb"
	"github.com/milvus-io/milvus-proto/go-api/v2/schemapb"
	"google.golang.org/protobuf/encoding/protowire"
	"google.golang.org/protobuf/proto"
)

// later appends a field that no version of the protocol has to a message, as a later server would encode it, and decodes that.
func later[M proto.Message](t *testing.T, message M) M {
	t.Helper()
	text, err := proto.Marshal(message)
	if err != nil {
		t.Fatal(err)
	}
	text = protowire.AppendVarint(protowire.AppendTag(text, 1999, protowire.VarintType), 1)
	return decoded(t, message, text)
}

// sent encodes and decodes a message.
func sent[M proto.Message](t *testing.T, message M) M {
	t.Helper()
	text, err := proto.Marshal(message)
	if err != nil {
		t.Fatal(err)
	}
	return decoded(t, message, text)
}

func decoded[M proto.Message](t *testing.T, like M, text []byte) M {
	t.Helper()
	got := like.ProtoReflect().New().Interface()
	if err := proto.Unmarshal(text, got); err != nil {
		t.Fatal(err)
	}
	return got.(M)
}

// TestNotCarried refuses what a later server says of a schema and this migrate does not carry, or does not even know.
func TestNotCarried(t *testing.T) {
	for name, test := range map[string]struct {
		change func(*schemapb.CollectionSchema)
		want   []string
	}{
		"as 2.3 has it":     {func(*schemapb.CollectionSchema) {}, nil},
		"a database's name": {func(s *schemapb.CollectionSchema) { s.DbName = "x" }, nil},
		"a nullable field":  {func(s *schemapb.CollectionSchema) { s.Fields[1].Nullable = true }, []string{"price (nullable)"}},
		"a function":        {func(s *schemapb.CollectionSchema) { s.Functions = []*schemapb.FunctionSchema{{Name: "bm25", Type: 1}} }, []string{"bm25 (BM25 function)"}},
		"a default": {func(s *schemapb.CollectionSchema) {
			s.Fields[1].DefaultValue = &schemapb.ValueField{Data: &schemapb.ValueField_DoubleData{DoubleData: 1}}
		}, nil},
		"structs": {func(s *schemapb.CollectionSchema) {
			s.StructArrayFields = []*schemapb.StructArrayFieldSchema{{Name: "chunks"}}
		}, []string{"arrays of structs"}},
		"something new of the schema": {func(s *schemapb.CollectionSchema) {
			proto.Merge(s, later(t, &schemapb.CollectionSchema{}))
		}, []string{"the schema (unknown field 1999)"}},
		"something new of a field": {func(s *schemapb.CollectionSchema) {
			s.Fields[1] = later(t, s.Fields[1])
		}, []string{"the schema: price (unknown field 1999)"}},
		"something new of a default": {func(s *schemapb.CollectionSchema) {
			s.Fields[1].DefaultValue = later(t, &schemapb.ValueField{})
		}, []string{"the schema: price: default_value (unknown field 1999)"}},
		"a type":             {func(s *schemapb.CollectionSchema) { s.Fields[1].DataType = 999 }, []string{"the schema: price (unknown data_type 999)"}},
		"a type of elements": {func(s *schemapb.CollectionSchema) { s.Fields[1].ElementType = 998 }, []string{"the schema: price (unknown element_type 998)"}},
		"a state of a field": {func(s *schemapb.CollectionSchema) { s.Fields[1].State = 97 }, []string{"the schema: price (unknown state 97)"}},
		"a function of a newer kind": {func(s *schemapb.CollectionSchema) {
			s.Functions = []*schemapb.FunctionSchema{{Name: "minhash", Type: 99, Params: []*commonpb.KeyValuePair{later(t, &commonpb.KeyValuePair{Key: "k"})}}}
		}, []string{"the schema: minhash (unknown type 99)", "the schema: minhash: params (unknown field 1999)"}},
	} {
		schema := &schemapb.CollectionSchema{Fields: []*schemapb.FieldSchema{
			{Name: "id", DataType: schemapb.DataType_Int64}, {Name: "price", DataType: schemapb.DataType_Double},
		}}
		test.change(schema)
		if got := (Capabilities{Types: []schemapb.DataType{schemapb.DataType_Int64, schemapb.DataType_Double}, Analyzers: true}).Unsupported(&Collection{Schema: sent(t, schema)}); !slices.Equal(got, test.want) {
			t.Errorf("%s: %q, want %q", name, got, test.want)
		}
	}
}

// TestUnknownParams names what is newer than the protocol among the parameters of an index.
func TestUnknownParams(t *testing.T) {
	plain := &commonpb.KeyValuePair{Key: "index_type", Value: "HNSW"}
	c := &Collection{Schema: &schemapb.CollectionSchema{}, Indexes: []Index{
		{Name: "v", Params: []*commonpb.KeyValuePair{plain, later(t, &commonpb.KeyValuePair{Key: "metric_type", Value: "L2"})}},
	}}
	want := []string{"index v: metric_type (unknown field 1999)"}
	if got := (Capabilities{}).Unsupported(c); !slices.Equal(got, want) {
		t.Errorf("%q, want %q", got, want)
	}
}

// TestCheckColumn refuses a column with what this version of the protocol does not know.
func TestCheckColumn(t *testing.T) {
	longs := func() *schemapb.ScalarField {
		return &schemapb.ScalarField{Data: &schemapb.ScalarField_LongData{LongData: &schemapb.LongArray{Data: []int64{1, 0}}}}
	}
	for name, test := range map[string]struct {
		column *schemapb.FieldData
		want   string
	}{
		"plain":               {&schemapb.FieldData{Field: &schemapb.FieldData_Scalars{Scalars: longs()}}, ""},
		"nullable, no NULL":   {&schemapb.FieldData{Field: &schemapb.FieldData_Scalars{Scalars: longs()}, ValidData: []bool{true, true}}, ""},
		"a NULL":              {&schemapb.FieldData{Field: &schemapb.FieldData_Scalars{Scalars: longs()}, ValidData: []bool{true, false}}, ""},
		"a newer column":      {later(t, &schemapb.FieldData{Field: &schemapb.FieldData_Scalars{Scalars: longs()}}), "unknown field 1999"},
		"newer scalars":       {&schemapb.FieldData{Field: &schemapb.FieldData_Scalars{Scalars: later(t, &schemapb.ScalarField{})}}, "unknown field 1999"},
		"vectors of no known": {&schemapb.FieldData{Field: &schemapb.FieldData_Vectors{Vectors: later(t, &schemapb.VectorField{})}}, "unknown field 1999"},
	} {
		err := CheckColumn(sent(t, test.column))
		if (err == nil) != (test.want == "") || err != nil && !strings.Contains(err.Error(), test.want) {
			t.Errorf("%s: %v, want %q", name, err, test.want)
		}
	}
}

// TestSessionTimestamp reads the instant of an iterator where a server of 2.5 puts it: in field 5 of its answer.
func TestSessionTimestamp(t *testing.T) {
	const ts = 454_000_000_000_000_123
	text := protowire.AppendVarint(protowire.AppendTag(nil, 5, protowire.VarintType), ts)
	if got := decoded(t, &milvuspb.QueryResults{}, text).GetSessionTs(); got != ts {
		t.Errorf("%d; want %d", got, uint64(ts))
	}
}
