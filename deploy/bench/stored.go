package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"text/tabwriter"
	"time"

	"migrate/deploy/lab"
)

// The goals of an export from the storage, beside one by queries: of what the source does for it, and of memory.
const (
	loadGoal   = 25
	memoryGoal = 512 << 20
)

// stored measures exports from the storage beside those by queries, in turns: seconds, what the server does for them, and memory.
func stored(ctx context.Context, l *lab.Lab, s settings) error {
	d := documents{collection: "bench_documents", rows: s.rows, shards: s.shards}
	if _, err := d.prepare(ctx, lab.Standalone); err != nil {
		return err
	}
	var readers []*reader
	for _, flags := range [][]string{
		{"--source-read", "query"}, {"--source-read", "storage", "--source-storage-url", l.Storage("standalone")},
	} {
		r, err := newMigrate(s.binary, d, flags...)
		if err != nil {
			return err
		}
		r.name = "migrate export by " + flags[1]
		readers = append(readers, r)
	}
	if err := measure(ctx, readers, s.rounds); err != nil {
		return err
	}
	return reportStored(ctx, l, readers, s.rows)
}

// idleFor is how long the server is watched at rest: what it does then is not done for an export.
const idleFor = 10 * time.Second

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

// reportStored reads once more with each, between two looks at the server's time on the processors.
func reportStored(ctx context.Context, l *lab.Lab, readers []*reader, rows int) error {
	table := tabwriter.NewWriter(os.Stdout, 0, 0, 2, ' ', 0)
	fmt.Fprintln(table, "READER\tSECONDS\tROWS/S\tSOURCE CPU S\tPEAK MEMORY MIB")
	idle, err := processors(l, func() error { return sleep(ctx, idleFor) })
	if err != nil {
		return err
	}
	var took [2]time.Duration
	var missed []error
	for i, r := range readers {
		began := time.Now()
		if took[i], err = processors(l, func() error { _, err := r.measure(ctx); return err }); err != nil {
			return err
		}
		took[i] -= time.Duration(idle.Seconds() / idleFor.Seconds() * float64(time.Since(began)))
		fmt.Fprintf(table, "%s\t%.3f\t%.0f\t%.2f\t%d\n", r.name, r.median().Seconds(), float64(rows)/r.median().Seconds(), took[i].Seconds(), r.memory>>20)
		if r.memory > memoryGoal {
			missed = append(missed, fmt.Errorf("%s takes %d MiB of memory, and the goal is %d", r.name, r.memory>>20, memoryGoal>>20))
		}
	}
	faster := readers[0].median().Seconds() / readers[1].median().Seconds()
	lighter := took[0].Seconds() / max(took[1].Seconds(), 0.01)
	fmt.Fprintf(table, "\nfrom the storage it is %.2f times as fast, and the source does 1/%.0f of the work\tgoal 1/%d\t%s\n",
		faster, lighter, loadGoal, verdict(lighter, loadGoal))
	if lighter < loadGoal {
		missed = append(missed, fmt.Errorf("the source does 1/%.0f of the work for an export from its storage, and the goal is 1/%d", lighter, loadGoal))
	}
	return errors.Join(append(missed, table.Flush())...)
}
