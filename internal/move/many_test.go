package move

import (
	"context"
	"errors"
	"fmt"
	"io"
	"maps"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/milvus-io/milvus-proto/go-api/v2/schemapb"

	"migrate/checkpoint"
	"migrate/exporter"
	"migrate/importer"
	"migrate/internal/labtest"
	"migrate/internal/labtest/faulttable"
	"migrate/internal/labtest/memory"
	"migrate/internal/milvus"
	"migrate/internal/model"
	"migrate/internal/source/query"
	"migrate/sinks"
	"migrate/sinks/faults"
	store "migrate/sinks/memory"
)

// bucket is a store as the one that a target's bulk insert reads.
type bucket struct{ sinks.Sink }

func (bucket) Key(name string) string { return name }

func (b bucket) Unwrap() sinks.Sink { return b.Sink }

// servers are two in memory, and the stores between them.
type servers struct {
	source, target *memory.Server
	sink, staging  sinks.Sink
	rows           map[string]int // of each collection of the source
}

// between starts them, with collections of so many rows on the source.
func between(t *testing.T, rows map[string]int) *servers {
	t.Helper()
	s := &servers{source: several(t, slices.Sorted(maps.Keys(rows))...), target: memory.Start(t, "v2.3.5"), sink: &store.Sink{}, rows: rows}
	bulk := &store.Sink{}
	s.staging, s.target.Bucket = bulk, bulk
	for name, n := range rows {
		if n > 0 {
			s.source.Sealed(t, name, numbered(n))
		}
	}
	return s
}

// numbered are rows with the keys from 0.
func numbered(n int) labtest.Rows {
	return labtest.Rows{N: n, Columns: []*schemapb.FieldData{
		labtest.Column(labtest.IntKey("id"), labtest.Each(n, func(i int) int64 { return int64(i) })), labtest.Vectors("v", 2, n, 1),
	}}
}

// move is a move of all, which waits for nothing.
func (s *servers) move(t *testing.T) Move {
	t.Helper()
	return Move{
		Name: "all", Source: s.source.Client(t), Target: s.target.Client(t), Sink: s.sink, Staging: bucket{s.staging}, Selection: Selection{All: true},
		Steps: Steps{Export: true, Import: true, Verify: true}, Export: exporter.Options{PartBytes: 800},
		Import: importer.Options{Poll: time.Millisecond, Pauses: []time.Duration{}},
	}
}

// wantAll wants each collection of the source on the target, once.
func (s *servers) wantAll(t *testing.T) {
	t.Helper()
	client := s.target.Client(t)
	for name, n := range s.rows {
		database, collection, ok := strings.Cut(name, ".")
		if !ok {
			database, collection = "", name
		}
		if err := client.In(database).Load(t.Context(), collection); err != nil { // it may be released, as on the source
			t.Errorf("%s: %v", name, err)
			continue
		}
		side, err := query.OpenByName(t.Context(), client.In(database), collection)
		if err != nil {
			t.Errorf("%s: %v", name, err)
			continue
		}
		if have, err := side.Count(t.Context(), model.AllPartitions, model.Range{}); err != nil || have != int64(n) {
			t.Errorf("%s has %d rows of %d: %v", name, have, n, err)
		}
	}
}

// wantStates compares what became of the collections, as "name state".
func wantStates(t *testing.T, r *Report, want ...string) {
	t.Helper()
	var got []string
	for _, o := range r.Collections {
		got = append(got, o.String()+" "+string(o.State))
	}
	if !slices.Equal(got, want) {
		t.Errorf("became %q, want %q", got, want)
	}
	if t.Failed() {
		for _, o := range r.Collections {
			t.Logf("%s: %s %s %q", o.Named, o.State, o.Error, o.Notes)
		}
	}
}

// TestMove moves collections of several databases, each by a job of its own; the same call again reads none of them.
func TestMove(t *testing.T) {
	t.Parallel()
	s := between(t, map[string]int{"docs": 300, "empty": 0, "shop.orders": 40, "shop.users": 20})
	m := s.move(t)
	var order []string
	var mu sync.Mutex
	var through int64
	m.AtOnce = 1
	m.Watch = Watch{
		Ended: func(p *Planned, o Outcome) { order = append(order, p.String()) },
		Moved: func(_ *Planned, rows, _ int64) { mu.Lock(); through += rows; mu.Unlock() },
	}
	report, err := m.Run(t.Context())
	if err != nil || report.Err() != nil {
		t.Fatal(err, report.Err())
	}
	wantStates(t, report, "docs done", "empty done", "shop.orders done", "shop.users done")
	s.wantAll(t)
	if want := []string{"docs", "shop.orders", "shop.users", "empty"}; !slices.Equal(order, want) {
		t.Errorf("moved in the order %q, want %q", order, want)
	}
	if want := m.Steps.Count() * 360; through != want {
		t.Errorf("%d rows went through the steps, want %d", through, want)
	}
	statuses, err := Statuses(t.Context(), []sinks.Sink{s.sink, s.staging}, "shop.users")
	if err != nil || len(statuses) != 2 {
		t.Errorf("jobs of shop.users: %+v, %v", statuses, err)
	}
	askedOf(s.source)
	report, err = s.move(t).Run(t.Context())
	if err != nil || report.Err() != nil || len(report.Collections) != 4 {
		t.Errorf("again: %+v, %v", report, err)
	}
	if n := askedOf(s.source); n > 0 {
		t.Errorf("%d queries to the source, of what is moved", n)
	}
}

// TestMoveAgain moves what an earlier run has moved and somebody has dropped from the target since.
func TestMoveAgain(t *testing.T) {
	t.Parallel()
	s := between(t, map[string]int{"docs": 30, "users": 20})
	if _, err := s.move(t).Run(t.Context()); err != nil {
		t.Fatal(err)
	}
	if err := s.target.Client(t).Drop(t.Context(), "docs"); err != nil {
		t.Fatal(err)
	}
	askedOf(s.source)
	report, err := s.move(t).Run(t.Context())
	if err != nil || report.Err() != nil {
		t.Fatal(err, report.Err())
	}
	s.wantAll(t)
	if n := askedOf(s.source); n > 0 {
		t.Errorf("%d queries to the source, of what is exported", n)
	}
}

// askedOf is how many queries a server was asked since.
func askedOf(s *memory.Server) int { rows, counts := s.Asked(); return rows + counts }

// TestMoveIsDescribed keeps what became of a move, for those who look at it.
func TestMoveIsDescribed(t *testing.T) {
	t.Parallel()
	s := between(t, map[string]int{"docs": 30, "users": 20})
	if _, err := s.move(t).Run(t.Context()); err != nil {
		t.Fatal(err)
	}
	page, _, err := s.sink.(sinks.Swapper).Load(t.Context(), "_migrate/moves/all/summary.md")
	if err != nil || !strings.Contains(string(page), "| docs | done | docs | 30 |") {
		t.Errorf("the summary is %s, %v", page, err)
	}
	moves, err := Moves(t.Context(), s.sink)
	if err != nil || len(moves) != 1 || moves[0].Name != "all" || moves[0].Collections != 2 || moves[0].By[Done] != 2 || moves[0].Moved != 50 {
		t.Errorf("%+v, %v", moves, err)
	}
	if err := RemoveMove(t.Context(), s.sink, "all"); err != nil {
		t.Error(err)
	}
	if err := RemoveMove(t.Context(), s.sink, "all"); !errors.Is(err, sinks.ErrNotExist) {
		t.Errorf("removed twice: %v", err)
	}
	if moves, err := Moves(t.Context(), s.sink); err != nil || len(moves) > 0 {
		t.Errorf("left are %+v, %v", moves, err)
	}
	other := s.move(t)
	other.Source = several(t, "docs").Client(t)
	if _, err := s.move(t).Run(t.Context()); err != nil {
		t.Fatal(err)
	}
	if _, err := other.Run(t.Context()); !errors.Is(err, checkpoint.ErrOther) {
		t.Errorf("the move of another server under the same name: %v", err)
	}
}

// TestMoveRefuses what can't be moved before anything is made; the others are moved.
func TestMoveRefuses(t *testing.T) {
	t.Parallel()
	s := between(t, map[string]int{"docs": 10, "unloaded": 10, "there": 10, "other": 10})
	client, target := s.source.Client(t), s.target.Client(t)
	if err := client.Release(t.Context(), "unloaded"); err != nil {
		t.Fatal(err)
	}
	reserved := labtest.Collection(labtest.Schema(labtest.IntKey("in"), labtest.Vector("v", schemapb.DataType_FloatVector, 2)))
	reserved.Name = "reserved"
	s.source.Add(t, reserved)
	there := labtest.Collection(labtest.Schema(labtest.IntKey("id"), labtest.Vector("v", schemapb.DataType_FloatVector, 2)))
	there.Name = "there"
	s.target.Add(t, there)
	s.target.Sealed(t, "there", numbered(1))
	other := labtest.Collection(labtest.Schema(labtest.IntKey("id"), labtest.Vector("v", schemapb.DataType_FloatVector, 4)))
	other.Name = "other"
	s.target.Add(t, other)
	m := s.move(t)
	m.Watch.Planned = func(all []*Planned) {
		if made, err := target.Collections(t.Context()); err != nil || len(made) != 2 {
			t.Errorf("when it was told what can't be moved, there were %q, %v", made, err)
		}
	}
	report, err := m.Run(t.Context())
	if err != nil || !errors.Is(report.Err(), ErrSome) {
		t.Fatal(err, report.Err())
	}
	wantStates(t, report, "docs done", "other refused", "reserved refused", "there refused", "unloaded refused")
	for i, want := range []string{"", "dim", "reserved word", "not empty", "not loaded"} {
		if got := report.Collections[i].Error; !strings.Contains(got, want) {
			t.Errorf("%s: %q, want %q", report.Collections[i].Named, got, want)
		}
	}
}

// TestImportRefuses an export whose collection does not fit the target, before anything is made; the others are imported, the source not asked.
func TestImportRefuses(t *testing.T) {
	t.Parallel()
	s := between(t, map[string]int{"docs": 10, "other": 10})
	m := s.move(t)
	m.Name, m.Steps = "", Steps{Export: true}
	if report, err := m.Run(t.Context()); err != nil || report.Err() != nil {
		t.Fatal(err, report.Err())
	}
	other := labtest.Collection(labtest.Schema(labtest.IntKey("id"), labtest.Vector("v", schemapb.DataType_FloatVector, 4)))
	other.Name = "other"
	s.target.Add(t, other)
	m.Source, m.Steps = nil, Steps{Import: true}
	m.Watch.Planned = func(all []*Planned) {
		if made := s.target.Collections(); len(made) != 1 || len(all) != 2 || !errors.Is(all[1].Err, importer.ErrSchema) {
			t.Errorf("when it was told what can't be imported, there were %q: %+v", made, all)
		}
	}
	report, err := m.Run(t.Context())
	if err != nil || !errors.Is(report.Err(), ErrSome) {
		t.Fatal(err, report.Err())
	}
	wantStates(t, report, "docs done", "other refused")
}

// TestMoveRefusesRights that are missing to bulk insert into a collection, before anything is made, and moves the others.
func TestMoveRefusesRights(t *testing.T) {
	t.Parallel()
	s := between(t, map[string]int{"docs": 10, "users": 10})
	s.target.Login = "mover:secret"
	s.target.Deny("Import docs")
	report, err := s.move(t).Run(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	wantStates(t, report, "docs refused", "users done")
	if !errors.Is(report.Collections[0].Err, milvus.ErrPrivilege) || !slices.Equal(s.target.Collections(), []string{"users"}) {
		t.Errorf("%v; made: %v", report.Collections[0].Err, s.target.Collections())
	}
}

// TestMoveSpecial moves collections as it is said of each: under another name, into another database, loaded for the time being.
func TestMoveSpecial(t *testing.T) {
	t.Parallel()
	s := between(t, map[string]int{"docs": 10, "users": 10})
	if err := s.source.Client(t).Release(t.Context(), "users"); err != nil {
		t.Fatal(err)
	}
	m := s.move(t)
	m.Special = []Special{{Named: Named{Collection: "docs"}, As: "papers", Into: "library"}, {Named: Named{Collection: "users"}, Load: true}}
	report, err := m.Run(t.Context())
	if err != nil || report.Err() != nil {
		t.Fatal(err, report.Err())
	}
	s.rows = map[string]int{"library.papers": 10, "users": 10}
	s.wantAll(t)
	if loaded := labtest.Describe(t, s.source.Client(t), "users").Loaded; loaded {
		t.Error("what was loaded for the time being stays loaded")
	}
	m.Special = []Special{{Named: Named{Collection: "docs"}, As: "users"}}
	if _, err := m.Run(t.Context()); err == nil || !strings.Contains(err.Error(), "would both become users") {
		t.Errorf("two into one: %v", err)
	}
}

// TestMoveGoesOn has one collection fail at each of the writes to the stores: the others are moved all the same, and the same call ends it.
func TestMoveGoesOn(t *testing.T) {
	t.Parallel()
	broken := errors.New("broken on purpose")
	for title, f := range map[string]struct {
		staging bool
		method  faults.Method
		on      string
	}{
		"a part":                {false, faults.Put, "docs/_default/part-00000"},
		"the manifest":          {false, faults.Put, "docs/manifest.json"},
		"the export's document": {false, faults.Swap, "_migrate/jobs/docs/export"},
		"its plan":              {false, faults.Swap, "_migrate/plans/docs/export"},
		"its chunk":             {false, faults.Swap, "_migrate/chunks/docs/export"},
		"what is staged":        {true, faults.Put, "docs/docs/"},
		"the import's document": {true, faults.Swap, "_migrate/jobs/docs/import"},
		"its chunk there":       {true, faults.Swap, "_migrate/chunks/docs/import"},
	} {
		t.Run(title, func(t *testing.T) {
			t.Parallel()
			faulttable.Tried(t, "a move of many: one collection fails at "+title, 1, "it is told, the others are moved, and the same command ends it")
			s := between(t, map[string]int{"docs": 100, "users": 20, "shop.orders": 10})
			disturbed := faults.Wrap(s.sink)
			if f.staging {
				disturbed = faults.Wrap(s.staging)
			}
			disturbed.Queue(f.method, faults.Error(broken).On(f.on))
			m := s.move(t)
			if m.Sink = disturbed; f.staging {
				m.Sink, m.Staging = s.sink, bucket{disturbed}
			}
			report, err := m.Run(t.Context())
			if err != nil || !errors.Is(report.Err(), ErrSome) {
				t.Fatal(err, report.Err())
			}
			wantStates(t, report, "docs failed", "users done", "shop.orders done")
			if !errors.Is(report.Collections[0].Err, broken) {
				t.Errorf("docs: %v", report.Collections[0].Err)
			}
			if left := disturbed.Unused(); len(left) > 0 {
				t.Errorf("not met: %v", left)
			}
			askedOf(s.source)
			report, err = s.move(t).Run(t.Context())
			if err != nil || report.Err() != nil {
				t.Fatal(err, report.Err())
			}
			s.wantAll(t)
		})
	}
}

// TestMoveDropped moves a collection again that was moved and dropped from the target since. Where that ends before all of it is there, it is
// not taken for moved.
func TestMoveDropped(t *testing.T) {
	t.Parallel()
	s := between(t, map[string]int{"docs": 100, "users": 20})
	if report, err := s.move(t).Run(t.Context()); err != nil || report.Err() != nil {
		t.Fatal(err, report.Err())
	}
	if err := s.target.Client(t).Drop(t.Context(), "docs"); err != nil {
		t.Fatal(err)
	}
	disturbed := faults.Wrap(s.staging)
	inserted := "_migrate/chunks/docs/import" // of a job that was submitted, the second time
	disturbed.Queue(faults.Swap, faults.Delay(0).On(inserted), faults.Error(errors.New("broken on purpose")).On(inserted))
	m := s.move(t)
	m.Staging = bucket{disturbed}
	report, err := m.Run(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	wantStates(t, report, "docs failed", "users done")
	if report, err = s.move(t).Run(t.Context()); err != nil || report.Err() != nil {
		t.Fatal(err, report.Err())
	}
	s.wantAll(t)
}

// TestMoveWithoutItsRecord moves all though what became of a collection can't be kept; its jobs know it the next time.
func TestMoveWithoutItsRecord(t *testing.T) {
	t.Parallel()
	broken := errors.New("broken on purpose")
	s := between(t, map[string]int{"docs": 100, "users": 20})
	disturbed := faults.Wrap(s.sink)
	disturbed.Queue(faults.Swap, faults.Error(broken).On("collections/docs"))
	m := s.move(t)
	m.Sink = disturbed
	report, err := m.Run(t.Context())
	if err != nil || report.Err() != nil || !strings.Contains(fmt.Sprint(report.Collections[0].Notes), "broken on purpose") {
		t.Fatalf("%+v, %v", report, err)
	}
	if report, err = s.move(t).Run(t.Context()); err != nil || report.Err() != nil {
		t.Fatal(err, report.Err())
	}
	s.wantAll(t)
	disturbed.Queue(faults.Swap, faults.Error(broken).On("move.json"))
	if _, err := m.Run(t.Context()); !errors.Is(err, broken) {
		t.Errorf("without its own document: %v", err)
	}
}

// TestMoveBudgets has no more parts read, and no more bulk-insert jobs under way, than the whole move may have, however many collections
// there are.
func TestMoveBudgets(t *testing.T) {
	t.Parallel()
	rows := map[string]int{}
	for i := range 8 {
		rows[fmt.Sprintf("c%d", i)] = 200
	}
	s := between(t, rows)
	writes, tasks := &most{}, &most{}
	s.sink = counted{s.sink.(*store.Sink), writes, ".parquet"}
	s.staging = counted{s.staging.(*store.Sink), tasks, ".parquet"}
	m := s.move(t)
	m.AtOnce, m.Export.Workers, m.Import.Jobs = 6, 3, 2
	if report, err := m.Run(t.Context()); err != nil || report.Err() != nil {
		t.Fatal(err, report.Err())
	}
	s.wantAll(t)
	if writes.top > 3 || tasks.top > 2 {
		t.Errorf("%d parts at once, of 3; %d staged at once, of 2", writes.top, tasks.top)
	}
	if writes.top < 2 {
		t.Errorf("only %d part at once, though there is room for 3", writes.top)
	}
}

// most is how many of something were there at once.
type most struct {
	mu       sync.Mutex
	now, top int
}

func (m *most) enter() {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.now++
	m.top = max(m.top, m.now)
}

func (m *most) leave() {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.now--
}

// TestMoveMeanwhile notices what happens to the source while a move is under way.
func TestMoveMeanwhile(t *testing.T) {
	t.Parallel()
	s := between(t, map[string]int{"docs": 100, "dropped": 20, "remade": 10, "old": 5})
	client := s.source.Client(t)
	m := s.move(t)
	m.Watch.Planned = func([]*Planned) {
		s.source.Rename(t, "old", "new")
		for _, name := range []string{"dropped", "remade"} {
			if err := client.Drop(t.Context(), name); err != nil {
				t.Error(err)
			}
		}
		for _, name := range []string{"remade", "created"} {
			c := labtest.Collection(labtest.Schema(labtest.IntKey("id"), labtest.Vector("v", schemapb.DataType_FloatVector, 2)))
			c.Name = name
			s.source.Add(t, c)
		}
	}
	report, err := m.Run(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	wantStates(t, report, "docs done", "dropped gone", "old failed", "remade done")
	if want := []Named{{Collection: "created"}}; !slices.Equal(report.Created, want) {
		t.Errorf("created: %v, want %v", report.Created, want)
	}
	for i, want := range []string{"", "it was dropped from the source meanwhile", "it was renamed to new meanwhile", "and another one made under its name"} {
		if notes := fmt.Sprint(report.Collections[i].Notes); !strings.Contains(notes, want) {
			t.Errorf("told of %s: %s, want %q", report.Collections[i].Named, notes, want)
		}
	}
	if report, err = s.move(t).Run(t.Context()); err != nil {
		t.Fatal(err)
	}
	wantStates(t, report, "created done", "docs done", "new done", "remade done")
	s.rows = map[string]int{"created": 0, "docs": 100, "new": 5, "remade": 0}
	s.wantAll(t)
}

// TestTwoMoves has two processes make one move together: each collection is moved once, and both know it in the end.
func TestTwoMoves(t *testing.T) {
	t.Parallel()
	faulttable.Tried(t, "two processes on one move of many", 1, "they share its collections, each of which is moved once")
	rows := map[string]int{}
	for i := range 6 {
		rows[fmt.Sprintf("c%d", i)] = 50 + i
	}
	s := between(t, rows)
	var both sync.WaitGroup
	for range 2 {
		m := s.move(t)
		both.Go(func() {
			report, err := m.Run(t.Context())
			if err != nil || report.Err() != nil || report.Count(Done) != len(rows) {
				t.Errorf("%v, %v", err, report.Err())
				wantStates(t, report)
			}
		})
	}
	both.Wait()
	s.wantAll(t)
}

// TestMoveEnds stops within its context, and the same call ends it.
func TestMoveEnds(t *testing.T) {
	t.Parallel()
	s := between(t, map[string]int{"docs": 100, "users": 20})
	ctx, cancel := context.WithCancel(t.Context())
	m := s.move(t)
	m.Watch.Step = func(_ *Planned, name string, _ int64) {
		if name == "bulk insert" {
			cancel()
		}
	}
	if _, err := m.Run(ctx); !errors.Is(err, context.Canceled) {
		t.Errorf("%v", err)
	}
	if report, err := s.move(t).Run(t.Context()); err != nil || report.Err() != nil {
		t.Fatal(err, report.Err())
	}
	s.wantAll(t)
}

// TestPlanOfMany asks each server at most six times a collection.
func TestPlanOfMany(t *testing.T) {
	t.Parallel()
	const many = 1000
	rows := map[string]int{}
	for i := range many {
		rows[fmt.Sprintf("c%d", i)] = 0
	}
	s := between(t, rows)
	client := s.source.Client(t)
	for name := range rows {
		if err := client.Release(t.Context(), name); err != nil {
			t.Fatal(err)
		}
	}
	var mu sync.Mutex
	calls := map[*memory.Server]int{}
	for _, server := range []*memory.Server{s.source, s.target} {
		server.Watch(func(context.Context, string) { mu.Lock(); calls[server]++; mu.Unlock() })
	}
	m := s.move(t)
	m.Export.Load = true
	all, err := m.Plan(t.Context())
	if err != nil || len(all) != many {
		t.Fatalf("%d planned, %v", len(all), err)
	}
	for _, p := range all {
		if p.Err != nil {
			t.Fatalf("%s: %v", p.Named, p.Err)
		}
	}
	if n := calls[s.source]; n > 6*many {
		t.Errorf("%d calls to the source", n)
	}
	if n := calls[s.target]; n > 6*many {
		t.Errorf("%d calls to the target", n)
	}
	t.Logf("%d calls to the source, %d to the target", calls[s.source], calls[s.target])
}

// counted is a store that counts how many objects of a kind are being written at once, until they are removed where that is what ends them.
type counted struct {
	*store.Sink
	most *most
	kind string
}

// Put counts.
func (c counted) Put(ctx context.Context, name string, write func(io.Writer) error) (sinks.Info, error) {
	if strings.HasSuffix(name, c.kind) {
		c.most.enter()
		defer c.most.leave()
	}
	return c.Sink.Put(ctx, name, write)
}

// TestMoveWays brings the rows of each collection by the way that takes them: keys that are texts, and given anew, by inserts, which are gone
// on with, and the others by bulk insert.
func TestMoveWays(t *testing.T) {
	t.Parallel()
	s := between(t, map[string]int{"docs": 30})
	key := labtest.TextKey("id")
	key.AutoID = true
	texts := labtest.Collection(labtest.Schema(key, labtest.Vector("v", schemapb.DataType_FloatVector, 2)))
	texts.Name = "texts"
	s.source.Add(t, texts)
	s.source.Sealed(t, "texts", labtest.Rows{N: 20, Columns: []*schemapb.FieldData{
		labtest.Column(key, labtest.Each(20, func(i int) string { return fmt.Sprint(i) })), labtest.Vectors("v", 2, 20, 1),
	}})
	s.rows["texts"] = 20
	ctx, cancel := context.WithCancel(t.Context())
	m := s.move(t)
	m.Import.NewKeys, m.AtOnce = true, 1
	m.Watch.Step = func(p *Planned, name string, _ int64) {
		if p.Collection == "texts" && name == "load" {
			cancel()
		}
	}
	if r, err := m.Run(ctx); !errors.Is(err, context.Canceled) {
		t.Fatal(err, r.Collections)
	}
	m.Watch.Step = nil
	report, err := m.Run(t.Context())
	if err != nil || report.Err() != nil {
		t.Fatal(err, report.Err())
	}
	wantStates(t, report, "docs done", "texts done")
	s.wantAll(t)
	for name, store := range map[string]sinks.Sink{"docs": s.staging, "texts": s.sink} {
		if _, err := checkpoint.Read(t.Context(), store, checkpoint.Name(checkpoint.Import, name, name)); err != nil {
			t.Errorf("%s came another way: %v", name, err)
		}
	}
}

// TestVerifyManyTells how many rows were compared, though nothing of them is flushed, and in what the sides differ.
func TestVerifyManyTells(t *testing.T) {
	t.Parallel()
	s := between(t, map[string]int{"docs": 0, "twice": 0, "users": 0})
	source, target := s.source.Client(t), s.target.Client(t)
	for _, name := range []string{"docs", "twice", "users"} {
		s.target.Add(t, vectors(name))
		labtest.Insert(t, source, name, "", numbered(20))
	}
	labtest.Insert(t, source, "twice", "", numbered(1))
	labtest.Insert(t, target, "docs", "", numbered(20))
	labtest.Insert(t, target, "twice", "", numbered(20))
	labtest.Insert(t, target, "users", "", numbered(18))
	m := s.move(t)
	m.Name, m.Steps, m.FromSource = "", Steps{Verify: true}, true
	report, err := m.Run(t.Context())
	must(t, err)
	wantStates(t, report, "docs done", "twice done", "users different")
	for i, want := range []string{"", "the source holds 1 duplicate key (1 row beyond one of each", "2 rows missing on the target: keys 18, 19"} {
		o := report.Collections[i]
		if told := o.Told(); o.Rows != 20 || (told == "") != (want == "") || !strings.Contains(told, want) {
			t.Errorf("%s: %d rows, %q; want %q", o.Named, o.Rows, told, want)
		}
	}
}

// TestMoveNamedDatabases makes databases that were named, though there is no collection in them, and not those beside which collections were.
func TestMoveNamedDatabases(t *testing.T) {
	t.Parallel()
	for title, c := range map[string]struct {
		of   Selection
		made []string
	}{
		"all of them":           {Selection{All: true}, []string{"empty", "news"}},
		"some by a pattern":     {Selection{Databases: []string{"*m*", "news"}}, []string{"empty", "news"}},
		"one":                   {Selection{Databases: []string{"news"}}, []string{"news"}},
		"some collections only": {Selection{Databases: []string{"*m*", "news"}, Collections: []string{"items"}}, []string{"news"}},
		"what a file lists":     {Selection{All: true, Collections: []string{"default.docs"}}, nil},
	} {
		t.Run(title, func(t *testing.T) {
			t.Parallel()
			s := odd(t)
			m := s.move(t)
			m.Selection, m.Export.Load = c.of, true
			report, err := m.Run(t.Context())
			must(t, errors.Join(err, report.Err()))
			made, err := m.Target.Databases(t.Context())
			must(t, err)
			made = slices.DeleteFunc(made, func(name string) bool { return withoutDefault(name) == "" })
			slices.Sort(made)
			if !slices.Equal(made, c.made) {
				t.Errorf("made %q, want %q", made, c.made)
			}
			differ, err := Diff{Source: m.Source, Target: m.Target, Selection: c.of}.Compare(t.Context())
			must(t, err)
			if told := lines(differ.Differences); slices.ContainsFunc(told, func(text string) bool { return strings.HasPrefix(text, "database ") }) {
				t.Errorf("not the same: %q", told)
			}
		})
	}
}

// TestMoveStopped says of each collection what became of it, also of those that were not brought to their end; the same call goes on.
func TestMoveStopped(t *testing.T) {
	t.Parallel()
	s := between(t, map[string]int{"docs": 10, "news": 300, "users": 20})
	ctx, stop := context.WithCancel(t.Context())
	defer stop()
	m := s.move(t)
	m.AtOnce = 1
	m.Watch.Ended = func(p *Planned, _ Outcome) {
		if p.Collection == "news" { // the first, since it is the largest
			stop()
		}
	}
	report, err := m.Run(ctx)
	if !errors.Is(err, ErrStopped) {
		t.Errorf("stopped: %v", err)
	}
	wantStates(t, report, "docs left", "news done", "users left")
	m.Watch.Ended = nil
	report, err = m.Run(t.Context())
	must(t, errors.Join(err, report.Err()))
	wantStates(t, report, "docs done", "news done", "users done")
}

// TestMoveAsAsked takes what was asked of a collection for no difference: other types of indexes, another name, another database.
func TestMoveAsAsked(t *testing.T) {
	t.Parallel()
	s := between(t, map[string]int{"docs": 10, "users": 10})
	must(t, s.source.Client(t).PointAlias(t.Context(), "d", "docs"))
	m := s.move(t)
	m.Selection = Selection{Collections: []string{"docs", "users"}}
	m.Special = []Special{
		{Named: Named{Collection: "docs"}, As: "papers", Into: "library", IndexTypes: map[string]string{"v": "HNSW"}},
		{Named: Named{Collection: "users"}, IndexTypes: map[string]string{"v": "IVF_FLAT"}},
	}
	report, err := m.Run(t.Context())
	must(t, errors.Join(err, report.Err()))
	wantStates(t, report, "docs done", "users done")
	coll, err := m.Target.In("library").DescribeWhole(t.Context(), "papers")
	must(t, err)
	if coll.Indexes[0].Type() != "HNSW" || !slices.Equal(coll.Aliases, []string{"d"}) {
		t.Errorf("it has the index %s and the aliases %q", coll.Indexes[0].Type(), coll.Aliases)
	}
	as := func(n Named) Named {
		if n.Collection == "docs" {
			return Named{"library", "papers"}
		}
		return n
	}
	types := func(n Named) map[string]string {
		return m.Special[slices.Index([]string{"docs", "users"}, n.Collection)].IndexTypes
	}
	for title, c := range map[string]struct {
		d       Diff
		differs bool
	}{"as asked": {Diff{As: as, IndexTypes: types}, false}, "by itself": {Diff{As: as}, true}} {
		c.d.Source, c.d.Target, c.d.Selection = m.Source, m.Target, Selection{All: true, Collections: m.Selection.Collections}
		found, err := c.d.Compare(t.Context())
		must(t, err)
		if len(found.Differences) > 0 != c.differs {
			t.Errorf("%s: %v", title, found.Differences)
		}
	}
}

// TestMoveRefusesFilled refuses a collection that another move has filled, from another sink, before its rows are exported.
func TestMoveRefusesFilled(t *testing.T) {
	t.Parallel()
	s := between(t, map[string]int{"docs": 10})
	m := s.move(t)
	report, err := m.Run(t.Context())
	must(t, errors.Join(err, report.Err()))
	again := m
	again.Sink = &store.Sink{}
	report, err = again.Run(t.Context())
	must(t, err)
	wantStates(t, report, "docs refused")
	if !errors.Is(report.Collections[0].Err, importer.ErrNotEmpty) {
		t.Error(report.Collections[0].Err)
	}
	report, err = m.Run(t.Context()) // which knows what it has done
	must(t, errors.Join(err, report.Err()))
}
