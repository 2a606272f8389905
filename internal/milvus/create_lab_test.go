//go:build lab

package milvus_test

import (
	"testing"

	"github.com/milvus-io/milvus-proto/go-api/v2/commonpb"
	"github.com/milvus-io/milvus-proto/go-api/v2/schemapb"
	"google.golang.org/protobuf/proto"

	"migrate/internal/labtest"
	"migrate/internal/milvus"
	"migrate/internal/model"
)

// TestMadeAgainOnServers makes a collection on a real server by the description that a real server gives of it, and finds it the same:
// of 2.3.5 on the cluster, and a BM25 function and a text to match on Milvus Lite 3.
func TestMadeAgainOnServers(t *testing.T) {
	text := labtest.Field("text", schemapb.DataType_VarChar)
	text.TypeParams = append(text.TypeParams, params("enable_analyzer", "true", "enable_match", "true")...)
	searched := labtest.Collection(labtest.Schema(labtest.IntKey("id"), text, &schemapb.FieldSchema{Name: "sp", DataType: schemapb.DataType_SparseFloatVector}))
	searched.Schema.Functions = []*schemapb.FunctionSchema{{
		Name: "bm", Type: schemapb.FunctionType_BM25, InputFieldNames: []string{"text"}, OutputFieldNames: []string{"sp"},
	}}
	searched.Indexes = []model.Index{{Name: "sp", Field: "sp", Params: params("index_type", "SPARSE_INVERTED_INDEX", "metric_type", "BM25", "params", `{"bm25_k1": 1.2}`)}}

	books := labtest.Collection(labtest.Schema(labtest.IntKey("id"), labtest.Field("title", schemapb.DataType_VarChar), labtest.Field("n", schemapb.DataType_Int64),
		labtest.Array("tags", schemapb.DataType_VarChar), labtest.Vector("v", schemapb.DataType_FloatVector, 8)), model.DefaultPartition, "new")
	books.Schema.EnableDynamicField, books.Schema.Description = true, "all that was ever read"
	books.ConsistencyLevel, books.Properties = commonpb.ConsistencyLevel_Session, params("collection.ttl.seconds", "86400", "mmap.enabled", "true")
	books.Indexes = []model.Index{
		{Name: "by_v", Field: "v", Params: params("index_type", "AUTOINDEX", "metric_type", "COSINE")}, {Field: "title"},
		{Field: "n", Params: params("index_type", "STL_SORT")},
	}

	for name, test := range map[string]struct {
		collection *model.Collection
		from, to   func(testing.TB) *milvus.Server
	}{
		"2.3.5":         {books, labtest.Source, labtest.Target},
		"Milvus Lite 3": {searched, labtest.Lite3, labtest.Lite3},
	} {
		t.Run(name, func(t *testing.T) {
			from, to := test.from(t), test.to(t)
			labtest.Create(t, from, test.collection)
			described := labtest.Describe(t, from, test.collection.Name)
			if unfit := to.Capabilities().Unsupported(described); len(unfit) > 0 {
				t.Fatalf("not carried: %q", unfit)
			}
			again := *described
			again.Name += "_again"
			labtest.Create(t, to, &again)
			made := labtest.Describe(t, to, again.Name)
			if found := model.Compare(described, made); len(found) > 0 {
				t.Errorf("it differs: %+v", found)
			}
			made.Schema.Name, made.Schema.DbName = described.Schema.Name, described.Schema.DbName
			if !proto.Equal(described.Schema, made.Schema) || described.Shards != made.Shards {
				t.Errorf("described as %v with %d shards, and made as %v with %d", described.Schema, described.Shards, made.Schema, made.Shards)
			}
		})
	}
}
