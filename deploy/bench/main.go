// Command bench measures how fast `migrate export` is beside the two readers that people use today: pymilvus'
// query_iterator and milvus-sdk-go's QueryIterator. All of them read the same collection from the lab's standalone, in
// turns, in one run; the medians count. It fails where migrate misses a goal.
//
// Then it holds the ways to read two other collections against each other: from the server's storage, by queries, and with those two
// readers; beside what the writer and the queries take alone.
//
// It also reads a collection of which half of the keys were inserted twice, in turns with the same one of single keys.
//
//	bench [--migrate BINARY] [--rows N] [--rounds N] [--shards N] [--quiet WAIT] [--only-duplicates] [--only-ways] [--shrink N]
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
	only   bool // duplicates
	ways   bool // only these
	shrink int
}

func main() {
	var s settings
	flag.StringVar(&s.binary, "migrate", "bin/migrate", "the binary to measure")
	flag.IntVar(&s.rows, "rows", 200_000, "documents in the collection, which is filled anew where it has another number")
	flag.IntVar(&s.rounds, "rounds", 5, "measured runs of each reader")
	flag.IntVar(&s.shards, "shards", 2, "shards of the collection; each answers a limited query with a share of its own")
	flag.DurationVar(&s.quiet, "quiet", 2*time.Minute, "how long to wait for the machine to be quiet")
	flag.BoolVar(&s.only, "only-duplicates", false, "measure only what duplicate keys cost")
	flag.BoolVar(&s.ways, "only-ways", false, "measure only the ways to read, from the storage, by queries and by others")
	flag.IntVar(&s.shrink, "shrink", 1, "read only 1/N of the rows of their collections, to try it out")
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
	switch {
	case flag.Arg(0) == "alone":
		return readAlone(ctx, l, flag.Args()[1:])
	case s.only:
		return duplicates(ctx, l, s)
	case s.ways:
		return ways(ctx, l, s)
	}
	if err := beside(ctx, l, s); err != nil {
		return err
	}
	if err := ways(ctx, l, s); err != nil {
		return err
	}
	return duplicates(ctx, l, s)
}

// dim is how wide the vectors are, where that does not matter.
const dim = 384

// beside measures migrate beside the other readers.
func beside(ctx context.Context, l *lab.Lab, s settings) error {
	all := documents{collection: "bench_documents", rows: s.rows, dim: dim, shards: s.shards}
	server, err := all.prepare(ctx, lab.Standalone)
	if err != nil {
		return err
	}
	readers, err := newReaders(ctx, l, s.binary, all)
	if err != nil {
		return err
	}
	if err := waitQuiet(ctx, s.quiet); err != nil {
		return err
	}
	before := load()
	if err := measure(ctx, l, readers, s.rounds); err != nil {
		return err
	}
	fmt.Printf("\n%s of Milvus %s on one machine with it, medians of %d rounds, load average %s before\n\n",
		all, server, s.rounds, before)
	return report(os.Stdout, readers, s.rows)
}

// rows of the collections that show what duplicate keys cost, and how many times as long as without them an export may take.
const (
	singleRows     = 100_000
	doubledRows    = 50_000
	duplicatesGoal = 2
)

// duplicates measures migrate with a collection of which half of the keys were inserted twice, beside one in which each is single.
func duplicates(ctx context.Context, l *lab.Lab, s settings) error {
	var readers []*reader
	for _, d := range []documents{
		{collection: "bench_single", rows: singleRows, dim: dim, shards: s.shards},
		{collection: "bench_doubled", rows: singleRows, again: doubledRows, dim: dim, shards: s.shards},
	} {
		if _, err := d.prepare(ctx, lab.Standalone); err != nil {
			return err
		}
		r, err := newMigrate(s.binary, d)
		if err != nil {
			return err
		}
		r.name = fmt.Sprintf("migrate export, %d keys, %d of them twice", d.rows, d.again)
		readers = append(readers, r)
	}
	if err := measure(ctx, l, readers, s.rounds); err != nil {
		return err
	}
	ratio := median(readers[1].rounds).Seconds() / median(readers[0].rounds).Seconds()
	fmt.Printf("\n%d duplicate keys: %.3f s against %.3f s, %.2f times as long, goal %d\n",
		doubledRows, median(readers[1].rounds).Seconds(), median(readers[0].rounds).Seconds(), ratio, duplicatesGoal)
	if ratio > duplicatesGoal {
		return fmt.Errorf("an export with duplicate keys takes %.2f times as long, and the goal is %d", ratio, duplicatesGoal)
	}
	return nil
}

// measure has every reader read in turns, each round beginning with another one. Each reads twice, and the second time counts:
// whoever comes after another one pays for what that left of the server's memory, and for what the machine took back meanwhile.
func measure(ctx context.Context, l *lab.Lab, readers []*reader, rounds int) error {
	for round := range rounds {
		for i := range readers {
			r := readers[(round+i)%len(readers)]
			if _, err := r.measure(ctx); err != nil {
				return err
			}
			if err := r.round(ctx, l); err != nil {
				return err
			}
			fmt.Printf("round %d  %-*s %8.3f s\n", round+1, nameWidth(readers), r.name, r.rounds[round].Seconds())
		}
	}
	return nil
}
