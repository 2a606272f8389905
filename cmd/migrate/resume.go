package main

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strconv"

	"github.com/spf13/cobra"

	"migrate/checkpoint"
	"migrate/exporter"
	"migrate/importer"
	"migrate/internal/model"
	"migrate/internal/move"
)

func newResume() *cobra.Command {
	return command("resume", "Resume a job that was interrupted, on this machine or another",
		`Resumes the export and the imports of a job that were interrupted or have failed. What they were begun with is read
from their checkpoints on the sink and on the staging store; logins are given as for the commands themselves, and a target
too, since a cluster has several addresses. With --all, --database, --collection or --exclude it is the jobs of all collections that are
meant, one after the other; with --move a move of many, of which what is left is moved.`,
		`  migrate resume --job rag_documents --sink-url s3://exports/milvus --sink-endpoint minio:9000
  migrate resume --job rag_documents --sink-url s3://exports/milvus --sink-endpoint minio:9000 \
      --target-address cluster:19530 --staging-url s3://a-bucket/staging
  migrate resume --move move --source-address standalone:19530 --target-address cluster:19530 \
      --sink-url s3://exports/milvus --sink-endpoint minio:9000 --staging-url s3://a-bucket/staging`,
		slices.Concat(sourceSettings, storageSettings, targetSettings, sinkSettings, stagingSettings, selectionSettings, syncSettings,
			[]setting{collection, moveName, atOnce, jobName, schemaSetting, workers, loadSetting, allowUnreadable, jobs, intoExisting, force}),
		runResume)
}

func runResume(cmd *cobra.Command, c config) error {
	if cmd.Flags().Changed(moveName.key) {
		return resumeMove(cmd, c)
	}
	left, err := c.unfinished(cmd.Context())
	if err != nil {
		return err
	}
	if len(left) == 0 {
		fmt.Fprintln(cmd.ErrOrStderr(), "nothing of what is meant is left to be done")
	}
	var failed []error
	for _, j := range left {
		failed = append(failed, resume(cmd, c.alone(), j))
		if cmd.Context().Err() != nil {
			break
		}
	}
	return errors.Join(failed...)
}

// unfinished are the jobs that are to be resumed: those of one name, or of the collections that are meant.
func (c config) unfinished(ctx context.Context) ([]checkpoint.Job, error) {
	stores, err := c.jobStores(ctx)
	if err != nil {
		return nil, err
	}
	if c.Job == "" && (c.selects() || c.Collection != "") {
		selection, err := c.selection()
		if err != nil {
			return nil, err
		}
		return move.UnfinishedOf(ctx, stores, selection)
	}
	if err := require("job", c.Job); err != nil {
		return nil, err
	}
	return move.Unfinished(ctx, stores, c.Job)
}

// alone is the configuration of one collection, whatever is selected beside.
func (c config) alone() config {
	c.All, c.Databases, c.Collections, c.Exclude, c.Moves = false, nil, nil, nil, nil
	return c
}

// resumeMove gives the command again that a move was called with.
func resumeMove(cmd *cobra.Command, c config) error {
	sink, err := openSink(cmd.Context(), c)
	if err != nil {
		return err
	}
	kept, err := move.KeptOf(cmd.Context(), sink, c.Move)
	if err != nil {
		return err
	}
	c.movedAgain = movedAgain{}
	if err := json.Unmarshal(kept.Command, &c.movedAgain); err != nil {
		return fmt.Errorf("reading what move %q was called with: %w: %w", c.Move, checkpoint.ErrDamaged, err)
	}
	c.Source.Address = cmp.Or(c.Source.Address, kept.Source)
	return c.runMany(cmd)
}

// resume gives the command again that a job was begun with.
func resume(cmd *cobra.Command, c config, j checkpoint.Job) error {
	c.Job = j.Name
	switch j.Kind {
	case checkpoint.Export:
		p, err := exporter.ParamsOf(j)
		if err != nil {
			return err
		}
		c.Source.Address = cmp.Or(c.Source.Address, p.Source)
		c.Source.Read = cmp.Or(p.Read, readQuery)
		c.Source.Database, c.Collection, c.PartSize = p.Database, p.Collection, strconv.FormatInt(p.PartBytes, 10)
		c.partitions = p.Partitions
		return runExport(cmd, c)
	case checkpoint.Import:
		p, err := importer.ParamsOf(j)
		if err != nil {
			return err
		}
		if c.described, err = describedBy(j); err != nil {
			return err
		}
		c.Parquet = cmp.Or(c.Parquet, p.Folder)
		c.Target.Database, c.As, c.KeepIDs, c.NewKeys, c.Index = p.Database, p.Collection, p.KeepIDs, p.NewKeys, p.IndexTypes
		c.Via = string(cmp.Or(p.Via, importer.Bulk))
		return runImport(cmd, c)
	}
	return fmt.Errorf("resuming job %q: %s", j.Name, j.Error)
}

// describedBy is what an import says of the rows of a folder that others wrote; nil where it keeps nothing of the kind.
func describedBy(j checkpoint.Job) (*model.Collection, error) {
	var body importer.Body
	if err := j.Read(&body); err != nil || body.Collection == nil {
		return nil, err
	}
	return body.Collection.Milvus(), nil
}
