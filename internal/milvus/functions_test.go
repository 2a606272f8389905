package milvus

import (
	"slices"
	"testing"

	"github.com/milvus-io/milvus-proto/go-api/v2/milvuspb"
	"github.com/milvus-io/milvus-proto/go-api/v2/schemapb"

	"migrate/internal/columns"
	"migrate/internal/model"
)

// TestBM25Of2510 carries the collection that a real 2.5.10 described: its output has no column, and it is made again from names alone.
func TestBM25Of2510(t *testing.T) {
	c := &model.Collection{Name: "again", Schema: recorded(t, "milvus-2.5.10/n_bm25.describe.json", &milvuspb.DescribeCollectionResponse{}).GetSchema()}
	for version, want := range map[string][]string{
		"2.5.10": nil, "v2.6.19": nil, "3.0.0": nil, "milvus_lite": nil,
		"v2.4.15": {"bm (BM25 function)", "text (enable_analyzer)"}, "v2.3.5": {"bm (BM25 function)", "text (enable_analyzer)"},
	} {
		if got := capabilitiesOf(version).Unsupported(c); !slices.Equal(got, want) {
			t.Errorf("%s: %q, want %q", version, got, want)
		}
	}
	layout, err := columns.NewLayout(c.Schema)
	if err != nil || !slices.Equal(layout.Names(), []string{"id", "text", "$meta"}) {
		t.Errorf("columns %q, %v", layout.Names(), err)
	}
	made := creatable(c)
	fn := made.Functions[0]
	if fn.Id != 0 || len(fn.InputFieldIds)+len(fn.OutputFieldIds) > 0 || made.Fields[2].FieldID != 0 || made.Fields[2].IsFunctionOutput {
		t.Errorf("sent back: %v", made)
	}
	if fn.Type != schemapb.FunctionType_BM25 || !slices.Equal(fn.InputFieldNames, []string{"text"}) || !slices.Equal(fn.OutputFieldNames, []string{"sp"}) ||
		model.TypeParam(made.Fields[1], "enable_analyzer") != "true" {
		t.Errorf("made: %v", made)
	}
	if diffs := model.Compare(c, &model.Collection{Schema: made}).Texts(model.Refuses, model.Differs); len(diffs) > 0 {
		t.Errorf("it differs: %q", diffs)
	}
}

// TestNullInputs tells of an input that a 2.5 does not take.
func TestNullInputs(t *testing.T) {
	schema := recorded(t, "milvus-2.5.10/n_bm25.describe.json", &milvuspb.DescribeCollectionResponse{}).GetSchema()
	schema.Fields[1].Nullable = true
	for version, want := range map[string][]string{
		"v2.5.10": {`function "bm" has an input "text" that takes NULL, and it takes none`}, "v2.6.19": nil, "v3.0.0": nil,
	} {
		if got := capabilitiesOf(version).BeyondLimits(schema); !slices.Equal(got, want) {
			t.Errorf("%s: %q, want %q", version, got, want)
		}
	}
}
