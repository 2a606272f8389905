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

// reportStored reads once more with each, between two looks at the server's time on the processors.
func reportStored(ctx context.Context, l *lab.Lab, readers []*reader, rows int) error {
	table := tabwriter.NewWriter(os.Stdout, 0, 0, 2, ' ', 0)
	fmt.Fprintln(table, "READER\tSECONDS\tROWS/S\tSOURCE CPU S\tPEAK MEMORY MIB")
	var took [2]time.Duration
	var missed []error
	for i, r := range readers {
		before, err := l.ProcessorTime("standalone")
		if err != nil {
			return err
		}
		if _, err := r.measure(ctx); err != nil {
			return err
		}
		after, err := l.ProcessorTime("standalone")
		if err != nil {
			return err
		}
		took[i] = after - before
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
