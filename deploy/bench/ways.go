package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"math"
	"os"
	"text/tabwriter"
	"time"

	"migrate/deploy/lab"
)

// shape is a collection that is read in every way. The slow readers read its first rows only.
type shape struct {
	name          string
	rows, dim     int
	sdk, pymilvus int // rows that these read
	rounds        int // at most
}

var shapes = []shape{
	{name: "bench_wide", rows: 100_000, dim: 384, sdk: 100_000, pymilvus: 50_000, rounds: 3},
	{name: "bench_many", rows: 1_000_000, dim: 64, sdk: 200_000, pymilvus: 50_000, rounds: 1},
}

// The goals of an export from the storage, beside one by queries: of its speed, which need not be more than the writer's, and of what
// the source does for it; and of the memory that each of the two takes.
const (
	fasterGoal = 2
	writerGoal = 0.9
	loadGoal   = 25
	memoryGoal = 512 << 20
)

// ways measures every way to read each shape, in turns.
func ways(ctx context.Context, l *lab.Lab, s settings) error {
	var missed []error
	for _, one := range shapes {
		d := documents{collection: one.name, rows: one.rows / s.shrink, dim: one.dim, shards: s.shards}
		server, err := d.prepare(ctx, lab.Standalone)
		if err != nil {
			return err
		}
		w, err := newCompared(ctx, l, s, d, one)
		if err != nil {
			return err
		}
		if err := waitQuiet(ctx, s.quiet); err != nil {
			return err
		}
		before := load()
		if err := w.measure(ctx, l, min(s.rounds, one.rounds)); err != nil {
			return err
		}
		fmt.Printf("\n%s of Milvus %s on one machine with it, medians of %d rounds, load average %s before\n\n",
			d, server, min(s.rounds, one.rounds), before)
		missed = append(missed, w.report(os.Stdout))
	}
	return errors.Join(missed...)
}

// compared are the ways to read one collection.
type compared struct {
	query, storage *reader // which are migrate's
	writer, floor  *reader // what bounds these two
	others         []*reader
	rest           float64 // of its processors, how many the server keeps busy by itself
}

func newCompared(ctx context.Context, l *lab.Lab, s settings, d documents, slow shape) (w compared, err error) {
	if w.query, err = newMigrate(s.binary, d, "--source-read", "query"); err != nil {
		return w, err
	}
	if w.storage, err = newMigrate(s.binary, d, "--source-read", "storage", "--source-storage-url", l.Storage("standalone")); err != nil {
		return w, err
	}
	w.query.name, w.storage.name = "migrate export by queries", "migrate export by storage"
	if w.writer, err = newAlone("writer", d, d.rows); err != nil {
		return w, err
	}
	if w.floor, err = newAlone("floor", d, d.rows); err != nil {
		return w, err
	}
	sdk, err := newAlone("sdk", d, slow.sdk/s.shrink)
	if err != nil {
		return w, err
	}
	pymilvus, err := newPymilvus(ctx, l, d, slow.pymilvus/s.shrink)
	w.others = []*reader{sdk, pymilvus}
	return w, err
}

func (w *compared) all() []*reader {
	return append([]*reader{w.query, w.storage, w.writer, w.floor}, w.others...)
}

// The server is watched at rest for idleFor: what it does then is not done for whoever reads. It has an index to build, and segments to compact,
// for some minutes after it was filled: then it is not at rest.
const (
	idleFor  = 10 * time.Second
	atRest   = 0.25 // of a processor
	mostBusy = 5 * time.Minute
)

func (w *compared) measure(ctx context.Context, l *lab.Lab, rounds int) error {
	for began := time.Now(); ; {
		idle, err := processors(l, func() error { return sleep(ctx, idleFor) })
		if err != nil {
			return err
		}
		if w.rest = idle.Seconds() / idleFor.Seconds(); w.rest < atRest {
			break
		}
		if time.Since(began) > mostBusy {
			return fmt.Errorf("the source keeps %.2f of a processor busy, though nobody reads", w.rest)
		}
	}
	return measure(ctx, l, w.all(), rounds)
}

func sleep(ctx context.Context, d time.Duration) error {
	select {
	case <-ctx.Done():
		return ctx.Err()
	case <-time.After(d):
		return nil
	}
}

// processors is how long the server was on the processors while something was done.
func processors(l *lab.Lab, do func() error) (time.Duration, error) {
	before, err := l.ProcessorTime("standalone")
	if err != nil {
		return 0, err
	}
	if err := do(); err != nil {
		return 0, err
	}
	after, err := l.ProcessorTime("standalone")
	return after - before, err
}

// rate is the rows a second of a reader.
func rate(r *reader) float64 { return float64(r.came) / median(r.rounds).Seconds() }

// load is what the server does for a reader's rows, in seconds of a processor: the least of all rounds, since whatever else it does only
// adds to it; and a hundredth, which is what it is told in, at least.
func (w *compared) load(r *reader) float64 {
	least := math.Inf(1)
	for i, work := range r.work {
		least = min(least, work.Seconds()-w.rest*r.rounds[i].Seconds())
	}
	return max(least, 0.01)
}

// report prints all of them, and each beside an export by queries. It is an error where a goal is missed.
func (w *compared) report(out io.Writer) error {
	table := tabwriter.NewWriter(out, 0, 0, 2, ' ', 0)
	fmt.Fprintln(table, "READER\tROWS\tSECONDS\tROWS/S\tOF QUERIES'\tSOURCE CPU S\tA ROW, OF QUERIES'\tPEAK MIB")
	perRow := func(r *reader) float64 { return w.load(r) / float64(r.came) }
	for _, r := range w.all() {
		fmt.Fprintf(table, "%s\t%d\t%.3f\t%.0f\t%.2f\t", r.name, r.came, median(r.rounds).Seconds(), rate(r), rate(r)/rate(w.query))
		if r == w.writer {
			fmt.Fprintf(table, "-\t-\t-\n") // it read the rows before
			continue
		}
		fmt.Fprintf(table, "%.2f\t%.3f\t%d\n", w.load(r), perRow(r)/perRow(w.query), r.memory>>20)
	}
	fmt.Fprintf(table, "\nat rest the source is busy for %.2f of a processor, which is not counted\n", w.rest)
	return errors.Join(table.Flush(), w.judge(out))
}

// judge says which goals are met.
func (w *compared) judge(out io.Writer) error {
	var missed []error
	say := func(met bool, format string, args ...any) {
		what := fmt.Sprintf(format, args...)
		fmt.Fprintf(out, "%s: %s\n", what, verdict(met))
		if !met {
			missed = append(missed, errors.New(what))
		}
	}
	faster, limit := rate(w.storage)/rate(w.query), rate(w.storage)/rate(w.writer)
	say(faster >= fasterGoal || limit >= writerGoal,
		"by storage it is %.2f times as fast as by queries, goal %d, or %.2f of the writer alone, goal %.1f", faster, fasterGoal, limit, writerGoal)
	lighter := w.load(w.query) / w.load(w.storage)
	say(lighter >= loadGoal, "the source does 1/%.0f of the work for it, goal 1/%d", lighter, loadGoal)
	for _, r := range []*reader{w.query, w.storage} {
		say(r.memory <= memoryGoal, "%s takes %d MiB of memory, goal %d", r.name, r.memory>>20, memoryGoal>>20)
	}
	return errors.Join(missed...)
}
