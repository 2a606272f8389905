//go:build lab

package milvus_test

import (
	"reflect"
	"testing"

	"github.com/milvus-io/milvus-proto/go-api/v2/schemapb"

	"migrate/internal/labtest"
	"migrate/internal/milvus"
	"migrate/internal/model"
)

// TestCatalogOfServers describes collections of real servers as DescribeWhole does: loaded, partly loaded and released.
func TestCatalogOfServers(t *testing.T) {
	for title, server := range map[string]*milvus.Server{"standalone": labtest.Source(t), "cluster": labtest.Target(t), "Milvus Lite 3": labtest.Lite3(t)} {
		name := map[string]string{}
		for _, state := range []string{"loaded", "partly", "released"} {
			c := labtest.Collection(labtest.Schema(labtest.IntKey("id"), labtest.Vector("v", schemapb.DataType_FloatVector, 2)), "_default", "p1")
			labtest.Create(t, server, c)
			name[state] = c.Name
		}
		if err := server.Release(t.Context(), name["released"]); err != nil {
			t.Fatal(err)
		}
		if server.Capabilities().Replicas {
			if err := server.ReleasePartitions(t.Context(), name["partly"], []string{"p1"}); err != nil {
				t.Fatal(err)
			}
		}
		catalog := milvus.NewCatalog(server)
		for state, name := range name {
			want, err := server.DescribeWhole(t.Context(), name)
			if err != nil {
				t.Fatal(err)
			}
			have, err := catalog.Describe(t.Context(), "", name)
			if err != nil || !reflect.DeepEqual(have.Load, want.Load) || len(model.Compare(want, have)) > 0 {
				t.Errorf("%s, %s: %+v, %v; want %+v", title, state, have, err, want)
			}
			if have != nil && have.Load.Released() != (state == "released") {
				t.Errorf("%s, %s: %+v", title, state, have.Load)
			}
		}
	}
}
