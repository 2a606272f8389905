package milvus_test

import (
	"slices"
	"testing"

	"github.com/milvus-io/milvus-proto/go-api/v2/commonpb"
	"github.com/milvus-io/milvus-proto/go-api/v2/schemapb"

	"migrate/internal/labtest"
	"migrate/internal/labtest/memory"
	"migrate/internal/model"
)

func params(keysAndValues ...string) (all []*commonpb.KeyValuePair) {
	for kv := range slices.Chunk(keysAndValues, 2) {
		all = append(all, &commonpb.KeyValuePair{Key: kv[0], Value: kv[1]})
	}
	return all
}

// TestMadeAgain makes a collection on later servers as it is described, and finds it the same there, though the server adds to it what
// it adds to all.
func TestMadeAgain(t *testing.T) {
	t.Parallel()
	for _, version := range []string{"v2.3.5", "v2.5.10", "v2.6.6"} {
		t.Run(version, func(t *testing.T) {
			t.Parallel()
			c := labtest.Collection(labtest.Schema(labtest.IntKey("id"), labtest.Field("meta", schemapb.DataType_JSON), labtest.Vector("v", schemapb.DataType_FloatVector, 8)))
			c.Partitions, c.Schema.Fields[1].IsClusteringKey = []string{model.DefaultPartition}, true
			c.Schema.Version, c.Schema.DbName, c.Schema.Properties = 3, "elsewhere", params("max_field_id", "102") // as 3.0 describes it
			c.Properties = params("mmap.enabled", "true", "max_field_id", "102", "cipher.enabled", "false")
			c.Indexes = []model.Index{{Name: "v", Field: "v", Params: params("index_type", "AUTOINDEX", "metric_type", "COSINE")}}
			if version != "v2.3.5" {
				c.Indexes[0].Params = append(c.Indexes[0].Params, params("mmap.enabled", "true")...)
				c.Indexes = append(c.Indexes, model.Index{Name: "meta/a/b", Field: "meta",
					Params: params("index_type", "INVERTED", "json_path", `meta["a"]["b"]`, "json_cast_type", "varchar")})
			}
			server := memory.Start(t, version).Client(t)
			labtest.Create(t, server, c)
			made := labtest.Describe(t, server, c.Name)
			c.Loaded = true
			if found := model.Compare(c, made); len(found.Texts(model.Refuses, model.Differs)) > 0 || len(found.Of(model.IndexOf)) > 0 {
				t.Errorf("what was made differs: %+v", found)
			}
			for _, p := range made.Properties {
				if p.Key == "max_field_id" || p.Key == "cipher.enabled" {
					t.Errorf("property %s was sent back", p.Key)
				}
			}
			if s := made.Schema; s.Version != 0 || s.DbName != "" || len(s.Properties) > 0 {
				t.Errorf("sent back: version %d, database %q, properties %v", s.Version, s.DbName, s.Properties)
			}
		})
	}
}
