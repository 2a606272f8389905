package model

import (
	"slices"
	"testing"

	"github.com/milvus-io/milvus-proto/go-api/v2/schemapb"
)

// searched is a schema whose text is searched by BM25, as a server of 2.5 describes it.
func searched() *schemapb.CollectionSchema {
	return &schemapb.CollectionSchema{
		Fields: []*schemapb.FieldSchema{
			{FieldID: 100, Name: "id", DataType: schemapb.DataType_Int64, IsPrimaryKey: true},
			{FieldID: 101, Name: "text", DataType: schemapb.DataType_VarChar, TypeParams: pairs("max_length", "500", "enable_analyzer", "true", "analyzer_params", `{"type": "english"}`)},
			{FieldID: 102, Name: "sp", DataType: schemapb.DataType_SparseFloatVector, IsFunctionOutput: true},
		},
		Functions: []*schemapb.FunctionSchema{{
			Name: "bm", Id: 100, Type: schemapb.FunctionType_BM25, InputFieldNames: []string{"text"}, InputFieldIds: []int64{101},
			OutputFieldNames: []string{"sp"}, OutputFieldIds: []int64{102},
		}},
	}
}

// searching is a server that has BM25, and no sparse vectors that migrate carries.
var searching = Capabilities{
	Types: []schemapb.DataType{schemapb.DataType_Int64, schemapb.DataType_VarChar}, Functions: carriedFunctions, Analyzers: true,
}

// TestFunctionsCarried refuses by name what of functions and analyzers is not carried, or not had by a server.
func TestFunctionsCarried(t *testing.T) {
	embed := func(s *schemapb.CollectionSchema) {
		s.Functions[0].Type, s.Functions[0].Name = schemapb.FunctionType_TextEmbedding, "embed"
	}
	for name, test := range map[string]struct {
		change func(*schemapb.CollectionSchema)
		can    Capabilities
		want   []string
	}{
		"BM25":                     {func(*schemapb.CollectionSchema) {}, searching, nil},
		"BM25 with its parameters": {func(s *schemapb.CollectionSchema) { s.Functions[0].Params = pairs("bm25_k1", "1.2", "bm25_b", "0.75") }, searching, nil},
		"an earlier server":        {func(*schemapb.CollectionSchema) {}, Capabilities{Types: searching.Types}, []string{"bm (BM25 function)", "text (enable_analyzer)"}},
		"a text to match": {func(s *schemapb.CollectionSchema) {
			s.Functions, s.Fields = nil, s.Fields[:2]
			s.Fields[1].TypeParams = pairs("enable_analyzer", "True", "enable_match", "true")
		}, Capabilities{Types: searching.Types}, []string{"text (enable_analyzer)", "text (enable_match)"}},
		"an analyzer that is off": {func(s *schemapb.CollectionSchema) {
			s.Functions, s.Fields = nil, s.Fields[:2]
			s.Fields[1].TypeParams = pairs("enable_analyzer", "false")
		}, Capabilities{Types: searching.Types}, nil},
		"embedding": {embed, searching, []string{"sp (SparseFloatVector)", "embed (TextEmbedding function)", "sp (computed by a function)"}},
		"reranking": {func(s *schemapb.CollectionSchema) {
			s.Functions = append(s.Functions, &schemapb.FunctionSchema{Name: "decay", Type: schemapb.FunctionType_Rerank})
		}, searching, []string{"decay (Rerank function)"}},
		"an output of no function": {func(s *schemapb.CollectionSchema) { s.Functions = nil }, searching, []string{"sp (SparseFloatVector)", "sp (computed by a function)"}},
		"an output of a function of Milvus Lite 2.5": {func(s *schemapb.CollectionSchema) {
			s.Functions, s.Fields[2].IsFunctionOutput, s.Fields[2].DataType = nil, false, schemapb.DataType_VarChar
		}, searching, []string{"sp (computed by a function that the server does not describe)"}},
		"3.0's text": {func(s *schemapb.CollectionSchema) { s.Fields[1].DataType = schemapb.DataType_Text }, searching, []string{"text (Text)"}},
		"a parameter left out": {func(s *schemapb.CollectionSchema) { s.Functions[0].Params = pairs("api_key", leftOut) }, searching,
			[]string{"bm (a function whose parameter api_key was left out of the description)"}},
	} {
		schema := searched()
		test.change(schema)
		indexes := []Index{{Field: "sp", Params: pairs("index_type", "SPARSE_INVERTED_INDEX", "metric_type", "BM25")}}
		if got := test.can.Unsupported(&Collection{Schema: schema, Indexes: indexes}); !slices.Equal(got, test.want) {
			t.Errorf("%s: %q, want %q", name, got, test.want)
		}
	}
}

// TestWithoutSecrets leaves out of a description what may be a credential, by its name or in an address, and nothing of BM25's.
func TestWithoutSecrets(t *testing.T) {
	kept := pairs("bm25_k1", "1.2", "provider", "openai", "model_name", "small", "dim", "512", "url", "https://host/v1", "truncate", "true")
	hidden := pairs("credential", "c", "api_key", "k", "access_key_id", "a", "secret_access_key", "s", "session_token", "t", "Authorization", "Bearer x",
		"user_password", "p", "url", "https://user:password@host/v1", "endpoint", "https://host/v1?sig=1")
	schema := searched()
	schema.Functions[0].Params = append(slices.Clone(kept), hidden...)
	shown := WithoutSecrets(schema)
	for i, p := range shown.Functions[0].Params {
		switch {
		case i < len(kept) && p.Value != kept[i].Value:
			t.Errorf("%s is left out", p.Key)
		case i >= len(kept) && p.Value != leftOut:
			t.Errorf("%s is shown: %s", p.Key, p.Value)
		}
	}
	if schema.Functions[0].Params[len(kept)].Value != "c" {
		t.Error("what is in use was changed")
	}
	if differ := Compare(&Collection{Schema: shown}, &Collection{Schema: schema}); len(differ) > 0 {
		t.Errorf("it differs from what it is of: %+v", differ)
	}
}

// TestFunctionsDiffer refuses a collection in which searches find others.
func TestFunctionsDiffer(t *testing.T) {
	for name, test := range map[string]struct {
		change func(*schemapb.CollectionSchema)
		class  Class
		want   []string
	}{
		"ids":     {func(s *schemapb.CollectionSchema) { s.Functions[0].Id, s.Functions[0].InputFieldIds = 7, nil }, "", nil},
		"missing": {func(s *schemapb.CollectionSchema) { s.Functions = nil }, Refuses, []string{`function "bm" (BM25 of text) is missing`}},
		"extra": {func(s *schemapb.CollectionSchema) {
			s.Functions = append(s.Functions, &schemapb.FunctionSchema{Name: "r", Type: schemapb.FunctionType_Rerank, InputFieldNames: []string{"text"}})
		}, Refuses, []string{`function "r" (Rerank of text) is extra`}},
		"of another field": {func(s *schemapb.CollectionSchema) { s.Functions[0].InputFieldNames = []string{"title"} }, Refuses,
			[]string{`function "bm" (BM25 of title) is there instead of function "bm" (BM25 of text)`}},
		"parameter": {func(s *schemapb.CollectionSchema) { s.Functions[0].Params = pairs("bm25_k1", "2") }, Refuses, []string{`function "bm" has bm25_k1 2 instead of none`}},
		"name":      {func(s *schemapb.CollectionSchema) { s.Functions[0].Name = "search" }, Differs, []string{`function "bm" is called "search"`}},
		"description": {func(s *schemapb.CollectionSchema) { s.Functions[0].Description = "words" }, Differs,
			[]string{`function "bm" has description "words" instead of ""`}},
		"another analyzer": {func(s *schemapb.CollectionSchema) { s.Fields[1].TypeParams[2].Value = `{"type": "chinese"}` }, Refuses,
			[]string{`field "text" has analyzer_params {"type": "chinese"} instead of {"type": "english"}`}},
		"the analyzer in other words": {func(s *schemapb.CollectionSchema) { s.Fields[1].TypeParams[2].Value = `{"type":"english"}` }, "", nil},
	} {
		have := searched()
		test.change(have)
		found := Compare(&Collection{Schema: searched()}, &Collection{Schema: have})
		if got := found.Texts(Refuses, Differs, Expected); !slices.Equal(got, test.want) {
			t.Errorf("%s: %q, want %q", name, got, test.want)
		}
		for _, d := range found {
			if d.Class != test.class {
				t.Errorf("%s: %s is of class %q, want %q", name, d.Text, d.Class, test.class)
			}
		}
	}
}
