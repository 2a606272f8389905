//go:build lab

package e2e

import (
	"errors"
	"strings"
	"testing"

	"github.com/milvus-io/milvus-proto/go-api/v2/commonpb"

	"migrate/exporter"
	"migrate/internal/labtest"
	"migrate/internal/milvus"
	"migrate/internal/model"
)

// TestVectorsOfLocalStorage exports a collection whose index keeps no vectors from a server that has its storage in a bucket, and refuses it
// on one that would lose them by the reading.
func TestVectorsOfLocalStorage(t *testing.T) {
	t.Parallel()
	exported := func(server *milvus.Server) error {
		c := labtest.Collection(narrow())
		c.Shards = 1
		c.Indexes = []model.Index{{Name: "v", Field: "v", Params: []*commonpb.KeyValuePair{
			{Key: "index_type", Value: "IVF_SQ8"}, {Key: "metric_type", Value: "L2"}, {Key: "params", Value: `{"nlist":8}`},
		}}}
		labtest.Create(t, server, c)
		labtest.Insert(t, server, c.Name, "", narrowRows(labtest.Each(3000, func(i int) int64 { return int64(i) })))
		labtest.Flush(t, server, c.Name)
		m, err := exporter.Export(t.Context(), server, c.Name, labtest.Local(t), exporter.Options{Job: "j"})
		if err == nil && m.Total.Rows != 3000 {
			t.Errorf("exported %d rows", m.Total.Rows)
		}
		return err
	}
	if err := exported(labtest.Target(t)); err != nil {
		t.Errorf("from a cluster: %v", err)
	}
	if err := exported(labtest.Source(t)); !errors.Is(err, milvus.ErrRemovesVectors) || !strings.Contains(err.Error(), "v (IVF_SQ8)") {
		t.Errorf("from one whose storage is a folder: %v", err)
	}
}
