// Command bench measures how fast `migrate export` is beside the two readers that people use today: pymilvus'
// query_iterator and milvus-sdk-go's QueryIterator. All of them read the same collection from the lab's standalone, in
// turns, in one run; the medians count. It fails where migrate misses a goal.
//
//	bench [--migrate BINARY] [--rows N] [--rounds N] [--shards N] [--quiet WAIT]
package main

import (
	"context"
	"flag"
	"fmt"
	"os"
	"os/signal"
	"time"

	"migrate/deploy/lab"
)

// settings are the command's flags.
type settings struct {
	binary string
	rows   int
	rounds int
	shards int
	quiet  time.Duration
}

func main() {
	var s settings
	flag.StringVar(&s.binary, "migrate", "bin/migrate", "the binary to measure")
	flag.IntVar(&s.rows, "rows", 200_000, "documents in the collection, which is filled anew where it has another number")
	flag.IntVar(&s.rounds, "rounds", 5, "measured runs of each reader")
	flag.IntVar(&s.shards, "shards", 2, "shards of the collection; each answers a limited query with a share of its own")
	flag.DurationVar(&s.quiet, "quiet", 2*time.Minute, "how long to wait for the machine to be quiet")
	flag.Parse()
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
	err := run(ctx, s)
	stop()
	if err != nil {
		fmt.Fprintln(os.Stderr, "bench:", err)
		os.Exit(1)
	}
}

func run(ctx context.Context, s settings) error {
	l, err := lab.Open(os.Getenv(lab.DirVariable)) // of which only the standalone has to run: the others' idling is noise
	if err != nil {
		return err
	}
	server, err := prepare(ctx, lab.Standalone, s.rows, s.shards)
	if err != nil {
		return err
	}
	readers, err := newReaders(ctx, l, s.binary, s.rows)
	if err != nil {
		return err
	}
	if err := waitQuiet(ctx, s.quiet); err != nil {
		return err
	}
	before := load()
	if err := measure(ctx, readers, s.rounds); err != nil {
		return err
	}
	fmt.Printf("\n%s of Milvus %s on one machine with it, medians of %d rounds, load average %s before\n\n",
		describe(s.rows, s.shards), server, s.rounds, before)
	return report(os.Stdout, readers, s.rows)
}

// measure has every reader read in turns, each round beginning with another one. Each reads twice, and the second time counts:
// whoever comes after another one pays for what that left of the server's memory, and for what the machine took back meanwhile.
func measure(ctx context.Context, readers []*reader, rounds int) error {
	for round := range rounds {
		for i := range readers {
			r := readers[(round+i)%len(readers)]
			if _, err := r.measure(ctx); err != nil {
				return err
			}
			took, err := r.measure(ctx)
			if err != nil {
				return err
			}
			r.rounds = append(r.rounds, took)
			fmt.Printf("round %d  %-*s %8.3f s\n", round+1, nameWidth(readers), r.name, took.Seconds())
		}
	}
	return nil
}
