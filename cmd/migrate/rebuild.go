package main

import (
	"context"
	"errors"
	"fmt"
	"slices"

	"github.com/spf13/cobra"

	"migrate/checkpoint"
	"migrate/internal/cutover"
	"migrate/internal/export"
	"migrate/sinks"
)

func newRebuild() *cobra.Command {
	return command("rebuild", "Make a checkpoint anew that is damaged or lost",
		`Makes the damaged checkpoint of a job anew from the records that lie beside it. Of an export only parts that are whole on
the sink, by their SHA-256, count as done. A sync compares all rows again; its certificates tell which side serves. Give the
same export, import or sync command afterwards.`,
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
		said, err := rebuild(cmd.Context(), store, c.Job)
		if err != nil {
			return err
		}
		for _, text := range said {
			fmt.Fprintln(cmd.OutOrStdout(), "made the checkpoint of", text)
		}
		rebuilt += len(said)
	}
	if rebuilt == 0 {
		return fmt.Errorf("job %q has no checkpoint that is damaged or lost; `migrate status` shows the jobs", c.Job)
	}
	return nil
}

// rebuild makes the damaged documents of a job on one store anew, and says of each what it holds.
func rebuild(ctx context.Context, store sinks.Sink, job string) (said []string, err error) {
	names, err := checkpoint.Documents(ctx, store, job)
	if err != nil {
		return nil, err
	}
	switched, err := cutover.CertifiedCollections(ctx, store, job)
	if err != nil {
		return nil, err
	}
	for _, collection := range switched { // whose document may be lost
		if name := checkpoint.Name(checkpoint.Sync, job, collection); !slices.Contains(names, name) {
			names = append(names, name)
		}
	}
	for _, name := range names {
		text, err := rebuildOne(ctx, store, job, name)
		if errors.Is(err, checkpoint.ErrNotDamaged) {
			continue
		}
		if err != nil {
			return nil, err
		}
		said = append(said, text)
	}
	return said, nil
}

func rebuildOne(ctx context.Context, store sinks.Sink, job, name string) (string, error) {
	if collection, ok := checkpoint.SyncOf(name); ok {
		serving, proved, err := cutover.Rebuild(ctx, store, job, collection)
		if !proved {
			return fmt.Sprintf("sync %q anew: there is no certificate of a cutover, so the source is taken to serve; all rows are compared again", job), err
		}
		return fmt.Sprintf("sync %q anew: by the newest certificate the %s serves; all rows are compared again", job, serving), err
	}
	j, err := checkpoint.Rebuild(ctx, store, name, func(ctx context.Context, p checkpoint.Part) (bool, error) {
		return export.Whole(ctx, store, job, p.Part)
	})
	if err != nil {
		return "", err
	}
	parts, rows := j.Finished()
	return fmt.Sprintf("%s %q anew: %d of %d parts (%d rows) are done", j.Kind, j.Name, parts, len(j.Parts), rows), nil
}
