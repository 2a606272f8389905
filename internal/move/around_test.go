package move

import (
	"errors"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/milvus-io/milvus-proto/go-api/v2/schemapb"

	"github.com/milvus-io/milvus-proto/go-api/v2/milvuspb"
	"migrate/checkpoint"
	"migrate/importer"
	"migrate/internal/labtest"
	"migrate/internal/labtest/memory"
	"migrate/internal/milvus"
	"migrate/internal/model"
	"migrate/sinks"
	"migrate/sinks/faults"
	store "migrate/sinks/memory"
)

// odd are two servers, of which the source has all that there is around rows: databases, one of them empty, aliases, collections that are
// released and loaded in part, users and rights.
func odd(t *testing.T) *servers {
	t.Helper()
	s := between(t, map[string]int{"docs": 20, "news.items": 30, "news.released": 10})
	s.source.Add(t, vectors("parts", "p1", "p2"))
	s.rows["parts"] = 15
	source, ctx := s.source.Client(t), t.Context()
	for i, partition := range []string{"_default", "p1", "p2"} {
		keys := labtest.Column(labtest.IntKey("id"), labtest.Each(5, func(row int) int64 { return int64(5*i + row) }))
		must(t, source.Insert(ctx, "parts", partition, []*schemapb.FieldData{keys, labtest.Vectors("v", 2, 5, 1)}, 5))
	}
	must(t, source.ReleasePartitions(ctx, "parts", []string{"p1"}))
	must(t, source.In("news").Release(ctx, "released"))
	must(t, source.CreateDatabase(ctx, model.Database{Name: "empty"}))
	must(t, source.PointAlias(ctx, "d", "docs"))
	must(t, source.In("news").PointAlias(ctx, "n", "items"))
	must(t, source.CreateRole(ctx, "reader"))
	must(t, source.Grant(ctx, queryItems))
	must(t, source.CreateUser(ctx, "ann", "secret-of-ann"))
	must(t, source.GiveRole(ctx, "ann", "reader"))
	return s
}

// whole is a move of all, with its users.
func (s *servers) whole(t *testing.T) Move {
	t.Helper()
	m := s.move(t)
	m.Export.Load, m.Access = true, &Access{Passwords: Passwords{"ann": "secret-of-ann"}}
	return m
}

// diff is what differs between the two but for their rows.
func (s *servers) diff(t *testing.T) []string {
	t.Helper()
	report, err := Diff{Source: s.source.Client(t), Target: s.target.Client(t), Selection: Selection{All: true}}.Compare(t.Context())
	must(t, err)
	return lines(report.Differences)
}

// loadedPartitions are those of a collection of the source.
func (s *servers) loadedPartitions(t *testing.T, database, collection string) []string {
	t.Helper()
	c, err := s.source.Client(t).In(database).DescribeWhole(t.Context(), collection)
	must(t, err)
	return c.Load.Partitions
}

// wantAsBefore wants the source loaded as it was.
func (s *servers) wantAsBefore(t *testing.T) {
	t.Helper()
	if got := s.loadedPartitions(t, "", "parts"); !slices.Equal(got, []string{"_default", "p2"}) {
		t.Errorf("of parts is loaded: %v", got)
	}
	if got := s.loadedPartitions(t, "news", "released"); len(got) > 0 {
		t.Errorf("loaded, and was not: %v", got)
	}
}

// TestMoveAround moves a server of odd things: after it both are the same in all that there is around rows, and the source is loaded as it
// was, though partitions that it was asked to load had no rows for a while.
func TestMoveAround(t *testing.T) {
	s := odd(t)
	s.source.SeenLate = 3
	report, err := s.whole(t).Run(t.Context())
	if err != nil || report.Err() != nil || report.Count(Done) != 4 {
		t.Fatalf("%+v, %v", report, err)
	}
	if differ := s.diff(t); len(differ) > 0 {
		t.Errorf("not the same: %s", strings.Join(differ, "\n"))
	}
	s.wantAsBefore(t)
	if report.Access == nil || !slices.Equal(report.Access.Users, []string{"ann"}) || !s.target.Accepts("ann", "secret-of-ann") {
		t.Errorf("users: %+v", report.Access)
	}
	if n, err := s.target.Client(t).StoredRows(t.Context(), "parts"); n != 15 || err != nil {
		t.Errorf("rows of parts: %d, %v", n, err)
	}
	again, err := s.whole(t).Run(t.Context())
	if err != nil || again.Err() != nil || len(again.Access.Users) > 0 {
		t.Errorf("again: %+v, %v", again, err)
	}
}

// TestMoveLeaves names what is on the target already and is not as on the source, and leaves it.
func TestMoveLeaves(t *testing.T) {
	s := odd(t)
	target, ctx := s.target.Client(t), t.Context()
	s.target.Add(t, vectors("theirs"))
	must(t, target.PointAlias(ctx, "d", "theirs"))
	must(t, target.CreateUser(ctx, "ann", "their-own"))
	report, err := s.whole(t).Run(ctx)
	if err != nil || report.Err() != nil {
		t.Fatalf("%+v, %v", report, err)
	}
	i := slices.IndexFunc(report.Collections, func(o Outcome) bool { return o.Collection == "docs" })
	if notes := report.Collections[i].Notes; !slices.Equal(notes, []string{`alias "d" names "theirs" on the target, and was left so`}) {
		t.Errorf("notes: %v", notes)
	}
	if !slices.Contains(lines(report.Access.Left), "user ann: it is there, and keeps its password") || !s.target.Accepts("ann", "their-own") {
		t.Errorf("left: %v", lines(report.Access.Left))
	}
}

// TestMoveWithoutLoad names collections that are not loaded as a whole, and moves the others.
func TestMoveWithoutLoad(t *testing.T) {
	s := odd(t)
	m := s.whole(t)
	m.Export.Load = false
	report, err := m.Run(t.Context())
	must(t, err)
	for _, o := range report.Collections {
		want := map[string]error{"parts": milvus.ErrPartly, "released": milvus.ErrNotLoaded}[o.Collection]
		if (o.State == Done) != (want == nil) || !errors.Is(o.Err, want) {
			t.Errorf("%s: %s, %v", o.Named, o.State, o.Err)
		}
	}
	s.wantAsBefore(t)
}

// TestMoveLoadMemory refuses, before anything is changed, what does not fit into the memory that may be used, and moves the rest.
func TestMoveLoadMemory(t *testing.T) {
	s := odd(t)
	m := s.whole(t)
	m.LoadMemory = 12 * model.EstimatedRow(vectors("x").Schema)
	report, err := m.Run(t.Context())
	must(t, err)
	for _, o := range report.Collections {
		if refused := errors.Is(o.Err, ErrLoadMemory); refused != (o.Collection == "parts") || refused != (o.State == Refused) {
			t.Errorf("%s: %s, %v", o.Named, o.State, o.Err)
		}
	}
}

// borrowed is a call of the move that has loaded what it is to read, and is killed then.
func (s *servers) borrowed(t *testing.T) *moving {
	t.Helper()
	dead := s.whole(t).begin()
	must(t, dead.open())
	all, err := dead.prepare(t.Context())
	must(t, err)
	for _, p := range all {
		_, err := dead.borrow(t.Context(), p, dead.onSource(p))
		must(t, err)
	}
	return dead
}

// TestBorrowedByTheDead gives back what a call that was killed had loaded: where it is read still, after that, and at once otherwise.
func TestBorrowedByTheDead(t *testing.T) {
	for title, first := range map[string]func(*Move){
		"read by the next call":     func(*Move) {},
		"not read by the next call": func(m *Move) { m.Selection.Exclude = []string{"parts", "news.released"} },
	} {
		s := odd(t)
		dead := s.borrowed(t)
		if got := s.loadedPartitions(t, "", "parts"); len(got) != 3 {
			t.Fatalf("%s: loaded: %v", title, got)
		}
		m := s.whole(t)
		first(&m)
		report, err := m.Run(t.Context())
		if err != nil || report.Err() != nil {
			t.Errorf("%s: %+v, %v", title, report, err)
		}
		s.wantAsBefore(t)
		made, err := dead.record.madeSoFar(t.Context())
		if err != nil || len(made.Borrowed) > 0 {
			t.Errorf("%s: still borrowed: %v, %v", title, made.Borrowed, err)
		}
	}
	s := odd(t)
	report, err := s.whole(t).Run(t.Context())
	if err != nil || report.Err() != nil || len(s.diff(t)) > 0 {
		t.Errorf("%v, %v", s.diff(t), err)
	}
}

// TestBorrowedAndRead gives back what a call had loaded that was killed when it had exported that, and nothing more.
func TestBorrowedAndRead(t *testing.T) {
	s := odd(t)
	m := s.whole(t)
	m.Steps = Steps{Export: true}
	if report, err := m.Run(t.Context()); err != nil || report.Err() != nil {
		t.Fatalf("%+v, %v", report, err)
	}
	s.borrowed(t)
	if report, err := s.whole(t).Run(t.Context()); err != nil || report.Err() != nil || report.Count(Done) != 4 {
		t.Errorf("%+v, %v", report, err)
	}
	s.wantAsBefore(t)
}

// TestBorrowedUnseen moves a collection whose partitions were loaded by a call that was killed before their rows were seen.
func TestBorrowedUnseen(t *testing.T) {
	s := odd(t)
	s.source.SeenLate = 30
	dead, ctx := s.whole(t).begin(), t.Context()
	must(t, dead.open())
	c, err := s.source.Client(t).DescribeWhole(ctx, "parts")
	must(t, err)
	loan, _ := dead.onSource(&Planned{Named: NamedIn(milvus.DefaultDatabase, c.Name)}).lent(made{}, c)
	_, err = dead.loans.noteMade(ctx, func(now *made) { now.Borrowed = append(now.Borrowed, loan) })
	must(t, err)
	_, err = s.source.LoadPartitions(ctx, &milvuspb.LoadPartitionsRequest{CollectionName: c.Name, PartitionNames: loan.Before.Lacking(c.Partitions)})
	must(t, err)

	report, err := s.whole(t).Run(ctx)
	if err != nil || report.Err() != nil {
		t.Errorf("%+v, %v", report, err)
	}
	if n, err := s.target.Client(t).StoredRows(ctx, c.Name); n != 15 || err != nil {
		t.Errorf("rows of parts: %d, %v", n, err)
	}
	s.wantAsBefore(t)
}

// TestVerifyPartly verifies what is loaded in part, on both sides: it is loaded as a whole for the time being, and given back as it was, after
// a call that was killed too, by the next one, whether that reads it or not.
func TestVerifyPartly(t *testing.T) {
	s := odd(t)
	if report, err := s.whole(t).Run(t.Context()); err != nil || report.Err() != nil {
		t.Fatalf("%+v, %v", report, err)
	}
	verify := func() Move {
		m := s.move(t)
		m.Name, m.Loans, m.Steps, m.FromSource, m.Export.Load = "", "all", Steps{Verify: true}, true, true
		return m
	}
	for title, c := range map[string]struct {
		killed  bool
		exclude []string
		want    int
	}{
		"whole":            {false, nil, 4},
		"read again":       {true, nil, 4},
		"given back alone": {true, []string{"parts", "news.released"}, 2},
	} {
		if c.killed {
			dead := verify().begin()
			must(t, dead.open())
			all, err := dead.prepare(t.Context())
			must(t, err)
			for _, p := range all {
				if _, err := dead.borrowToVerify(t.Context(), p); err != nil {
					t.Fatal(err)
				}
			}
			for side, server := range map[string]*milvus.Server{"source": dead.Source, "target": dead.Target} {
				if !labtest.Describe(t, server, "parts").Loaded {
					t.Errorf("%s: not loaded on the %s", title, side)
				}
			}
		}
		m := verify()
		m.Selection.Exclude = c.exclude
		report, err := m.Run(t.Context())
		if err != nil || report.Err() != nil || report.Count(Done) != c.want {
			t.Errorf("%s: %+v, %v", title, report, err)
		}
		s.wantAsBefore(t)
		if differ := s.diff(t); len(differ) > 0 {
			t.Errorf("%s: not as it was: %s", title, strings.Join(differ, "\n"))
		}
		loans, err := recordOn(s.sink, "all")
		must(t, err)
		if made, err := loans.madeSoFar(t.Context()); err != nil || len(made.Borrowed) > 0 {
			t.Errorf("%s: still borrowed: %v, %v", title, made.Borrowed, err)
		}
	}
	tight, without := verify(), verify()
	tight.LoadMemory = 12 * model.EstimatedRow(vectors("x").Schema)
	without.Export.Load = false
	for want, m := range map[error]Move{ErrLoadMemory: tight, milvus.ErrPartly: without} {
		report, err := m.Run(t.Context())
		must(t, err)
		i := slices.IndexFunc(report.Collections, func(o Outcome) bool { return o.Collection == "parts" })
		if o := report.Collections[i]; o.State != Refused || !errors.Is(o.Err, want) {
			t.Errorf("%s, %v, want %v", o.State, o.Err, want)
		}
	}
}

// TestMovePartitions moves those partitions of a collection alone that are named, and nothing else of it is a difference. Other ones are
// refused afterwards, and those that are not there before anything is made.
func TestMovePartitions(t *testing.T) {
	s := odd(t)
	of := func(partitions ...string) Move {
		m := s.whole(t)
		m.Special = []Special{{Named: Named{Collection: "parts"}, Partitions: partitions}}
		return m
	}
	outcome := func(m Move) Outcome {
		report, err := m.Run(t.Context())
		must(t, err)
		i := slices.IndexFunc(report.Collections, func(o Outcome) bool { return o.Collection == "parts" })
		if others := report.Count(Done); others < 3 {
			t.Errorf("%d of the others were moved: %+v", others, report)
		}
		return report.Collections[i]
	}
	target := s.target.Client(t)
	if o := outcome(of("nobody", "p1")); o.State != Refused || !errors.Is(o.Err, model.ErrPartitions) || !strings.HasSuffix(o.Error, "it has no nobody") {
		t.Errorf("of no such partition: %s, %v", o.State, o.Err)
	}
	if there, err := target.Exists(t.Context(), "parts"); there || err != nil {
		t.Errorf("made though it was refused: %t, %v", there, err)
	}
	for range 2 { // it is not moved again
		if o := outcome(of("p1")); o.State != Done || o.Rows != 5 || !slices.Equal(o.Partitions, []string{"p1"}) {
			t.Errorf("%+v", o)
		}
	}
	made, err := target.DescribeWhole(t.Context(), "parts")
	if err != nil || !slices.Equal(made.Partitions, []string{"_default", "p1"}) || !made.Load.Released() {
		t.Errorf("made: %+v, %v", made, err)
	}
	if rows, err := target.StoredRowsOf(t.Context(), "parts", made.Partitions); rows != 5 || err != nil {
		t.Errorf("%d rows, %v", rows, err)
	}
	d := Diff{Source: s.source.Client(t), Target: target, Selection: Selection{All: true}}
	if report, err := d.Compare(t.Context()); err != nil || !slices.Contains(lines(report.Differences), `collection parts: partition "p2" is missing`) {
		t.Errorf("of all partitions: %+v, %v", report, err)
	}
	d.Partitions = func(n Named) []string { return of("p1").begin().specialOf(n).Partitions }
	if report, err := d.Compare(t.Context()); err != nil || len(report.Differences) > 0 {
		t.Errorf("of one: %+v, %v", report, err)
	}
	verify := of("p1")
	verify.Name, verify.Steps, verify.FromSource = "", Steps{Verify: true}, true
	if o := outcome(verify); o.State != Done {
		t.Errorf("verified: %s, %v", o.State, o.Err)
	}
	statuses, err := Statuses(t.Context(), []sinks.Sink{s.sink}, "parts")
	if err != nil || len(statuses) != 1 || !slices.Equal(statuses[0].Partitions, []string{"p1"}) {
		t.Errorf("status: %+v, %v", statuses, err)
	}
	for _, other := range [][]string{{"p2"}, {"p1", "p2"}, nil} {
		if o := outcome(of(other...)); o.State != Failed || !errors.Is(o.Err, checkpoint.ErrOther) {
			t.Errorf("then %v: %s, %v", other, o.State, o.Err)
		}
	}
}

// TestMoveReleasedUnsaid ends a move that has loaded collections of the target as they are on the source, and could not say so: the same call
// reads them again, and leaves them as they are on the source.
func TestMoveReleasedUnsaid(t *testing.T) {
	s := odd(t)
	sink := faults.Wrap(s.sink)
	for _, of := range []string{"collections/parts", "collections/news.released"} {
		sink.Queue(faults.Swap, faults.Error(errors.New("broken on purpose")).On(of))
	}
	m := s.whole(t)
	m.Sink = sink
	if _, err := m.Run(t.Context()); err != nil || len(sink.Unused()) > 0 {
		t.Fatal(err, sink.Unused())
	}
	again := s.whole(t)
	again.Export.Load = false // all is exported
	report, err := again.Run(t.Context())
	if err != nil || report.Err() != nil {
		t.Errorf("again: %v, %v", err, report.Err())
	}
	if differ := s.diff(t); len(differ) > 0 {
		t.Errorf("not the same: %s", strings.Join(differ, "\n"))
	}
}

// TestLoadLike has a collection of the target in as many replicas as that of the source, in its resource groups, and told where that can't be.
func TestLoadLike(t *testing.T) {
	for title, c := range map[string]struct {
		groups []string // of the target
		like   model.Load
		want   model.Load
		note   string
	}{
		"two replicas": {nil, model.Load{Partitions: []string{"_default", "p1"}, Replicas: 2}, model.Load{Partitions: []string{"_default", "p1"}, Replicas: 2}, ""},
		"in a resource group": {[]string{"rg"}, model.Load{Partitions: []string{"_default", "p1"}, Replicas: 1, Groups: []string{"rg"}},
			model.Load{Partitions: []string{"_default", "p1"}, Replicas: 1, Groups: []string{"rg"}}, ""},
		"one of two in a resource group": {[]string{"rg"}, model.Load{Partitions: []string{"_default", "p1"}, Replicas: 2, Groups: []string{"rg"}},
			model.Load{Partitions: []string{"_default", "p1"}, Replicas: 2, Groups: []string{"rg"}}, ""},
		"in one that is not there": {nil, model.Load{Partitions: []string{"p1"}, Replicas: 1, Groups: []string{"rg"}},
			model.Load{Partitions: []string{"p1"}, Replicas: 1}, "its replicas are in the default resource group: the target has no rg"},
		"released": {nil, model.Load{}, model.Load{}, ""},
	} {
		s := memory.Start(t, "v2.5.10")
		s.ResourceGroups = c.groups
		s.Add(t, vectors("docs", "p1"))
		target := s.Client(t)
		notes, err := loadLike(t.Context(), target, "docs", c.like)
		if err != nil || strings.Join(notes, "\n") != c.note {
			t.Errorf("%s: %v, %v", title, notes, err)
		}
		got, err := target.DescribeWhole(t.Context(), "docs")
		must(t, err)
		if differ := model.CompareAll(&model.Collection{Schema: got.Schema, Partitions: got.Partitions, Load: &c.want, Shards: got.Shards,
			Indexes: got.Indexes, ConsistencyLevel: got.ConsistencyLevel}, got); len(differ) > 0 {
			t.Errorf("%s: %v", title, differ)
		}
	}
}

// TestMoveWithoutResourceGroups tells, before anything is changed, which resource groups the target has not: a database is made without them, a
// collection is loaded in the default one, and all rows come.
func TestMoveWithoutResourceGroups(t *testing.T) {
	source, target, ctx := memory.Start(t, "v2.5.10"), memory.Start(t, "v2.5.10"), t.Context()
	source.ResourceGroups, target.ResourceGroups = []string{"rg1", "rg2"}, []string{"rg2"}
	from := source.Client(t)
	must(t, from.CreateDatabase(ctx, model.Database{Name: "news", Properties: pairs("database.resource_groups", "rg1, rg2", "database.replica.number", "2")}))
	source.Add(t, vectors("news.items"))
	source.Sealed(t, "news.items", numbered(10))
	must(t, from.In("news").Release(ctx, "items"))
	must(t, from.In("news").Load(ctx, "items"))
	m := Move{
		Name: "all", Source: from, Target: target.Client(t), Sink: &store.Sink{}, Selection: Selection{All: true},
		Steps: Steps{Export: true, Import: true, Verify: true}, Import: importer.Options{Via: importer.Insert},
	}
	want := []string{
		"its replicas are in the default resource group: the target has no rg1",
		"its database on the target: made without its resource groups rg1, rg2, since there is no rg1",
	}
	planned, err := m.Plan(ctx)
	if err != nil || len(planned) != 1 || !slices.Equal(planned[0].Notes, want) {
		t.Fatalf("planned: %+v, %v", planned[0], err)
	}
	m.Watch.Planned = func([]*Planned) {
		if there := target.Collections(); len(there) > 0 {
			t.Errorf("made before anything was told: %v", there)
		}
	}
	report, err := m.Run(ctx)
	if err != nil || report.Err() != nil || !slices.Equal(report.Collections[0].Notes, want) {
		t.Fatalf("%+v, %v", report, err)
	}
	differ, err := Diff{Source: from, Target: target.Client(t), Selection: Selection{All: true}}.Compare(ctx)
	must(t, err)
	if got := lines(differ.Differences); !slices.Equal(got, []string{
		"collection news.items: its replicas are in resource groups none instead of rg1, rg2", "database news: property database.resource_groups is none instead of rg1, rg2",
	}) {
		t.Errorf("differ: %q", got)
	}
}

// TestUsersFileInTheWay refuses a move before anything is changed, where its new passwords would go into a file of somebody else.
func TestUsersFileInTheWay(t *testing.T) {
	s := odd(t)
	m := s.whole(t)
	m.Access = &Access{File: filepath.Join(t.TempDir(), "users.yaml")}
	if _, err := (newPasswords{m.Access.File, "ANOTHER"}).add([]string{"bob"}); err != nil {
		t.Fatal(err)
	}
	if _, err := m.Run(t.Context()); !errors.Is(err, ErrUsersFile) {
		t.Errorf("%v", err)
	}
	if there := s.target.Collections(); len(there) > 0 {
		t.Errorf("made: %v", there)
	}
}
