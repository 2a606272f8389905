package main

import (
	"context"
	"errors"
	"fmt"
	"slices"

	"github.com/spf13/cobra"

	"migrate/checkpoint"
	"migrate/exporter"
	"migrate/sinks"
)

func newRebuild() *cobra.Command {
	return command("rebuild", "Make a damaged checkpoint anew",
		`Makes the damaged checkpoint of a job anew from the records that lie beside it. Of an export only parts that are whole on
the sink, by their SHA-256, count as done. Give the same export or import command afterwards.`,
		`  migrate jobs rebuild --job rag_documents`,
		slices.Concat(sinkSettings, stagingSettings, []setting{jobName}),
		runRebuild)
}

func runRebuild(cmd *cobra.Command, c config) error {
	if err := require("job", c.Job); err != nil {
		return err
	}
	stores, err := c.jobStores(cmd.Context())
	if err != nil {
		return err
	}
	rebuilt := 0
	for _, store := range stores {
		jobs, err := rebuild(cmd.Context(), store, c.Job)
		if err != nil {
			return err
		}
		for _, j := range jobs {
			parts, rows := j.Finished()
			fmt.Fprintf(cmd.OutOrStdout(), "made the checkpoint of %s %q anew: %d of %d parts (%d rows) are done\n", j.Kind, j.Name, parts, len(j.Parts), rows)
		}
		rebuilt += len(jobs)
	}
	if rebuilt == 0 {
		return fmt.Errorf("job %q has no damaged checkpoint; `migrate status` shows the jobs", c.Job)
	}
	return nil
}

// rebuild makes the damaged documents of a job on one store anew.
func rebuild(ctx context.Context, store sinks.Sink, job string) ([]*checkpoint.Job, error) {
	names, err := checkpoint.Documents(ctx, store, job)
	if err != nil {
		return nil, err
	}
	var rebuilt []*checkpoint.Job
	for _, name := range names {
		j, err := checkpoint.Rebuild(ctx, store, name, func(ctx context.Context, p checkpoint.Part) (bool, error) {
			return exporter.Whole(ctx, store, job, p.Part)
		})
		if errors.Is(err, checkpoint.ErrNotDamaged) {
			continue
		}
		if err != nil {
			return nil, err
		}
		rebuilt = append(rebuilt, j)
	}
	return rebuilt, nil
}
