//go:build lab

package e2e

import (
	"context"
	"errors"
	"strings"
	"testing"

	"github.com/milvus-io/milvus-proto/go-api/v2/commonpb"
	"github.com/milvus-io/milvus-proto/go-api/v2/schemapb"

	"migrate/exporter"
	"migrate/importer"
	"migrate/internal/labtest"
	"migrate/internal/labtest/pairs"
	"migrate/internal/milvus"
	"migrate/internal/model"
	"migrate/internal/syncer"
)

// TestLiteAutoIDs moves a collection with auto ids, which a Milvus Lite 3 has given, to another database of it, where it stays one with auto
// ids, and its rows keep theirs. A sync deletes and inserts what has changed; one that broke off between the two is mended by the next. What
// such a server gives next may be the id of a row: so nobody is made to keep auto ids there.
func TestLiteAutoIDs(t *testing.T) {
	t.Parallel()
	from, to, c := labtest.Lite3(t), liteDatabase(t), labtest.Collection(pairs.Plain(labtest.IntKey("id")))
	c.Schema.Fields[0].AutoID = true
	c.Properties = []*commonpb.KeyValuePair{{Key: "allow_insert_auto_id", Value: "true"}}
	labtest.Create(t, from, c)
	labtest.DropLater(t, to, c.Name)
	without := pairs.At(1, pairs.UpTo(0, 200)...)
	without.Columns = without.Columns[1:]
	labtest.Insert(t, from, c.Name, "", without) // which get 1 to 200
	labtest.Delete(t, from, c.Name, pairs.In(pairs.UpTo(1, 101)))

	p := pairs.Pair{Source: from, Target: to, Name: c.Name, Sink: labtest.Local(t)}
	m, err := exporter.Export(t.Context(), from, c.Name, p.Sink, exporter.Options{Job: "j"})
	if err != nil {
		t.Fatal(err)
	}
	r, err := importer.Import(t.Context(), to, p.Sink, m, nil, importer.Options{})
	if err != nil || !strings.Contains(r.Keys, "the keys were kept") {
		t.Fatalf("%+v, %v", r, err)
	}
	if !model.AutoID(labtest.Describe(t, to, c.Name).Schema) {
		t.Error("its keys are explicit ones")
	}
	wantLitesEqual(t, p, 100)

	labtest.Insert(t, from, c.Name, "", pairs.At(2, pairs.UpTo(150, 160)...)) // in place of those
	labtest.Insert(t, from, c.Name, "", pairs.At(2, 500, 501))
	labtest.Delete(t, from, c.Name, pairs.In([]int64{199, 200}))
	opts := syncer.Options{Job: "j", Collection: c.Name, Base: p.Sink, Once: true}
	broken := opts
	broken.Writer = &between{to, 10}
	if _, err := p.Sync(t, broken); !errors.Is(err, errBetween) {
		t.Fatalf("broken off: %v", err)
	}
	if n := pairs.Count(t, to, c.Name); n != 90 { // those that are changed are missing
		t.Errorf("the target has %d rows, want 90", n)
	}
	wantApplied(t, p, opts, 10, 0)
	wantLitesEqual(t, p, 100)
	wantApplied(t, p, opts, 0, 0)

	labtest.Insert(t, to, c.Name, "", labtest.Rows{N: 200, Columns: without.Columns})
	if n := pairs.Count(t, to, c.Name); n >= 300 {
		t.Errorf("200 rows without keys are beside those that were there: %d. Then a Milvus Lite could be made to keep auto ids", n)
	}
}

var errBetween = errors.New("broken off between a delete and its insert")

// between is a target that so many rows are deleted from to be inserted anew, which is never done.
type between struct {
	*milvus.Server
	rows int
}

func (b between) Insert(ctx context.Context, collection, partition string, rows []*schemapb.FieldData, n int) error {
	if n == b.rows {
		return errBetween
	}
	return b.Server.Insert(ctx, collection, partition, rows, n)
}
