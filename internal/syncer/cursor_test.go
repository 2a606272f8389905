package syncer_test

import (
	"errors"
	"fmt"
	"testing"

	"github.com/milvus-io/milvus-proto/go-api/v2/schemapb"

	"migrate/internal/labtest"
	"migrate/internal/syncer"
)

// TestCursor finds what was inserted and changed by a field that grows, whether it is a number or a text, and reads no other
// row; what was deleted, by the counts; and what was written without the field growing by a full scan.
func TestCursor(t *testing.T) {
	t.Parallel()
	texts := labtest.Field("at", schemapb.DataType_VarChar)
	for name, field := range map[string]*schemapb.FieldSchema{"number": version, "text": texts} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			p := newPair(t, labtest.Schema(id, version, labtest.Vector("v", schemapb.DataType_FloatVector, 4), texts))
			written := func(v int64, keys ...int64) labtest.Rows {
				rows := at(v, keys...)
				rows.Columns = append(rows.Columns, labtest.Column(texts, labtest.Each(len(keys), func(int) string { return fmt.Sprintf("2026-11-%02d", v) })))
				return rows
			}
			p.RangeRows = 150
			opts := p.Options()
			opts.CursorField = field.Name
			pass := func() syncer.Report {
				t.Helper()
				reports, err := p.Sync(t, opts)
				if err != nil {
					t.Fatal(err)
				}
				sum := reports[len(reports)-1]
				for _, r := range reports[:len(reports)-1] {
					sum.Changed, sum.Inserted, sum.Deleted, sum.Ranges, sum.Passed = sum.Changed+r.Changed, sum.Inserted+r.Inserted, sum.Deleted+r.Deleted, sum.Ranges+r.Ranges, sum.Passed+r.Passed
				}
				return sum
			}
			labtest.Insert(t, p.Source, p.Name, "", written(1, upTo(0, 900)...))
			pass()
			p.WantEqual(t)

			labtest.Upsert(t, p.Source, p.Name, written(2, 3, 303, 603))
			labtest.Insert(t, p.Source, p.Name, "", written(3, 5000, 5001))
			late := written(1, 42) // at the time of the last one that was seen
			late.Columns[2] = labtest.Vectors("v", 4, 1, 77)
			labtest.Upsert(t, p.Source, p.Name, late)
			labtest.Upsert(t, p.Source, p.Name, written(4, 1, 899))
			if r := pass(); r.Changed != 6 || r.Inserted != 2 || r.Ranges != 0 || r.Passed != 0 {
				t.Errorf("by the cursor: %+v", r)
			}
			p.WantEqual(t)
			labtest.Delete(t, p.Source, p.Name, in([]int64{3, 4, 5000}))
			if r := pass(); r.Deleted != 3 {
				t.Errorf("deleted rows are found by the counts: %+v", r)
			}
			p.WantEqual(t)

			unseen := written(4, 7) // as a clock that lags would
			unseen.Columns[3], unseen.Columns[1] = written(1, 7).Columns[3], written(1, 7).Columns[1]
			labtest.Upsert(t, p.Source, p.Name, unseen)
			pass()
			if p.Compare(t).Equal {
				t.Error("a row was found although the field did not grow: the cursor is not what finds rows")
			}
			other := opts // a field that tells nothing of what was written before it was followed
			other.CursorField = map[string]string{"version": "at", "at": "version"}[field.Name]
			labtest.Upsert(t, p.Source, p.Name, written(5, 9))
			if reports, err := p.Sync(t, other); err != nil || reports[0].Ranges == 0 {
				t.Errorf("another field is trusted at once: %v, %+v", err, reports)
			}
			p.WantEqual(t)
			labtest.Upsert(t, p.Source, p.Name, unseen)
			pass()
			pass()
			opts.FullScanEvery = 1
			pass()
			p.WantEqual(t)
		})
	}
}

// TestDoubledHidesADelete finds deletes that keys inserted once more make up for: the count stands, and so many rows were
// written as the field tells.
func TestDoubledHidesADelete(t *testing.T) {
	t.Parallel()
	p := filled(t, 900)
	p.RangeRows = 150
	opts := p.Options()
	opts.CursorField = "version"
	pass := func() syncer.Report {
		reports, err := p.Sync(t, opts)
		if err != nil {
			t.Fatal(err)
		}
		return reports[len(reports)-1]
	}
	pass()
	pass()
	const doubled = 5 // of which some are returned as they are now, and some as they were
	for k := range int64(doubled) {
		labtest.Insert(t, p.Source, p.Name, "", at(2, k))
		labtest.Delete(t, p.Source, p.Name, in([]int64{700 + k}))
		if last := pass(); last.Duplicates != k+1 {
			t.Errorf("%d keys are doubled, want %d", last.Duplicates, k+1)
		}
		if n := count(t, p.Target, p.Name); n != 899-k {
			t.Errorf("the target has %d rows, want %d", n, 899-k)
		}
	}
}

// TestNoCursor refuses fields that can't tell what was written.
func TestNoCursor(t *testing.T) {
	t.Parallel()
	p := newPair(t, plain(id))
	for _, field := range []string{"id", "v", "absent"} {
		opts := p.Options()
		opts.CursorField = field
		if _, err := p.Sync(t, opts); !errors.Is(err, syncer.ErrCursor) {
			t.Errorf("%s: %v, want %v", field, err, syncer.ErrCursor)
		}
	}
}
