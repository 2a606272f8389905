package move

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"
	"time"

	"golang.org/x/sync/errgroup"
	"golang.org/x/sync/semaphore"
	"golang.org/x/time/rate"

	"migrate/checkpoint"
	"migrate/exporter"
	"migrate/importer"
	"migrate/internal/budget"
	"migrate/internal/clock"
	"migrate/internal/milvus"
	"migrate/internal/model"
	"migrate/sinks"
)

// ErrSome: not all of what is to be done came to an end.
var ErrSome = errors.New("not all came to an end")

// ErrStopped: the move was told to end. What is done is kept.
var ErrStopped = errors.New("the move was stopped")

// Steps are what is done of each collection of a move, in this order.
type Steps struct{ Export, Import, Verify bool }

// Count is how often each row is handled.
func (s Steps) Count() (n int64) {
	for _, does := range []bool{s.Export, s.Import, s.Verify} {
		if does {
			n++
		}
	}
	return n
}

// Special is what is said of one collection of a move.
type Special struct {
	Named                        // on the source
	As         string            // its name on the target; that on the source where empty
	Into       string            // the database there; that on the source where empty
	IndexTypes map[string]string // that its indexes are to have there
	Load       bool              // load it, where it is not loaded, and release it at the end
	Partitions []string          // that are moved alone, sorted; all where empty
}

// Move is many collections that are moved as one. Each has a job of its own, with lease and checkpoint: what is interrupted is resumed by
// the same call, and several processes that make it share the collections.
type Move struct {
	// Name is that under which it is kept what became of each collection; nothing is kept where it is empty.
	Name    string
	Command any // what it is resumed by, in JSON: nothing to this package
	// Loans is the name under which it is kept what is loaded for the time being, where Name is empty: a later call of that name gives back
	// what this one could not.
	Loans          string
	Source, Target *milvus.Server // nil where no step needs it
	Sink           sinks.Sink
	Staging        importer.Staging // nil where nothing is imported
	Selection      Selection
	Special        []Special
	Steps          Steps
	FromSource     bool             // verify against the source; against the export otherwise
	AtOnce         int              // collections; 4 where zero
	Export         exporter.Options // of each; Workers is for all of them together
	Import         importer.Options // of each; Jobs is for all of them together
	LoadMemory     int64            // that collections may take on a server which are loaded for the time being, in bytes; no bound where zero
	Access         *Access          // how users and rights are moved; they are not where nil
	// Read has the collections of a database be read otherwise than by queries, where they may be; nil: they are not.
	Read  func(database *milvus.Server) (func(*model.Collection) (exporter.Way, error), error)
	Watch Watch
}

// Watch is told of a move; calls come from several goroutines, and may be left out.
type Watch struct {
	Planned func(all []*Planned)                      // once, before anything is changed
	Step    func(p *Planned, name string, rows int64) // one begins a step
	Did     func(p *Planned, rows, bytes int64)       // rows of its present step are done
	Moved   func(p *Planned, rows, bytes int64)       // rows are through one of Steps, which counts for the whole
	Ended   func(p *Planned, o Outcome)               // it came to an end
	Job     func(id int64, state string, why string)  // of a bulk-insert job
}

func (w Watch) withDefaults() Watch {
	if w.Planned == nil {
		w.Planned = func([]*Planned) {}
	}
	if w.Step == nil {
		w.Step = func(*Planned, string, int64) {}
	}
	if w.Did == nil {
		w.Did = func(*Planned, int64, int64) {}
	}
	if w.Moved == nil {
		w.Moved = func(*Planned, int64, int64) {}
	}
	if w.Ended == nil {
		w.Ended = func(*Planned, Outcome) {}
	}
	if w.Job == nil {
		w.Job = func(int64, string, string) {}
	}
	return w
}

// State is what became of a collection.
type State string

// The states of a collection. One that is Left was not begun, since a server could not be reached any more, or did not come to its end before
// the move was stopped.
const (
	Done      State = "done"
	Different State = "different"
	Failed    State = "failed"
	Refused   State = "refused"
	Gone      State = "gone" // from the source, meanwhile
	Left      State = "left"
)

// Outcome is what became of one collection.
type Outcome struct {
	Named
	ID      int64    `json:"id,string,omitempty"` // on the source
	Job     string   `json:"job"`
	Target  Named    `json:"target"`
	State   State    `json:"state"`
	Rows    int64    `json:"rows"`
	Bytes   int64    `json:"bytes"`
	Seconds float64  `json:"seconds"`
	Error   string   `json:"error,omitempty"`
	Notes   []string `json:"notes,omitempty"` // what else is to be known
	// Partitions are those that were moved alone; all where empty.
	Partitions []string  `json:"partitions,omitempty"`
	Ended      time.Time `json:"ended,omitzero"`

	Err error `json:"-"` // of which Error is the text; nil where it is not of this run
}

// Report is what became of a move.
type Report struct {
	Move        string        `json:"move,omitempty"`
	Collections []Outcome     `json:"collections"`
	Created     []Named       `json:"created_meanwhile,omitempty"` // which the same call would move
	Notes       []string      `json:"notes,omitempty"`
	Access      *AccessReport `json:"access,omitempty"` // users and rights
	Page        string        `json:"page,omitempty"`   // where a summary is kept
}

// Count is how many collections are in a state.
func (r Report) Count(s State) (n int) {
	for _, o := range r.Collections {
		if o.State == s {
			n++
		}
	}
	return n
}

// Err is ErrSome, or model.ErrDiffers where all were moved and some differ, and nil where all is well.
func (r Report) Err() error {
	if r.Access != nil && len(r.Access.Failed) > 0 {
		return fmt.Errorf("%w: %d users, roles or grants could not be made", ErrSome, len(r.Access.Failed))
	}
	well := r.Count(Done) + r.Count(Gone)
	switch differ, all := r.Count(Different), len(r.Collections); {
	case well+differ < all:
		return fmt.Errorf("%w: %d of %d collections did not", ErrSome, all-well-differ, all)
	case differ > 0:
		return fmt.Errorf("%d of %d collections: %w", differ, all, model.ErrDiffers)
	}
	return nil
}

// moving is one Move under way.
type moving struct {
	Move
	record  *record         // nil where nothing is kept
	loans   *record         // of what is loaded for the time being; nil where nothing is kept of it
	catalog *milvus.Catalog // of the source, as it was when the move began
	reads   *budget.Budget
	jobs    *budget.Budget
	made    made // by earlier calls of the move
	access  *AccessPlan
	denied  error         // why nothing is known of users
	rate    *rate.Limiter // of rows; nil where there is no limit

	sourceMemory, targetMemory *semaphore.Weighted // of LoadMemory each
	sourceRights, targetRights knownRights
	placing                    placing

	mu       sync.Mutex
	outcomes []Outcome
	notes    []string
	held     []*Planned // by another process
	away     error      // that a server could not be reached by
}

// Run moves what is selected. What can't be moved is told before anything is changed, and the others are moved; one that fails does not stop
// them. An error is that of the move as a whole: what became of its collections is in the report, which is there in any case.
func (m Move) Run(ctx context.Context) (*Report, error) {
	mv := m.begin()
	report := &Report{Move: m.Name}
	if err := mv.open(); err != nil {
		return report, err
	}
	all, err := mv.prepare(ctx)
	if err != nil {
		return report, err
	}
	mv.Watch.Planned(all)
	if err := mv.keep(ctx, all); err != nil {
		return report, err
	}
	if err := mv.before(ctx, all); err != nil {
		return report, err
	}
	todo := mv.todo(all)
	if err := mv.giveBackAll(ctx, todo); err != nil {
		return report, err
	}
	err = mv.workAll(ctx, todo)
	mv.leave(todo)
	report.Collections = mv.sorted()
	if err != nil {
		return report, err
	}
	if err := mv.after(ctx, report); err != nil {
		return report, err
	}
	mv.lookAgain(ctx, all, report)
	return report, mv.keepSummary(ctx, report)
}

func (m Move) begin() *moving {
	m.AtOnce, m.Export.Workers, m.Import.Jobs = cmp.Or(m.AtOnce, 4), cmp.Or(m.Export.Workers, 4), cmp.Or(m.Import.Jobs, 4)
	m.Watch = m.Watch.withDefaults()
	mv := &moving{Move: m, reads: budget.New(m.Export.Workers), jobs: budget.New(m.Import.Jobs)}
	mv.sourceMemory, mv.targetMemory = semaphore.NewWeighted(m.LoadMemory), semaphore.NewWeighted(m.LoadMemory)
	if m.Export.MaxRate > 0 {
		mv.rate = rate.NewLimiter(rate.Limit(m.Export.MaxRate), m.Export.MaxRate)
	}
	return mv
}

// todo are those that are to be worked at, the largest first. Of the others it is known what becomes of them.
func (m *moving) todo(all []*Planned) (todo []*Planned) {
	for _, p := range all {
		switch {
		case p.Before != nil:
			m.end(p, *p.Before)
		case p.Err != nil:
			m.end(p, p.outcome(Refused, p.Err))
		default:
			todo = append(todo, p)
		}
	}
	slices.SortStableFunc(todo, func(a, b *Planned) int { return cmp.Compare(b.Rows, a.Rows) })
	return todo
}

// again is how often collections that another process works at are looked at.
const again = 2 * time.Second

// workAll works at all, and again at those that another process had, until they are at their end too.
func (m *moving) workAll(ctx context.Context, todo []*Planned) error {
	for {
		if err := m.pass(ctx, todo); err != nil {
			return err
		}
		if todo, m.held = m.held, nil; len(todo) == 0 {
			return nil
		}
		if err := clock.Sleep(ctx, again); err != nil {
			return stopped(ctx)
		}
	}
}

// pass works at each once, at several together.
func (m *moving) pass(ctx context.Context, todo []*Planned) error {
	var g errgroup.Group
	g.SetLimit(m.AtOnce)
	for _, p := range todo {
		if ctx.Err() != nil {
			break
		}
		g.Go(func() error {
			m.workAt(ctx, p)
			return nil
		})
	}
	_ = g.Wait() // each has its own outcome
	return stopped(ctx)
}

// stopped is ErrStopped once the context has ended.
func stopped(ctx context.Context) error {
	if ctx.Err() == nil {
		return nil
	}
	return fmt.Errorf("%w: %w", ErrStopped, context.Cause(ctx))
}

// workAt brings one collection to its end, unless another process has it, or no server answers any more.
func (m *moving) workAt(ctx context.Context, p *Planned) {
	if m.unreachable() != nil {
		m.end(p, p.outcome(Left, m.unreachable()))
		return
	}
	if o := m.movedBy(ctx, p); o != nil {
		m.end(p, *o)
		return
	}
	began := time.Now()
	o, err := m.move(ctx, p)
	switch {
	case ctx.Err() != nil && err != nil: // it is resumed by the same call
		return
	case errors.Is(err, checkpoint.ErrHeld), errors.Is(err, checkpoint.ErrLost):
		m.wait(p)
		return
	case errors.Is(err, milvus.ErrUnreachable):
		m.lose(err)
	}
	o.Seconds, o.Ended = time.Since(began).Seconds(), time.Now().UTC()
	if err := m.note(ctx, &o); err != nil {
		o.Notes = append(o.Notes, err.Error())
	}
	m.end(p, o)
}

func (m *moving) end(p *Planned, o Outcome) {
	m.mu.Lock()
	m.outcomes = append(m.outcomes, o)
	m.mu.Unlock()
	m.Watch.Ended(p, o)
}

func (m *moving) wait(p *Planned) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.held = append(m.held, p)
}

func (m *moving) lose(err error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.away = err
}

func (m *moving) unreachable() error {
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.away
}

// leave says of those that did not come to an end that they are left.
func (m *moving) leave(todo []*Planned) {
	m.mu.Lock()
	defer m.mu.Unlock()
	ended := map[Named]bool{}
	for _, o := range m.outcomes {
		ended[o.Named] = true
	}
	for _, p := range todo {
		if !ended[p.Named] {
			m.outcomes = append(m.outcomes, p.outcome(Left, nil))
		}
	}
}

// sorted are the outcomes by the collections' names.
func (m *moving) sorted() []Outcome {
	m.mu.Lock()
	defer m.mu.Unlock()
	slices.SortFunc(m.outcomes, func(a, b Outcome) int { return a.compare(b.Named) })
	return m.outcomes
}
