// Package syncer brings a target collection in step with its source, again and again: it finds the keys whose rows may
// differ, looks at them a second time, and upserts or deletes them on the target. Nothing tells what changed on a Milvus
// server, so the keys are found by comparing ranges of them; that is one Finder, and there may be others.
package syncer

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"math"
	"time"

	"golang.org/x/time/rate"

	"migrate/checkpoint"
	"migrate/internal/clock"
	"migrate/internal/ingest"
	"migrate/internal/milvus"
	"migrate/internal/model"
	"migrate/internal/source"
	"migrate/sinks"
)

// Errors that a caller decides on.
var (
	// ErrSource: the source's collection is not the one that this sync began with, so that nothing of it may be applied.
	ErrSource = errors.New("the source is not what it was")
	// ErrTarget: the target's collection can't be kept in step.
	ErrTarget = errors.New("target unfit for sync")
	// ErrBase: nothing says that the target holds what the source held before.
	ErrBase = errors.New("the target was not filled yet")
	// ErrCursor: what was written can't be found by that field.
	ErrCursor = errors.New("no field to find by what was written")
	// ErrSwitched: the collection was switched to the target before, and nothing tells any more which side serves.
	ErrSwitched = errors.New("the collection was switched before")
	// ErrLate: the side that was left by a switch was written to after it. Nothing of that was undone.
	ErrLate = errors.New("written to after the switch")
	// ErrOver: the side that was left by a switch need not be kept in step any longer.
	ErrOver = errors.New("the way back is kept no longer")
	// ErrDeletes: more rows would be deleted on the target than may be in one cycle. Nothing was deleted beyond that.
	ErrDeletes = errors.New("too many rows to delete")
)

// Options of a sync. The zero value of everything but Job and Collection is useful.
type Options struct {
	Job        string // of the export that the target was filled from
	Collection string
	As         string     // the collection's name on the target; Collection where empty
	Base       sinks.Sink // where the checkpoint of the import lies
	BaseDone   bool       // the target was filled otherwise
	Create     bool       // make the collection on the target where it is not there, and fill it
	// IndexTypes are those that the indexes are to have on a target that is made, by field, in place of the source's.
	IndexTypes map[string]string

	Once          bool          // end when all that was written before is applied
	Interval      time.Duration // between two cycles; 30 s where zero
	FullScanEvery time.Duration // in which each range's rows are compared; 24 h where zero
	FlushEvery    time.Duration // between two flushes of a source that is written to all the time; 5 min where zero
	DescribeEvery time.Duration // in which both collections are described anew while nothing is written; 10 min where zero
	RangeRows     int64         // rows of one range; by the size of the collection where zero
	CycleRows     int64         // rows compared in one cycle, about; 1,000,000 where zero
	MaxRate       int           // rows a second read from the source; no limit where zero
	CursorField   string        // an INT64 or VARCHAR that grows with every insert and upsert, by which what was written is found
	SecondLook    time.Duration // after which a difference is looked at again; 300 ms where zero
	// HandOver bounds how long rows are counted again that the source counts otherwise though nothing was written; 30 s where zero. Milvus 2.3.5
	// was seen to show rows twice, and deleted ones, for 10 s after a compaction.
	HandOver    time.Duration
	MaxDelete   Limit // rows deleted on the target in one cycle; 10 % where zero
	DiscardLate bool  // after a switch: undo what was written to the side that was left

	// Changes opens what tells the keys that were written to the source, so that nothing else is compared; nil where nothing does.
	Changes source.ChangesOpener

	Writer ingest.Rows  // of the target; its server where nil
	Cycled func(Report) // told of each cycle that ended
	// MayBegin is asked before a sync begins that has no checkpoint yet, and refuses it by an error: ErrSwitched where a cutover is known
	// otherwise, so that the target may be the side that serves.
	MayBegin func(context.Context) error
}

func (o Options) withDefaults() Options {
	o.As = cmp.Or(o.As, o.Collection)
	o.Interval = cmp.Or(o.Interval, 30*time.Second)
	o.FullScanEvery = cmp.Or(o.FullScanEvery, 24*time.Hour)
	o.FlushEvery = cmp.Or(o.FlushEvery, 5*time.Minute)
	o.DescribeEvery = cmp.Or(o.DescribeEvery, 10*time.Minute)
	o.CycleRows = cmp.Or(o.CycleRows, 1_000_000)
	o.SecondLook = cmp.Or(o.SecondLook, 300*time.Millisecond)
	o.HandOver = cmp.Or(o.HandOver, 30*time.Second)
	o.MaxDelete = cmp.Or(o.MaxDelete, Limit{Share: 0.1})
	if o.MaxRate > 0 { // so that a cycle takes about an interval
		o.CycleRows = min(o.CycleRows, int64(float64(o.MaxRate)*o.Interval.Seconds())+1)
	}
	if o.Cycled == nil {
		o.Cycled = func(Report) {}
	}
	if o.MayBegin == nil {
		o.MayBegin = func(context.Context) error { return nil }
	}
	return o
}

// Report is what one cycle did.
type Report struct {
	Direction  string        `json:"direction"` // "source to target", or "target to source" after a switch
	Cycle      int64         `json:"cycle"`
	InStep     bool          `json:"in_step"`            // the two sides were proved equal
	By         string        `json:"found_by,omitempty"` // "storage" where the source told the keys that were written; "" where the sides were compared
	Settled    bool          `json:"settled"`            // all that was written before the cycle is on the target, and was seen there
	Lag        time.Duration `json:"-"`                  // since the time before which every write is on the target; negative where unknown
	Took       time.Duration `json:"-"`
	Ranges     int           `json:"ranges_compared"`  // by their rows
	Hot        int           `json:"ranges_differing"` // when they were last compared
	Read       int64         `json:"rows_read"`        // from the source
	Outcome                  // of the differences that were found
	Duplicates int64         `json:"doubled_keys"` // that have several rows on the source, as last seen
	// Unreadable are rows that either side counted and did not return, when the ranges were last looked at. They keep the two sides
	// from being in step.
	Unreadable int64 `json:"unreadable_rows"`
	// Described are the differences of all but the rows.
	Described model.Differences `json:"description_differences,omitempty"`
	Position  *Position         `json:"-"`
	Err       error             `json:"-"` // that ended the cycle

	comparing time.Duration // of Took, the rows of ranges
}

// byStorage is what a cycle's keys were found by where the source told them.
const byStorage = "storage"

// Outcome counts what became of keys that seemed to differ.
type Outcome struct {
	Inserted int64 `json:"rows_inserted"`
	Changed  int64 `json:"rows_changed"`
	Deleted  int64 `json:"rows_deleted"`
	Passed   int64 `json:"differences_passed"` // gone when they were looked at again
	Unsure   int64 `json:"-"`                  // rows said to be written that prove nothing: duplicate on the source, or not seen on the target

	written *keysFound // that were inserted or changed; nil where they are more than mostWritten
}

// keysFound are keys by partition.
type keysFound map[string][]model.Key

// Applied are the rows that were written or deleted.
func (o Outcome) Applied() int64 { return o.Inserted + o.Changed + o.Deleted }

func (o *Outcome) add(other Outcome) {
	o.Inserted += other.Inserted
	o.Changed += other.Changed
	o.Deleted += other.Deleted
	o.Passed += other.Passed
	o.Unsure += other.Unsure
	if o.Inserted+o.Changed > mostWritten {
		o.written = nil
		return
	}
	if other.written == nil {
		return
	}
	for p, keys := range *other.written {
		o.note(p, keys...)
	}
}

// note remembers keys that were inserted or changed.
func (o *Outcome) note(partition string, keys ...model.Key) {
	if o.written == nil {
		o.written = &keysFound{}
	}
	(*o.written)[partition] = append((*o.written)[partition], keys...)
}

// Run keeps the side that does not serve in step with the other until its context ends, or with Once until all is applied
// that was written before: the target with the source, and after a cutover the source with the target, until ErrOver. It resumes
// where an earlier run of the same job ended. model.ErrDiffers where Once ends with differences left.
func Run(ctx context.Context, source, target *milvus.Server, sink sinks.Sink, opts Options) error {
	s := begin(source, target, sink, opts)
	for {
		err := s.own(ctx, s.cycles)
		if ctx.Err() != nil || !s.takesAgain(err) {
			return err
		}
		slog.WarnContext(ctx, "the job was lost; it is taken again unless another process has it", "error", err)
		if err := clock.Sleep(ctx, s.opts.Interval); err != nil {
			return err
		}
	}
}

// takesAgain reports whether a job that was lost, as while its store was away, may be had again.
func (s *Sync) takesAgain(err error) bool {
	s.lost = s.lost || isLost(err)
	return isLost(err) || s.lost && s.job == nil && canPass(err)
}

// isLost reports whether a job is another's by now, or may be.
func isLost(err error) bool {
	return errors.Is(err, checkpoint.ErrLost) || errors.Is(err, checkpoint.ErrExpired)
}

// Sync is one under way, which this process owns.
type Sync struct {
	given          move
	source, target *milvus.Server // of the rows that are applied: after a switch they come from the move's target
	sink           sinks.Sink
	opts           Options // with the collections' names as they are on source and target
	limit          *rate.Limiter
	job            *checkpoint.Holder // nil where it could not be taken
	pos            *Position          // as the checkpoint has it; never changed in place
	lost           bool               // it was, at least once
	described      []string           // how the target is described otherwise, as was said last
	sizes          rowSizes           // as they were when both sides were in sync; no longer than nothing is written
	opened         *opened            // what a daemon's last cycle looked at, where both sides were in sync by what the source told; nil elsewhere
	doubts         doubts             // whether the source tells what was written to it
	kept           []byte             // the position of what tells changes, and all that is kept for it
	took           time.Duration      // by the last cycle that ended well, to find out what to compare
}

// move is what a sync was begun with, whichever way it goes.
type move struct {
	source, target *milvus.Server
	opts           Options
}

func begin(source, target *milvus.Server, sink sinks.Sink, opts Options) *Sync {
	return &Sync{given: move{source, target, opts.withDefaults()}, sink: sink, limit: newLimiter(opts.MaxRate)}
}

// face has the sync go from the side that serves to the other.
func (s *Sync) face(serving Side) {
	s.source, s.target, s.opts, s.sizes, s.opened = s.given.source, s.given.target, s.given.opts, rowSizes{}, nil
	if serving.Is(Target) {
		s.source, s.target = s.target, s.source
		s.opts.Collection, s.opts.As = s.opts.As, s.opts.Collection
	}
	if s.opts.Writer == nil {
		s.opts.Writer = s.target
	}
}

func newLimiter(rowsPerSecond int) *rate.Limiter {
	if rowsPerSecond <= 0 {
		return rate.NewLimiter(rate.Inf, math.MaxInt32)
	}
	return rate.NewLimiter(rate.Limit(rowsPerSecond), rowsPerSecond)
}

// oncePasses is how many cycles a single pass takes at most: one that finds and applies, one that sees what was applied,
// and one for what was written meanwhile. It takes more while rows are still to be compared and none differs.
const oncePasses = 3

func (s *Sync) cycles(ctx context.Context) error {
	began := time.Now()
	for pass := 1; ; pass++ {
		if err := s.over(ctx); err != nil {
			return err
		}
		r := s.Cycle(ctx)
		switch {
		case ctx.Err() != nil:
			return context.Cause(ctx)
		case r.Err != nil && (s.opts.Once || !canPass(r.Err)):
			return r.Err
		case s.opts.Once && (r.Settled || r.seenSince(began)):
			return nil
		case s.opts.Once && pass >= oncePasses && (r.Hot > 0 || r.Ranges == 0):
			return fmt.Errorf("after %d passes: %w: in %d ranges when they were last compared%s", pass, model.ErrDiffers, r.Hot, r.unread())
		case s.opts.Once:
			continue
		}
		if err := clock.Sleep(ctx, s.opts.Interval); err != nil {
			return err
		}
	}
}

// seenSince reports whether the rows of every range were found equal in cycles that began later.
func (r Report) seenSince(began time.Time) bool { return r.Hot == 0 && !r.Position.AsOf.Before(began) }

// over is ErrOver when a side that was left need not be kept in step any longer.
func (s *Sync) over(ctx context.Context) error {
	sw := s.Position().Switch
	if sw == nil || clock.Now(ctx).Before(sw.Until) || s.Position().Serving.Is(Source) {
		return nil
	}
	return fmt.Errorf("%w: it was until %s, as was said when %s became the one that serves",
		ErrOver, sw.Until.Local().Format(time.DateTime), s.source.Address)
}

// lasting are the errors that another cycle does not mend. All others may be a server or a store that is away, or a source
// that is not loaded yet: the sync waits and goes on.
var lasting = []error{
	ErrSource, ErrTarget, ErrBase, ErrLate, ErrSwitched, ErrCursor, milvus.ErrLogin, milvus.ErrPrivilege, sinks.ErrAccess,
	checkpoint.ErrLost, checkpoint.ErrExpired, checkpoint.ErrHeld, checkpoint.ErrOther, checkpoint.ErrVersion, checkpoint.ErrDamaged,
}

func canPass(err error) bool {
	for _, l := range lasting {
		if errors.Is(err, l) {
			return false
		}
	}
	return true
}

// unread says how many rows could not be compared.
func (r Report) unread() string {
	if r.Unreadable == 0 {
		return ""
	}
	return fmt.Sprintf(", of which %d rows are counted and never returned", r.Unreadable)
}

func (r Report) log(ctx context.Context) {
	if r.Err != nil {
		slog.ErrorContext(ctx, "sync cycle ended with an error", "cycle", r.Cycle, "lag", r.Lag.Round(time.Millisecond), "error", r.Err)
		return
	}
	slog.InfoContext(ctx, "sync cycle", "direction", r.Direction, "cycle", r.Cycle, "found_by", cmp.Or(r.By, "comparison"), "in_step", r.InStep, "lag", r.Lag.Round(time.Millisecond),
		"ranges", r.Ranges, "differing", r.Hot, "rows_read", r.Read, "inserted", r.Inserted, "changed", r.Changed, "deleted", r.Deleted,
		"passed", r.Passed, "doubled", r.Duplicates, "unreadable", r.Unreadable, "took", r.Took.Round(time.Millisecond))
}
