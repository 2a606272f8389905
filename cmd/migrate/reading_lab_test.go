//go:build lab

package main

import (
	"encoding/json"
	"strings"
	"testing"

	"github.com/milvus-io/milvus-proto/go-api/v2/schemapb"

	"migrate/internal/labtest"
	"migrate/internal/model"
)

// TestReadFromStorage exports a collection that is not loaded from the storage of its server, as it was after rows were deleted and
// replaced, and once it is loaded the same rows by queries.
func TestReadFromStorage(t *testing.T) {
	t.Parallel()
	server, folder := labtest.Source(t), t.TempDir()
	c := labtest.Collection(labtest.Schema(labtest.IntKey("id"), labtest.Vector("v", schemapb.DataType_FloatVector, 8)))
	labtest.Create(t, server, c)
	rows := func(from, n int) labtest.Rows {
		return labtest.Rows{N: n, Columns: []*schemapb.FieldData{
			labtest.Column(labtest.IntKey("id"), labtest.Each(n, func(i int) int64 { return int64(from + i) })), labtest.Vectors("v", 8, n, uint64(from)),
		}}
	}
	labtest.Insert(t, server, c.Name, "", rows(0, 5000))
	labtest.Delete(t, server, c.Name, "id in [1, 2, 4999]")
	labtest.Upsert(t, server, c.Name, rows(100, 50))
	if err := server.Release(t.Context(), c.Name); err != nil {
		t.Fatal(err)
	}
	export := func(job string, more ...string) (r exportResult) {
		t.Helper()
		done := migrate(t, nil, args("export", "--json", "--source-address", server.Address, "--collection", c.Name, "--job", job, sink, folder, more)...)
		if len(more) > 0 && !strings.Contains(done.stderr, "HTTP 404") { // 2.3.5 lets nobody pause its garbage collection
			t.Errorf("not paused, and not said: %+v", done)
		}
		if err := json.Unmarshal([]byte(done.stdout), &r); done.code != exitOK || err != nil {
			t.Fatalf("%+v, %v", done, err)
		}
		return r
	}
	fromStorage := args("--source-storage-url", labtest.SourceStorage(t).URL(""), "--source-management-url", labtest.SourceManagement(t))
	stored := export("stored", fromStorage...)
	if stored.Read != readStorage || stored.Snapshot == "" {
		t.Errorf("%+v", stored)
	}
	if err := server.Load(t.Context(), c.Name); err != nil {
		t.Fatal(err)
	}
	queried := export("queried")
	if want := (model.Sum{Rows: 4997, Hash: queried.Content.Hash}); stored.Content != want || queried.Content != want || queried.Read != "" {
		t.Errorf("%+v from the storage, %+v by queries", stored, queried)
	}
}
