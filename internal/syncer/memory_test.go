package syncer_test

import (
	"errors"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/milvus-io/milvus-proto/go-api/v2/commonpb"
	"github.com/milvus-io/milvus-proto/go-api/v2/schemapb"

	"migrate/internal/cutover"
	"migrate/internal/labtest"
	"migrate/internal/labtest/memory"
	"migrate/internal/milvus"
	"migrate/internal/model"
	"migrate/internal/source/query"
	"migrate/internal/syncer"
	"migrate/internal/verify"
)

// inMemory is a pair of which both sides are servers in memory, of any version.
type inMemory struct {
	pair
	from, to *memory.Server
}

func newInMemory(t *testing.T, version string, change ...func(target *model.Collection)) inMemory {
	t.Helper()
	c := labtest.Collection(labtest.Schema(labtest.IntKey("id"), labtest.Vector("v", schemapb.DataType_FloatVector, 2)))
	m := inMemory{from: memory.Start(t, version), to: memory.Start(t, version)}
	m.from.Add(t, c)
	for _, f := range change {
		f(c)
	}
	m.to.Add(t, c)
	m.pair = pair{m.from.Client(t), m.to.Client(t), c.Name, labtest.Local(t)}
	return m
}

// numbered are rows with keys from one to another, the same for the same seed.
func numbered(from, to int, seed uint64) labtest.Rows {
	keys := labtest.Each(to-from, func(i int) int64 { return int64(from + i) })
	return labtest.Rows{N: len(keys), Columns: []*schemapb.FieldData{labtest.Column(labtest.IntKey("id"), keys), labtest.Vectors("v", 2, len(keys), seed)}}
}

func (m inMemory) verified(t *testing.T) *verify.Report {
	t.Helper()
	open := func(server *milvus.Server) *query.Source {
		side, err := query.OpenByName(t.Context(), server, m.name)
		if err != nil {
			t.Fatal(err)
		}
		return side
	}
	report, err := verify.Compare(t.Context(), open(m.source), open(m.target), verify.Options{})
	if err != nil {
		t.Fatal(err)
	}
	return report
}

// TestSyncWithShortPages brings a target in step with a 2.5 whose answers end early, for pages of queries and not for one a row.
func TestSyncWithShortPages(t *testing.T) {
	t.Parallel()
	m := newInMemory(t, "v2.5.10")
	m.from.Sealed(t, m.name, numbered(0, 3000, 1))
	m.to.Sealed(t, m.name, numbered(0, 3000, 1))
	m.from.Growing(t, m.name, numbered(3000, 3040, 2))
	labtest.Upsert(t, m.source, m.name, numbered(500, 540, 3))
	labtest.Delete(t, m.source, m.name, "id in [7, 8, 2999]")
	m.from.Asked()
	reports := m.wantSync(t)
	if last := reports[len(reports)-1]; !last.Settled || last.Hot > 0 {
		t.Errorf("not in step: %+v", last)
	}
	rows, counts := m.from.Asked()
	if rows > 60 || counts > 120 {
		t.Errorf("%d queries and %d counts for %d cycles over 6 ranges", rows, counts, len(reports))
	}
	if r := m.verified(t); !r.Equal || r.Right.Rows != 3037 {
		t.Errorf("%d rows, %+v", r.Right.Rows, r.Rows)
	}
}

// TestSyncBesideDuplicates brings 20 new rows though 1,500 keys were inserted again, and says for which it is in step.
func TestSyncBesideDuplicates(t *testing.T) {
	t.Parallel()
	for _, version := range []string{"v2.3.5", "v2.5.10"} {
		for name, seed := range map[string]uint64{"as they were": 1, "with other content": 9} {
			t.Run(version+" "+name, func(t *testing.T) {
				m := newInMemory(t, version)
				m.from.LeavesOut = version == "v2.3.5"
				m.from.Sealed(t, m.name, numbered(0, 3000, 1))
				m.to.Sealed(t, m.name, numbered(0, 3000, 1))
				m.from.Growing(t, m.name, numbered(0, 1500, seed))
				m.from.Growing(t, m.name, numbered(5000, 5020, 4))
				reports := m.wantSync(t)
				last := reports[len(reports)-1]
				if last.Position.But() != " but for 1,500 duplicate keys" {
					t.Errorf("in step%s", last.Position.But())
				}
				r := m.verified(t)
				if !r.Equal || r.Right.Rows != 3020 || !strings.HasPrefix(r.But(), "but for ") || r.Rows.Differing > 0 {
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
	m.from.Sealed(t, m.name, numbered(0, 3000, 1))
	m.to.Sealed(t, m.name, numbered(0, 3000, 1))
	m.to.Sealed(t, m.name, numbered(100, 300, 1))
	if r := m.verified(t); r.Equal || r.Rows.Extra != 200 {
		t.Errorf("equal %t, %+v", r.Equal, r.Rows)
	}
	m.wantSync(t)
	if r := m.verified(t); !r.Equal || r.Right.Rows != 3000 {
		t.Errorf("%d rows, %+v", r.Right.Rows, r.Rows)
	}
}

// TestRealDifferenceBesideDuplicates tells a row that differs from one of which another copy was read.
func TestRealDifferenceBesideDuplicates(t *testing.T) {
	t.Parallel()
	m := newInMemory(t, "v2.5.10")
	m.from.Sealed(t, m.name, numbered(0, 400, 1))
	m.to.Sealed(t, m.name, numbered(0, 400, 1))
	for seed := range uint64(4) {
		m.from.Sealed(t, m.name, numbered(0, 200, 10+seed))
	}
	labtest.Upsert(t, m.target, m.name, numbered(300, 303, 5))
	r := m.verified(t)
	if r.Equal || r.Rows.Differing != 3 || r.Rows.Arbitrary == 0 || r.Rows.Arbitrary > 200 || r.LeftFound.Duplicates.Rows != 800 {
		t.Errorf("equal %t, %+v, %+v", r.Equal, r.Rows, r.LeftFound)
	}
}

// TestUnreadIsNotExpected takes nothing for granted of a range with a row that it could not read.
func TestUnreadIsNotExpected(t *testing.T) {
	t.Parallel()
	m := newInMemory(t, "v2.5.10")
	m.from.Sealed(t, m.name, numbered(0, 3000, 1))
	m.to.Sealed(t, m.name, numbered(0, 2000, 1))
	m.from.Hide = numberedKeys(numbered(2500, 2501, 1))
	reports, err := m.sync(t, m.options())
	if !errors.Is(err, model.ErrDiffers) || !strings.Contains(err.Error(), "1 rows are counted and never returned") {
		t.Errorf("a row that is never returned: %v", err)
	}
	if last := reports[len(reports)-1]; last.Hot != 1 || last.InStep {
		t.Errorf("%+v", last)
	}
	m.from.Hide = nil
	m.wantSync(t)
	if r := m.verified(t); !r.Equal || r.Right.Rows != 3000 {
		t.Errorf("%d rows, %+v", r.Right.Rows, r.Rows)
	}
}

// TestCutoverBesideDuplicates refuses to switch while keys have several rows, and says which; or switches where that is allowed, and the
// certificate bears it.
func TestCutoverBesideDuplicates(t *testing.T) {
	t.Parallel()
	m := newInMemory(t, "v2.3.5")
	m.from.Sealed(t, m.name, numbered(0, 1200, 1))
	m.to.Sealed(t, m.name, numbered(0, 1200, 1))
	for seed := range uint64(4) {
		m.from.Sealed(t, m.name, numbered(0, 1000, 10+seed))
	}
	m.wantSync(t)
	how := cutover.Options{To: syncer.Target, Still: time.Millisecond}
	_, err := cutover.Run(t.Context(), m.source, m.target, m.sink, m.options(), how)
	if !errors.Is(err, cutover.ErrDuplicates) || !strings.Contains(err.Error(), "id in [0, 1, 2, 3, 4, 5, 6, 7, 8, 9]") {
		t.Fatalf("a cutover beside duplicate keys: %v", err)
	}
	how.AllowDuplicates = true
	done, err := cutover.Run(t.Context(), m.source, m.target, m.sink, m.options(), how)
	if err != nil {
		t.Fatal(err)
	}
	page, err := done.Certificate.HTML()
	if err != nil {
		t.Fatal(err)
	}
	if !done.Certificate.AllowedDuplicates || !strings.Contains(string(page), "duplicate keys") {
		t.Errorf("the certificate does not bear it: %t\n%s", done.Certificate.AllowedDuplicates, page)
	}

	// The way back is kept: the side that was left gets one row of each key, whatever share of its rows goes by that.
	opts := m.options()
	opts.DiscardLate = true
	if _, err := m.sync(t, opts); err != nil {
		t.Fatal(err)
	}
	if r := m.verified(t); !r.Equal || r.Left.Rows != 1200 || r.But() != "" {
		t.Errorf("after the sync back: %d rows, %q, %+v", r.Left.Rows, r.But(), r.Rows)
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
	m.from.Sealed(t, m.name, numbered(0, 1000, 1))
	m.wantSync(t)
	m.from.Upgrade(t, "v2.5.10")
	m.from.Growing(t, m.name, numbered(1000, 1010, 1))
	m.from.Sealed(t, m.name, numbered(2000, 2100, 1))
	m.wantSync(t)
	if !m.source.Capabilities().SnapshotReads || m.source.Version() != "v2.5.10" {
		t.Errorf("still taken for %s", m.source.Version())
	}
	side, err := query.OpenByName(t.Context(), m.source, m.name)
	if err != nil || side.Snapshot() == 0 {
		t.Errorf("no snapshot: %v", err)
	}
	if r := m.verified(t); !r.Equal || r.Right.Rows != 1110 {
		t.Errorf("%d rows, %+v", r.Right.Rows, r.Rows)
	}
}

// TestDescribedOtherwise keeps no target in step that would lose the rows or answer otherwise, and switches to none that differs
// unless told to.
func TestDescribedOtherwise(t *testing.T) {
	t.Parallel()
	index := func(params ...string) func(*model.Collection) {
		return func(c *model.Collection) {
			x := c.Indexes[0]
			x.Params = nil
			for kv := range slices.Chunk(params, 2) {
				x.Params = append(x.Params, &commonpb.KeyValuePair{Key: kv[0], Value: kv[1]})
			}
			c.Indexes = []model.Index{x}
		}
	}
	for name, test := range map[string]struct {
		change  func(target *model.Collection)
		says    string
		refused bool // whatever is allowed
	}{
		"time to live": {func(c *model.Collection) {
			c.Properties = []*commonpb.KeyValuePair{{Key: "collection.ttl.seconds", Value: "30"}}
		}, "removes rows 30s after", true},
		"metric": {index("index_type", "FLAT", "metric_type", "COSINE"), "metric_type COSINE instead of L2", true},
		"index":  {index("index_type", "IVF_FLAT", "metric_type", "L2"), "index_type IVF_FLAT instead of FLAT", false},
		"a name": {func(c *model.Collection) { x := c.Indexes[0]; x.Name = "other"; c.Indexes = []model.Index{x} }, "", false},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			m := newInMemory(t, "v2.3.5", test.change)
			m.from.Sealed(t, m.name, numbered(0, 200, 1))
			m.to.Sealed(t, m.name, numbered(0, 200, 1))
			_, err := m.sync(t, m.options())
			if errors.Is(err, syncer.ErrTarget) != test.refused || err != nil && !strings.Contains(err.Error(), test.says) {
				t.Errorf("a sync: %v", err)
			}
			how := cutover.Options{To: syncer.Target, Still: time.Millisecond}
			if _, err = cutover.Run(t.Context(), m.source, m.target, m.sink, m.options(), how); (err == nil) != (test.says == "") || err != nil && !strings.Contains(err.Error(), test.says) {
				t.Errorf("a cutover: %v", err)
			}
			how.AllowDifferences = true
			if _, err = cutover.Run(t.Context(), m.source, m.target, m.sink, m.options(), how); (err != nil) != test.refused {
				t.Errorf("a cutover that may differ: %v", err)
			}
			if r := m.verified(t); r.Equal != (test.says == "") || !r.SameRows() {
				t.Errorf("equal %t, the same rows %t, %+v", r.Equal, r.SameRows(), r.Described)
			}
		})
	}
}
