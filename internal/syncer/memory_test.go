package syncer_test

import (
	"errors"
	"strings"
	"testing"

	"migrate/internal/labtest"
	"migrate/internal/model"
	"migrate/internal/source/query"
)

// TestSyncWithShortPages brings a target in step with a 2.5 whose answers end early, for pages of queries and not for one a row.
func TestSyncWithShortPages(t *testing.T) {
	t.Parallel()
	m := newInMemory(t, "v2.5.10")
	m.From.Sealed(t, m.Name, numbered(0, 3000, 1))
	m.To.Sealed(t, m.Name, numbered(0, 3000, 1))
	m.From.Growing(t, m.Name, numbered(3000, 3040, 2))
	labtest.Upsert(t, m.Source, m.Name, numbered(500, 540, 3))
	labtest.Delete(t, m.Source, m.Name, "id in [7, 8, 2999]")
	m.From.Asked()
	reports := m.WantSync(t)
	if last := reports[len(reports)-1]; !last.Settled || last.Hot > 0 {
		t.Errorf("not in step: %+v", last)
	}
	rows, counts := m.From.Asked()
	if rows > 60 || counts > 120 {
		t.Errorf("%d queries and %d counts for %d cycles over 6 ranges", rows, counts, len(reports))
	}
	if r := m.Compare(t); !r.Equal || r.Right.Rows != 3037 {
		t.Errorf("%d rows, %+v", r.Right.Rows, r.Rows)
	}
}

// TestSyncBesideDuplicates brings 20 new rows though 200 keys were inserted again, and says for which it is in step.
func TestSyncBesideDuplicates(t *testing.T) {
	t.Parallel()
	for _, version := range []string{"v2.3.5", "v2.5.10"} {
		for name, seed := range map[string]uint64{"as they were": 1, "with other content": 9} {
			t.Run(version+" "+name, func(t *testing.T) {
				t.Parallel()
				m := newInMemory(t, version)
				m.From.LeavesOut = version == "v2.3.5"
				m.RangeRows = 150
				m.From.Sealed(t, m.Name, numbered(0, 400, 1))
				m.To.Sealed(t, m.Name, numbered(0, 400, 1))
				m.From.Growing(t, m.Name, numbered(0, 200, seed))
				m.From.Growing(t, m.Name, numbered(5000, 5020, 4))
				reports := m.WantSync(t)
				last := reports[len(reports)-1]
				if last.Position.But() != " but for 200 duplicate keys" {
					t.Errorf("in step%s", last.Position.But())
				}
				r := m.Compare(t)
				if !r.Equal || r.Right.Rows != 420 || !strings.HasPrefix(r.But(), "but for ") || r.Rows.Differing > 0 {
					t.Errorf("%d rows, %q, %+v", r.Right.Rows, r.But(), r.Rows)
				}
			})
		}
	}
}

// TestDuplicatesOnTheTarget leaves one row of each key that the target has several of.
func TestDuplicatesOnTheTarget(t *testing.T) {
	t.Parallel()
	m := newInMemory(t, "v2.5.10")
	m.From.Sealed(t, m.Name, numbered(0, 3000, 1))
	m.To.Sealed(t, m.Name, numbered(0, 3000, 1))
	m.To.Sealed(t, m.Name, numbered(100, 300, 1))
	if r := m.Compare(t); r.Equal || r.Rows.Extra != 200 {
		t.Errorf("equal %t, %+v", r.Equal, r.Rows)
	}
	m.WantSync(t)
	if r := m.Compare(t); !r.Equal || r.Right.Rows != 3000 {
		t.Errorf("%d rows, %+v", r.Right.Rows, r.Rows)
	}
}

// TestRealDifferenceBesideDuplicates tells a row that differs from one of which another copy was read.
func TestRealDifferenceBesideDuplicates(t *testing.T) {
	t.Parallel()
	m := newInMemory(t, "v2.5.10")
	m.From.Sealed(t, m.Name, numbered(0, 400, 1))
	m.To.Sealed(t, m.Name, numbered(0, 400, 1))
	for seed := range uint64(4) {
		m.From.Sealed(t, m.Name, numbered(0, 200, 10+seed))
	}
	labtest.Upsert(t, m.Target, m.Name, numbered(300, 303, 5))
	r := m.Compare(t)
	if r.Equal || r.Rows.Differing != 3 || r.Rows.Arbitrary == 0 || r.Rows.Arbitrary > 200 || r.LeftFound.Duplicates.Rows != 800 {
		t.Errorf("equal %t, %+v, %+v", r.Equal, r.Rows, r.LeftFound)
	}
}

// TestUnreadIsNotExpected takes nothing for granted of a range with a row that it could not read.
func TestUnreadIsNotExpected(t *testing.T) {
	t.Parallel()
	m := newInMemory(t, "v2.5.10")
	m.From.Sealed(t, m.Name, numbered(0, 3000, 1))
	m.To.Sealed(t, m.Name, numbered(0, 2000, 1))
	m.From.Hide = numberedKeys(numbered(2500, 2501, 1))
	reports, err := m.Sync(t, m.Options())
	if !errors.Is(err, model.ErrDiffers) || !strings.Contains(err.Error(), "1 rows are counted and never returned") {
		t.Errorf("a row that is never returned: %v", err)
	}
	if last := reports[len(reports)-1]; last.Hot != 1 || last.InStep {
		t.Errorf("%+v", last)
	}
	m.From.Hide = nil
	m.WantSync(t)
	if r := m.Compare(t); !r.Equal || r.Right.Rows != 3000 {
		t.Errorf("%d rows, %+v", r.Right.Rows, r.Rows)
	}
}

func numberedKeys(rows labtest.Rows) []model.Key {
	var keys []model.Key
	for _, id := range rows.Columns[0].GetScalars().GetLongData().GetData() {
		keys = append(keys, model.IntKey(id))
	}
	return keys
}

// TestUpgradeUnderASync goes on as its source becomes a 2.5, and reads it as one from then on.
func TestUpgradeUnderASync(t *testing.T) {
	t.Parallel()
	m := newInMemory(t, "v2.4.15")
	m.From.Sealed(t, m.Name, numbered(0, 1000, 1))
	m.WantSync(t)
	m.From.Upgrade(t, "v2.5.10")
	m.From.Growing(t, m.Name, numbered(1000, 1010, 1))
	m.From.Sealed(t, m.Name, numbered(2000, 2100, 1))
	m.WantSync(t)
	if !m.Source.Capabilities().SnapshotReads || m.Source.Version() != "v2.5.10" {
		t.Errorf("still taken for %s", m.Source.Version())
	}
	side, err := query.OpenByName(t.Context(), m.Source, m.Name)
	if err != nil || side.Snapshot() == 0 {
		t.Errorf("no snapshot: %v", err)
	}
	if r := m.Compare(t); !r.Equal || r.Right.Rows != 1110 {
		t.Errorf("%d rows, %+v", r.Right.Rows, r.Rows)
	}
}

// TestCheapProof compares nothing where nothing was written, finds a delete by the counts and changes in growing segments, and looks at
// what was changed once more where the sorting of 2.5 has put it into other segments. All rows are compared where a compaction has done so,
// or the sorting of rows that were written again and again: that nothing was written then can't be told.
func TestCheapProof(t *testing.T) {
	t.Parallel()
	m := newInMemory(t, "v2.5.10")
	m.From.Sealed(t, m.Name, numbered(0, 3000, 1))
	m.To.Sealed(t, m.Name, numbered(0, 3000, 1))
	m.WantSync(t)
	for _, c := range []struct {
		what   string
		change func()
		ranges int // whose rows are compared, of 6
	}{
		{"nothing", func() {}, 0},
		{"deletes", func() { labtest.Delete(t, m.Source, m.Name, "id in [7, 8]") }, 1},
		{"nothing after them", func() {}, 0},
		{"a compaction", func() { m.From.Compact(m.Name) }, 6},
		{"nothing after it", func() {}, 0},
		{"changes", func() { labtest.Upsert(t, m.Source, m.Name, numbered(20, 25, 2)) }, 0},
		{"more of them", func() { labtest.Upsert(t, m.Source, m.Name, numbered(2998, 3005, 2)) }, 0},
		{"their sorting", func() { m.From.Sort(m.Name) }, 0},
		{"nothing after that", func() {}, 0},
		{"changes of the same rows", func() { labtest.Upsert(t, m.Source, m.Name, numbered(20, 25, 3)) }, 0},
		{"and again", func() { labtest.Upsert(t, m.Source, m.Name, numbered(20, 25, 4)) }, 0},
		{"the sorting of both", func() { m.From.Sort(m.Name) }, 6}, // in which either may have the rows that are there
		{"nothing at last", func() {}, 0},
	} {
		m.From.Unsealed = true
		c.change()
		ranges := 0
		for _, r := range m.WantSync(t) {
			ranges += r.Ranges
		}
		if ranges != c.ranges {
			t.Errorf("%s: the rows of %d ranges were compared, want %d", c.what, ranges, c.ranges)
		}
	}
	m.WantEqual(t)
}
