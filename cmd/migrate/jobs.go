package main

import (
	"context"
	"errors"
	"fmt"
	"slices"

	"github.com/spf13/cobra"

	"migrate/checkpoint"
	"migrate/internal/milvus"
	"migrate/internal/move"
)

func newJobs() *cobra.Command {
	return group("jobs", "Manage the jobs", newRemove(), newRebuild())
}

func newRemove() *cobra.Command {
	return command("rm", "Remove a job, with all that it wrote to the sink",
		`Removes an export from the sink: its checkpoint, its parts, and its manifest; and an import's checkpoint from the staging
store. A complete export, and a job that was cut over, are removed with --force only. What was imported into a target stays; of an
import by inserts that was killed, --target-address has the alias dropped that it wrote by. With --all, --database, --collection or
--exclude it is the jobs of all collections that are meant; with --move what is kept of a move of many, but none of its jobs.`,
		`  migrate jobs rm --job rag_documents
  migrate jobs rm --database 'news*'`,
		slices.Concat(sinkSettings, stagingSettings, targetSettings, selectionSettings, []setting{collection, moveName, jobName, force}),
		runRemove)
}

func runRemove(cmd *cobra.Command, c config) error {
	if cmd.Flags().Changed(moveName.key) {
		return removeMove(cmd, c)
	}
	names, err := c.jobNames(cmd.Context())
	if err != nil {
		return err
	}
	var failed []error
	for _, name := range names {
		c.Job = name
		failed = append(failed, removeOne(cmd, c))
	}
	return errors.Join(failed...)
}

// jobNames are the jobs that are meant: one that is named, or those of the collections that are.
func (c config) jobNames(ctx context.Context) ([]string, error) {
	if c.Job != "" || !c.selects() && c.Collection == "" {
		return []string{c.Job}, require("job", c.Job)
	}
	selection, err := c.selection()
	if err != nil {
		return nil, err
	}
	stores, err := c.jobStores(ctx)
	if err != nil {
		return nil, err
	}
	all, err := move.Statuses(ctx, stores, "")
	var names []string
	for _, j := range all {
		if selection.MeansJob(j.Job) {
			names = append(names, j.Job)
		}
	}
	slices.Sort(names)
	return slices.Compact(names), err
}

func removeMove(cmd *cobra.Command, c config) error {
	sink, err := openSink(cmd.Context(), c)
	if err == nil {
		err = move.RemoveMove(cmd.Context(), sink, c.Move)
	}
	if err == nil {
		fmt.Fprintf(cmd.OutOrStdout(), "removed what was kept of move %s; its jobs stay\n", c.Move)
	}
	return err
}

func removeOne(cmd *cobra.Command, c config) error {
	stores, err := c.jobStores(cmd.Context())
	if err != nil {
		return err
	}
	removal := move.Removal{Job: c.Job, Force: c.Force}
	if c.Target.Address != "" {
		removal.Target = func(ctx context.Context, database string) (*milvus.Server, error) {
			c.Target.Database = database
			return connectTarget(ctx, c)
		}
	}
	if err := move.Remove(cmd.Context(), stores, removal); err != nil {
		return err
	}
	fmt.Fprintf(cmd.OutOrStdout(), "removed job %s\n", c.Job)
	return nil
}

func newRebuild() *cobra.Command {
	return command("rebuild", "Make a checkpoint anew that is damaged or lost",
		`Makes the damaged checkpoint of a job anew from its plan and what was recorded of its parts. Of an export only those that
are whole on the sink, by their SHA-256, count as done. A sync compares all rows again; its certificates tell which side
serves. Give the same export, import or sync command afterwards. With --all, --database, --collection or --exclude it is the jobs of all
collections that are meant.`,
		`  migrate jobs rebuild --job rag_documents
  migrate jobs rebuild --all`,
		slices.Concat(sinkSettings, stagingSettings, selectionSettings, []setting{collection, jobName}),
		runRebuild)
}

func runRebuild(cmd *cobra.Command, c config) error {
	names, err := c.jobNames(cmd.Context())
	if err != nil {
		return err
	}
	stores, err := c.jobStores(cmd.Context())
	if err != nil {
		return err
	}
	var failed []error
	undamaged := 0
	for _, name := range names {
		rebuilt, err := move.Rebuild(cmd.Context(), stores, name)
		for _, r := range rebuilt {
			fmt.Fprintln(cmd.OutOrStdout(), "made the checkpoint of", rebuiltText(r))
		}
		if errors.Is(err, move.ErrUndamaged) && c.Job == "" { // as of most of many
			undamaged++
			continue
		}
		failed = append(failed, err)
	}
	if c.Job == "" {
		fmt.Fprintf(cmd.OutOrStdout(), "%d of %d jobs have no checkpoint that is damaged or lost\n", undamaged, len(names))
	}
	return errors.Join(failed...)
}

func rebuiltText(r move.Rebuilt) string {
	switch {
	case r.Kind != checkpoint.Sync:
		return fmt.Sprintf("%s %q anew: %d of %d parts (%d rows) are done", r.Kind, r.Name, r.Done, r.Parts, r.Rows)
	case !r.Certified:
		return fmt.Sprintf("sync %q anew: there is no certificate of a cutover, so the source is taken to serve; all rows are compared again", r.Name)
	}
	return fmt.Sprintf("sync %q anew: by the newest certificate the %s serves; all rows are compared again", r.Name, r.Serving)
}
