package main

import (
	"errors"
	"fmt"
	"io"
	"slices"
	"text/tabwriter"
	"time"
)

// report prints the medians, and migrate's beside each of the others'. It is an error where a goal is missed. The first
// reader is migrate.
func report(out io.Writer, readers []*reader, rows int) error {
	table := tabwriter.NewWriter(out, 0, 0, 2, ' ', 0)
	fmt.Fprintln(table, "READER\tSECONDS\tROWS/S\tFASTEST\tSLOWEST")
	for _, r := range readers {
		fmt.Fprintf(table, "%s\t%.3f\t%.0f\t%.3f\t%.3f\n", r.name, median(r.rounds).Seconds(), float64(rows)/median(r.rounds).Seconds(),
			slices.Min(r.rounds).Seconds(), slices.Max(r.rounds).Seconds())
	}
	fmt.Fprintln(table)
	var missed []error
	for _, r := range readers[1:] {
		ratio := median(r.rounds).Seconds() / median(readers[0].rounds).Seconds()
		fmt.Fprintf(table, "%.2f times as fast as %s\tgoal %.0f\t%s\n", ratio, r.name, r.goal, verdict(ratio >= r.goal))
		if ratio < r.goal {
			missed = append(missed, fmt.Errorf("migrate export is %.2f times as fast as %s, and the goal is %.0f", ratio, r.name, r.goal))
		}
	}
	return errors.Join(append(missed, table.Flush())...)
}

func verdict(met bool) string {
	if met {
		return "met"
	}
	return "MISSED"
}

func median(rounds []time.Duration) time.Duration {
	sorted := slices.Sorted(slices.Values(rounds))
	return (sorted[(len(sorted)-1)/2] + sorted[len(sorted)/2]) / 2
}

func nameWidth(readers []*reader) int {
	width := 0
	for _, r := range readers {
		width = max(width, len(r.name))
	}
	return width
}
