package cutover_test

import (
	"testing"

	"github.com/milvus-io/milvus-proto/go-api/v2/schemapb"
	"google.golang.org/protobuf/proto"

	"migrate/internal/labtest"
	"migrate/internal/labtest/pairs"
	"migrate/internal/model"
	"migrate/internal/syncer"
)

// nullableRows are rows of a collection with NULLs, of which each fourth has no vector.
func nullableRows(from, to int) labtest.Rows {
	vectors := labtest.Nullable(to-from, func(row int) bool { return (from+row)%4 == 0 }, func(rows []int) *schemapb.FieldData {
		return labtest.Vectors("v", 2, len(rows), uint64(from))
	})
	return labtest.NullableRows(from, to, vectors)
}

// keyed gives rows the keys from one on.
func keyed(rows labtest.Rows, first int64) labtest.Rows {
	rows.Columns[0] = labtest.Column(labtest.IntKey("id"), labtest.Each(rows.N, func(i int) int64 { return first + int64(i) }))
	return rows
}

// TestNulls syncs and switches a collection with NULLs, also where the source has NULL in a field with a default and the target the
// default: rows that are so are equal, and nothing writes them again and again.
func TestNulls(t *testing.T) {
	t.Parallel()
	schema := labtest.NullableSchema(labtest.MayBeNull(labtest.Vector("v", schemapb.DataType_FloatVector, 2)))
	servers := pairs.Start(t, "v3.0.0", "v2.6.18", labtest.Collection(schema))
	servers.From.KeepsNulls = true
	p := pair{servers}
	labtest.Insert(t, p.Source, p.Name, "", nullableRows(0, 900))
	p.WantSync(t)
	const but = "but for 300 NULLs that became the default of their field"
	if r := p.Compare(t); !r.Equal || r.But() != but || r.Right.Rows != 900 {
		t.Errorf("%d rows, equal %t %s, want equal %s: %+v", r.Right.Rows, r.Equal, r.But(), but, r.Rows)
	}
	p.WantQuiet(t)

	// Values become NULL, and NULLs zero, empty and values.
	labtest.Upsert(t, p.Source, p.Name, keyed(nullableRows(1, 61), 100))
	reports := p.WantSync(t)
	var changed int64
	for _, r := range reports {
		changed += r.Changed
	}
	if changed != 60 {
		t.Errorf("%d rows were written to the target, want the 60 that were changed", changed)
	}
	if r := p.Compare(t); !r.Equal || r.But() != but {
		t.Errorf("equal %t %s, want equal %s: %+v", r.Equal, r.But(), but, r.Rows)
	}
	p.wantCertificate(t, p.wantSwitch(t, soon(syncer.Target)), 900)
	labtest.Upsert(t, p.Target, p.Name, keyed(nullableRows(2, 32), 300))
	p.wantSwitch(t, soon(syncer.Source))
	p.WantEqual(t)
}

// TestNullsOnTheTargetAlone syncs onto fields that take NULL where the source's don't, of which the server wants a word on each row.
func TestNullsOnTheTargetAlone(t *testing.T) {
	t.Parallel()
	c := labtest.Collection(plain(id))
	p := pairs.Start(t, "v2.5.10", "v2.5.10", c, func(target *model.Collection) {
		target.Schema = proto.CloneOf(target.Schema)
		target.Schema.Fields[1].Nullable = true
	})
	labtest.Insert(t, p.Source, p.Name, "", at(1, upTo(0, 50)...))
	p.WantSync(t)
	if r := p.Compare(t); !r.SameRows() || r.Right.Rows != 50 {
		t.Errorf("%d rows, %+v", r.Right.Rows, r.Rows)
	}
}
