package main

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"os"
	"slices"
	"time"

	"github.com/spf13/cobra"

	"migrate/internal/milvus"
	"migrate/internal/ops/bench"
)

func newBench() *cobra.Command {
	both := []setting{compare, keep, html}
	return group("bench", "Measure inserts and searches on a server, or on source and target side by side",
		command("insert", "Measure inserts",
			`Inserts random vectors into a collection of its own (migrate_bench_…) on the target, or on the source where no target is
given, and drops it again. Says how many vectors a second the server took in, over time. Inserts have no warm-up: the first
batch counts as all others do. --compare does the same to source and target, one after the other.`,
			`  migrate bench insert --target-address cluster:19530
  migrate bench insert --target-address cluster:19530 --rows 100000 --dim 768 --batch 5000 --inserters 4 --html insert.html
  migrate bench insert --source-address standalone:19530 --target-address cluster:19530 --compare`,
			slices.Concat(sourceSettings, targetSettings, insertSettings, both),
			func(cmd *cobra.Command, c config) error { return runBench(cmd, c, c.insertPlan()) }),
		command("search", "Measure searches",
			`Inserts as bench insert does, builds an index, loads, searches from several threads to warm up, and then measures: searches
a second, and the latency's mean, P50, P95 and P99. A search that fails is counted and not made again. With --compare the
same vectors are searched for on source and target, one after the other.`,
			`  migrate bench search --target-address cluster:19530
  migrate bench search --target-address cluster:19530 --rows 100000 --index IVF_FLAT --nprobe 32 --threads 20 --json
  migrate bench search --source-address standalone:19530 --target-address cluster:19530 --compare --html search.html`,
			slices.Concat(sourceSettings, targetSettings, insertSettings, searchSettings, both),
			func(cmd *cobra.Command, c config) error { return runBench(cmd, c, c.searchPlan()) }),
	)
}

// insertPlan is the test that the settings ask for; the seed is always the same, so that runs can be held against each other.
func (c config) insertPlan() bench.Plan {
	b := c.Bench
	return bench.Plan{
		Insertion: bench.Insertion{Vectors: bench.Vectors{Dim: b.Dim}, Rows: int64(b.Rows), Batch: b.Batch, Inserters: b.Inserters},
		Keep:      b.Keep,
	}
}

func (c config) searchPlan() bench.Plan {
	p, b := c.insertPlan(), c.Bench
	p.Searches = &bench.Searches{
		Vectors: p.Vectors, Index: bench.Index{Type: cmp.Or(c.Index, "HNSW"), EF: b.EF, NProbe: b.NProbe},
		Top: b.Top, Threads: b.Threads, Queries: b.Queries, WarmUp: b.WarmUp,
	}
	return p
}

func runBench(cmd *cobra.Command, c config, plan bench.Plan) error {
	if err := plan.Check(); err != nil {
		return usageError{err}
	}
	sides, err := c.benchSides()
	if err != nil {
		return err
	}
	if err := tryPage(c.Bench.HTML); err != nil {
		return err
	}
	report, err := benchAll(cmd.Context(), plan, sides)
	if len(report.Sides) == 0 {
		return err
	}
	return errors.Join(err, c.print(cmd.OutOrStdout(), report, report.Text), writePage(c.Bench.HTML, report))
}

// side is a server and what it is called.
type side struct {
	name string
	at   milvus.Config
}

// benchSides are the servers to test: the target, or the source where there is none, or both.
func (c config) benchSides() ([]side, error) {
	source, target := side{"source", c.Source.milvus()}, side{"target", c.Target.milvus()}
	switch {
	case c.Bench.Compare:
		err := errors.Join(require("source.address", c.Source.Address), require("target.address", c.Target.Address))
		return []side{source, target}, err
	case c.Target.Address == "" && c.Source.Address != "":
		return []side{source}, nil
	}
	return []side{target}, require("target.address", c.Target.Address)
}

// benchAll tests one side after the other. After a failure the report holds the sides before it: a test takes minutes.
func benchAll(ctx context.Context, plan bench.Plan, sides []side) (*bench.Report, error) {
	var bar steps
	defer bar.stop()
	plan.Progress = bar.add
	plan.Step = bar.announce
	report := bench.NewReport(plan, time.Now())
	for _, s := range sides {
		outcome, err := plan.Run(ctx, s.at)
		if err != nil {
			return report, fmt.Errorf("testing the %s: %w", s.name, err)
		}
		report.Add(s.name, outcome)
	}
	return report, nil
}

// tryPage makes sure before the tests that the page can be written, and leaves nothing that was not there.
func tryPage(name string) error {
	if name == "" {
		return nil
	}
	_, there := os.Stat(name)
	f, err := os.OpenFile(name, os.O_WRONLY|os.O_CREATE, 0o666)
	if err != nil {
		return fmt.Errorf("writing the report: %w", err)
	}
	err = f.Close()
	if errors.Is(there, os.ErrNotExist) {
		err = errors.Join(err, os.Remove(name))
	}
	return err
}

// writePage writes the report as a page, if a file is named.
func writePage(name string, report *bench.Report) error {
	if name == "" {
		return nil
	}
	f, err := os.Create(name)
	if err != nil {
		return fmt.Errorf("writing the report: %w", err)
	}
	return errors.Join(report.HTML(f), f.Close())
}
