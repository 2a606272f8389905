// Package drill takes parts of a running cluster away and gives them back, under a load of searches and inserts. It tells what
// clients felt of it, and whether any acknowledged row was lost.
package drill

import (
	"context"
	"errors"
	"fmt"
	"time"

	"golang.org/x/sync/errgroup"

	"migrate/internal/clock"
	"migrate/internal/milvus"
	"migrate/internal/model"
	"migrate/internal/ops/bench"
	"migrate/internal/source"
	"migrate/internal/source/query"
)

// Errors that a caller decides on.
var (
	// ErrLost: rows that were acknowledged are not there, or are there twice.
	ErrLost = errors.New("the acknowledged rows are not all there once")
	// ErrNotRecovered: calls went on failing after everything was given back.
	ErrNotRecovered = errors.New("calls did not become well again")
	// ErrNotWell: calls failed before anything was taken away.
	ErrNotWell = errors.New("calls failed before anything was taken away")
)

// A Plan is what is taken away, and under what load.
type Plan struct {
	Parts     []Part // one after the other
	Base      bench.Plan
	Inserters int
	Batch     int               // rows of an insert under way
	Settle    time.Duration     // how long the load has to be well before a part is taken away, and when it is back
	Away      time.Duration     // how long a part stays away
	Step      func(what string) // told what begins; may be nil
}

// Report is what came of it.
type Report struct {
	Address    string       `json:"address"`
	Version    string       `json:"version"`
	Collection string       `json:"collection"`
	Parts      []PartReport `json:"parts"`
	Rows       *Rows        `json:"rows"` // nil where not every key could be read
}

// Rows holds what was acknowledged against what is there, key by key.
type Rows struct {
	Acknowledged int64 `json:"acknowledged"`
	Lost         int64 `json:"lost"`       // acknowledged, and not there
	Doubled      int64 `json:"doubled"`    // there more than once, or under a key that nobody inserted
	Doubtful     int64 `json:"doubtful"`   // there, though their insert was not acknowledged
	Unanswered   int   `json:"unanswered"` // stretches of keys whose insert was not acknowledged
}

// PartReport is what was felt of one part.
type PartReport struct {
	Part     string        `json:"part"`
	Started  time.Duration `json:"started_ns"` // how long its start took, until the one who starts it says that it is well
	Searches Felt          `json:"searches"`
	Inserts  Felt          `json:"inserts"`
}

// Felt is what was felt of one kind of call.
type Felt struct {
	Before Phase `json:"before"`
	Away   Phase `json:"away"`
	Back   Phase `json:"back"`
	// Recovery is how long after the stop the last call failed, or the last time without an answer ended that was longer than a
	// second, and than twice the longest one before; 0 where neither was.
	Recovery time.Duration `json:"recovery_ns"`
}

// Bounds of waiting, and of giving a part back after an interruption.
const (
	patience     = 3 * time.Minute
	startTimeout = 3 * time.Minute
)

// Run carries the plan out on a server. Whatever happens, what was taken away is given back, and unless it was interrupted the
// rows are looked for.
func (p Plan) Run(ctx context.Context, cfg milvus.Config) (r *Report, err error) {
	p.step("a collection to search in")
	base, err := p.Base.Run(ctx, cfg)
	if err != nil {
		return nil, err
	}
	r = &Report{Address: base.Address, Version: base.Version, Collection: base.Collection}
	defer func() { err = errors.Join(err, bench.Drop(ctx, cfg, base.Collection)) }()
	cfg.RetryFor = time.Nanosecond // each call as it is, not what retries make of it
	l := &load{
		server: cfg, collection: base.Collection, vectors: p.Base.Vectors, searches: *p.Base.Searches, batch: p.Batch,
		searched: newFelt(), inserted: newFelt(), acked: []stretch{{0, base.Inserted.Rows}},
	}
	if err = p.underLoad(ctx, l, r); ctx.Err() != nil {
		return r, err
	}
	cfg.RetryFor = 0
	p.step("reading all keys")
	rows, unread := l.proved(ctx, cfg)
	if unread != nil {
		return r, errors.Join(err, unread)
	}
	if r.Rows = &rows; rows.Lost != 0 || rows.Doubled != 0 {
		err = errors.Join(err, ErrLost)
	}
	return r, err
}

func (p Plan) step(what string) {
	if p.Step != nil {
		p.Step(what)
	}
}

// underLoad does the parts in turn, with the load going on all the time.
func (p Plan) underLoad(ctx context.Context, l *load, r *Report) error {
	loadCtx, stop := context.WithCancel(ctx)
	var g errgroup.Group
	g.Go(func() error { return l.run(loadCtx, p.Inserters) })
	err := p.each(ctx, l, r)
	stop()
	return errors.Join(err, g.Wait())
}

func (p Plan) each(ctx context.Context, l *load, r *Report) error {
	for _, part := range p.Parts {
		done := PartReport{Part: part.String()}
		if err := p.settle(ctx, l, &done); err != nil {
			return fmt.Errorf("drill with %v: %w", part, err)
		}
		err := p.one(ctx, l, part, &done)
		r.Parts = append(r.Parts, done)
		if err != nil {
			return fmt.Errorf("drill with %v: %w", part, err)
		}
	}
	return nil
}

// settle watches the load for a while, and refuses to take anything away where it is not well.
func (p Plan) settle(ctx context.Context, l *load, r *PartReport) error {
	l.next(nil, nil)
	p.step("the load, with everything there")
	err := p.awaitWell(ctx, l)
	l.next(&r.Searches.Before, &r.Inserts.Before)
	for _, before := range []Phase{r.Searches.Before, r.Inserts.Before} {
		if before.Failed > 0 {
			return fmt.Errorf("%w: %s", ErrNotWell, before.Failure)
		}
	}
	l.searched.expect(r.Searches.Before.Gap)
	l.inserted.expect(r.Inserts.Before.Gap)
	return err
}

// one takes a part away, gives it back, and watches the load until it is well.
func (p Plan) one(ctx context.Context, l *load, part Part, r *PartReport) error {
	stopped := time.Now()
	err := p.away(ctx, l, part, r)
	if err == nil {
		err = p.awaitWell(ctx, l)
	}
	l.next(&r.Searches.Back, &r.Inserts.Back)
	r.Searches.Recovery, r.Inserts.Recovery = l.searched.recovered(stopped), l.inserted.recovered(stopped)
	return err
}

// away stops a part for a while, and starts it in any case.
func (p Plan) away(ctx context.Context, l *load, part Part, r *PartReport) error {
	p.step("without " + part.String())
	err := part.Stop(ctx)
	if err == nil {
		err = clock.Sleep(ctx, p.Away)
	}
	l.next(&r.Searches.Away, &r.Inserts.Away)
	p.step("with " + part.String() + " again")
	began := time.Now()
	startCtx, cancel := context.WithTimeout(context.WithoutCancel(ctx), startTimeout)
	defer cancel()
	err = errors.Join(err, part.Start(startCtx))
	r.Started = time.Since(began)
	return err
}

// awaitWell waits until no call has failed for a while, from now on.
func (p Plan) awaitWell(ctx context.Context, l *load) error {
	for began := time.Now(); ; {
		now := time.Now()
		if min(l.searched.wellFor(now), l.inserted.wellFor(now), now.Sub(began)) >= p.Settle {
			return nil
		}
		if now.Sub(began) > patience {
			return fmt.Errorf("%w within %v", ErrNotRecovered, patience)
		}
		if err := clock.Sleep(ctx, 100*time.Millisecond); err != nil {
			return err
		}
	}
}

// next ends the phase of both kinds of call.
func (l *load) next(searches, inserts *Phase) {
	now := time.Now()
	s, i := l.searched.next(now), l.inserted.next(now)
	if searches != nil {
		*searches, *inserts = s, i
	}
}

// proved reads every key that the server has, and holds them against those whose insert was acknowledged.
func (l *load) proved(ctx context.Context, cfg milvus.Config) (Rows, error) {
	rows := Rows{Unanswered: len(l.doubt)}
	server, err := milvus.Connect(ctx, cfg)
	if err != nil {
		return rows, err
	}
	defer server.Close()
	coll, err := server.Describe(ctx, l.collection)
	if err != nil {
		return rows, err
	}
	there, err := query.Open(ctx, server, coll)
	if err != nil {
		return rows, err
	}
	for _, s := range l.acked {
		rows.Acknowledged += s.rows
	}
	rows.Lost = rows.Acknowledged
	err = rows.countAll(ctx, there, l)
	return rows, err
}

// countAll reads every key that is there.
func (r *Rows) countAll(ctx context.Context, there source.Source, l *load) error {
	key := model.PrimaryKey(there.Collection().Schema).GetName()
	stream, err := there.Read(ctx, model.Chunk{Partition: model.AllPartitions}, key)
	if err != nil {
		return err
	}
	for k, err := range source.Keys(stream, key) {
		if err != nil {
			return err
		}
		switch {
		case among(l.acked, k.Int):
			r.Lost--
		case among(l.doubt, k.Int):
			r.Doubtful++
		default:
			r.Doubled++
		}
	}
	r.Doubled += stream.Findings().Duplicates.Rows
	return nil
}

// Check refuses a plan that can't be carried out.
func (p Plan) Check() error {
	if p.Inserters < 1 || p.Batch < 1 || p.Settle <= 0 || p.Away < 0 {
		return fmt.Errorf("%w: a drill takes an inserter, and a time to settle", bench.ErrPlan)
	}
	return p.Base.Check()
}

// Calls, Failed, Slowest and Gap are those from the stop on.
func (f Felt) Calls() int64           { return f.Away.Calls + f.Back.Calls }
func (f Felt) Failed() int64          { return f.Away.Failed + f.Back.Failed }
func (f Felt) Slowest() time.Duration { return max(f.Away.Latency.Most, f.Back.Latency.Most) }
func (f Felt) Gap() time.Duration     { return max(f.Away.Gap, f.Back.Gap) }
