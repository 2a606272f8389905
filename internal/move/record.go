package move

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
	"time"

	"golang.org/x/sync/errgroup"

	"migrate/checkpoint"
	"migrate/internal/document"
	"migrate/internal/milvus"
	"migrate/sinks"
)

// The documents of a move, beside those of its jobs: what it is, which is written by each call, and what became of each collection, in an
// object of its own, so that no write grows with their number and processes that share a move don't wait for each other.
//
//	_migrate/moves/<move>/move.json
//	_migrate/moves/<move>/collections/<collection>.json
//	_migrate/moves/<move>/summary.md
const movesFolder = "_migrate/moves/"

// recordFormat is the newest format of these documents that this program reads, and the one that it writes.
const recordFormat = 1

// Kept is what is kept of a move.
type Kept struct {
	Format      int             `json:"format"`
	Name        string          `json:"name"`
	Source      string          `json:"source"` // its server's address, as host:port
	Command     json.RawMessage `json:"command,omitempty"`
	Collections int             `json:"collections"` // when it was called last
	Rows        int64           `json:"rows"`
	Started     time.Time       `json:"started"`
	Called      time.Time       `json:"called"` // last
}

// kept is the document of an outcome.
type kept struct {
	Format int `json:"format"`
	Outcome
}

// record is where the documents of a move are. A nil one keeps nothing.
type record struct {
	store checkpoint.Store
	sink  sinks.Sink
	name  string

	making sync.Mutex // of what this process notes of what it makes, which is one document
}

func recordOn(sink sinks.Sink, name string) (*record, error) {
	if err := CheckName(name); err != nil {
		return nil, err
	}
	store, err := checkpoint.On(sink)
	return &record{store: store, sink: sink, name: name}, err
}

// CheckName refuses what no move can be called.
func CheckName(name string) error {
	if strings.Contains(name, "/") {
		return fmt.Errorf("move %q: its name has no slash", name)
	}
	return sinks.CheckName(name)
}

func (r *record) folder() string           { return movesFolder + r.name + "/" }
func (r *record) object() string           { return r.folder() + "move.json" }
func (r *record) collections() string      { return r.folder() + "collections/" }
func (r *record) summary() string          { return r.folder() + "summary.md" }
func (r *record) outcomeOf(n Named) string { return r.collections() + n.String() + ".json" }

// read reads one document; sinks.ErrNotExist where there is none.
func (r *record) read(ctx context.Context, object string, into any) (checkpoint.Version, error) {
	text, version, err := r.store.Get(ctx, object)
	if err != nil {
		return "", fmt.Errorf("reading %s: %w", r.sink.URL(object), err)
	}
	var head struct{ Format int }
	if err := cmp.Or(document.Unmarshal(text, into), json.Unmarshal(text, &head)); err != nil {
		return version, fmt.Errorf("%s: %w: %w", r.sink.URL(object), checkpoint.ErrDamaged, err)
	}
	if head.Format > recordFormat {
		return version, fmt.Errorf("%s: %w: %d, and this migrate reads up to %d", r.sink.URL(object), checkpoint.ErrVersion, head.Format, recordFormat)
	}
	return version, nil
}

// swapTries bounds how often a document is written that another process writes too.
const swapTries = 5

// swap writes what change makes of a document, which reads what is there.
func (r *record) swap(ctx context.Context, object string, change func() (checkpoint.Version, any, error)) (err error) {
	for range swapTries {
		version, next, err := change()
		if err != nil || next == nil {
			return err
		}
		text, err := document.Marshal(next)
		if err != nil {
			return fmt.Errorf("encoding %s: %w", object, err)
		}
		if _, err = r.store.Put(ctx, object, version, text); !errors.Is(err, checkpoint.ErrConflict) {
			return wrapped(err, "writing "+r.sink.URL(object))
		}
	}
	return fmt.Errorf("writing %s: %w, again and again", r.sink.URL(object), checkpoint.ErrConflict)
}

func wrapped(err error, doing string) error {
	if err == nil {
		return nil
	}
	return fmt.Errorf("%s: %w", doing, err)
}

// call takes note that the move is called, and of what. ErrOther where it was begun with another source.
func (r *record) call(ctx context.Context, now Kept) error {
	return r.swap(ctx, r.object(), func() (checkpoint.Version, any, error) {
		var was Kept
		version, err := r.read(ctx, r.object(), &was)
		if err != nil && !errors.Is(err, sinks.ErrNotExist) {
			return "", nil, err
		}
		next := now
		if next.Started = now.Called; err == nil {
			next.Started = was.Started
		}
		if err == nil && was.Source != now.Source {
			return "", nil, fmt.Errorf("move %q: %w: source was %q and is %q", r.name, checkpoint.ErrOther, was.Source, now.Source)
		}
		return version, next, nil
	})
}

// outcome is what became of a collection; nil where nothing is known.
func (r *record) outcome(ctx context.Context, n Named) (*Outcome, error) {
	var k kept
	_, err := r.read(ctx, r.outcomeOf(n), &k)
	if errors.Is(err, sinks.ErrNotExist) {
		return nil, nil
	}
	return &k.Outcome, err
}

// forget has nothing be known of a collection.
func (r *record) forget(ctx context.Context, n Named) error {
	if r == nil {
		return nil
	}
	if err := r.store.Delete(ctx, r.outcomeOf(n)); err != nil {
		return fmt.Errorf("removing %s: %w", r.sink.URL(r.outcomeOf(n)), err)
	}
	return nil
}

// put takes note of what became of a collection. That it was moved stays, unless it is another one by now.
func (r *record) put(ctx context.Context, o Outcome) error {
	object := r.outcomeOf(o.Named)
	return r.swap(ctx, object, func() (checkpoint.Version, any, error) {
		var was kept
		version, err := r.read(ctx, object, &was)
		switch {
		case err != nil && !errors.Is(err, sinks.ErrNotExist) && !errors.Is(err, checkpoint.ErrDamaged):
			return "", nil, err
		case err == nil && was.State == Done && was.ID == o.ID && o.State != Done && o.State != Different:
			return "", nil, nil
		}
		return version, kept{recordFormat, o}, nil
	})
}

// outcomes are what became of the collections by now. One whose document is damaged counts as not moved: its jobs know better.
func (r *record) outcomes(ctx context.Context) (map[Named]Outcome, error) {
	all := map[Named]Outcome{}
	if r == nil {
		return all, nil
	}
	var objects []string
	for entry, err := range r.store.List(ctx, r.collections()) {
		if err != nil {
			return nil, fmt.Errorf("looking for what became of move %q: %w", r.name, err)
		}
		objects = append(objects, entry.Name)
	}
	found := make([]kept, len(objects))
	g, each := errgroup.WithContext(ctx)
	g.SetLimit(asked)
	for i, object := range objects {
		g.Go(func() error {
			_, err := r.read(each, object, &found[i])
			if errors.Is(err, checkpoint.ErrDamaged) || errors.Is(err, sinks.ErrNotExist) {
				found[i] = kept{}
				return nil
			}
			return err
		})
	}
	err := g.Wait()
	for _, k := range found {
		if k.Collection != "" {
			all[k.Named] = k.Outcome
		}
	}
	return all, err
}

// open begins to keep what becomes of the collections, where the move has a name, and what is loaded for the time being.
func (m *moving) open() (err error) {
	if m.Name != "" {
		m.record, err = recordOn(m.Sink, m.Name)
		m.loans = m.record
	} else if m.Loans != "" {
		m.loans, err = recordOn(m.Sink, m.Loans)
	}
	return err
}

// keep takes note of what is about to be moved.
func (m *moving) keep(ctx context.Context, all []*Planned) error {
	if m.record == nil {
		return nil
	}
	command, err := json.Marshal(m.Command)
	if err != nil {
		return fmt.Errorf("encoding what move %q is resumed by: %w", m.Name, err)
	}
	now := Kept{Format: recordFormat, Name: m.Name, Source: milvus.HostPort(m.Source.Address), Command: command, Collections: len(all), Called: time.Now().UTC()}
	for _, p := range all {
		now.Rows += p.Rows
	}
	return m.record.call(ctx, now)
}

// note takes note of an outcome.
func (m *moving) note(ctx context.Context, o *Outcome) error {
	if m.record == nil {
		return nil
	}
	return m.record.put(ctx, *o)
}

// movedBy is what became of a collection that another process has moved since it was looked at; nil where none has.
func (m *moving) movedBy(ctx context.Context, p *Planned) *Outcome {
	if m.record == nil {
		return nil
	}
	o, err := m.record.outcome(ctx, p.Named)
	if err != nil || o == nil || o.State != Done || !p.is(*o) || o.Ended.Equal(p.moved) {
		return nil
	}
	return o
}

// MoveStatus is how a move stands.
type MoveStatus struct {
	Kept
	Command json.RawMessage `json:"-"`
	By      map[State]int   `json:"by_state"` // collections that came to an end
	Moved   int64           `json:"rows_done"`
	// NotMoved are those whose rows are not on the target: failed, refused, or gone from the source meanwhile.
	NotMoved []Outcome `json:"failed,omitempty"`
}

// InWords is "3 done, 1 failed of 30 collections"; empty where none has ended.
func (s MoveStatus) InWords() string {
	words := inWords(func(state State) int { return s.By[state] })
	if words == "" {
		return ""
	}
	return fmt.Sprintf("%s of %d collections", words, s.Collections)
}

// Moves are those that are kept on a sink.
func Moves(ctx context.Context, sink sinks.Sink) (moves []MoveStatus, err error) {
	for info, err := range sinks.Level(ctx, sink, movesFolder) {
		if err != nil {
			return nil, fmt.Errorf("looking for moves on %s: %w", sink.URL(""), err)
		}
		name, folder := strings.CutSuffix(strings.TrimPrefix(info.Name, movesFolder), "/")
		if !folder {
			continue
		}
		s, err := statusOfMove(ctx, sink, name)
		if err != nil {
			return nil, err
		}
		moves = append(moves, s)
	}
	return moves, nil
}

func statusOfMove(ctx context.Context, sink sinks.Sink, name string) (s MoveStatus, err error) {
	r, err := recordOn(sink, name)
	if err != nil {
		return s, err
	}
	if s.Kept, err = KeptOf(ctx, sink, name); err != nil {
		return s, err
	}
	all, err := r.outcomes(ctx)
	s.By = map[State]int{}
	for _, o := range all {
		s.By[o.State]++
		if o.State == Done || o.State == Different {
			s.Moved += o.Rows
		} else {
			s.NotMoved = append(s.NotMoved, o)
		}
	}
	slices.SortFunc(s.NotMoved, func(a, b Outcome) int { return a.compare(b.Named) })
	return s, err
}

// KeptOf is what is kept of a move; sinks.ErrNotExist where there is none of that name.
func KeptOf(ctx context.Context, sink sinks.Sink, name string) (k Kept, err error) {
	r, err := recordOn(sink, name)
	if err != nil {
		return k, err
	}
	if _, err = r.read(ctx, r.object(), &k); errors.Is(err, sinks.ErrNotExist) {
		return k, fmt.Errorf("there is no move %q on %s; `migrate status` shows those that there are: %w", name, sink.URL(""), sinks.ErrNotExist)
	}
	return k, err
}

// RemoveMove removes what is kept of a move. Its jobs stay.
func RemoveMove(ctx context.Context, sink sinks.Sink, name string) error {
	r, err := recordOn(sink, name)
	if err != nil {
		return err
	}
	if _, err := KeptOf(ctx, sink, name); errors.Is(err, sinks.ErrNotExist) { // one that is damaged can be removed
		return err
	}
	for entry, err := range r.store.List(ctx, r.folder()) {
		if err == nil {
			err = r.store.Delete(ctx, entry.Name)
		}
		if err != nil {
			return fmt.Errorf("removing move %q: %w", name, err)
		}
	}
	return nil
}
