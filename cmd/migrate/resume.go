package main

import (
	"cmp"
	"fmt"
	"slices"
	"strconv"

	"github.com/spf13/cobra"

	"migrate/checkpoint"
	"migrate/exporter"
	"migrate/importer"
	"migrate/internal/move"
)

func newResume() *cobra.Command {
	return command("resume", "Resume a job that was interrupted, on this machine or another",
		`Resumes the export and the imports of a job that were interrupted or have failed. What they were begun with is read
from their checkpoints on the sink and on the staging store; logins are given as for the commands themselves, and a target
too, since a cluster has several addresses.`,
		`  migrate resume --job rag_documents --sink-url s3://exports/milvus --sink-endpoint minio:9000
  migrate resume --job rag_documents --sink-url s3://exports/milvus --sink-endpoint minio:9000 \
      --target-address cluster:19530 --staging-url s3://a-bucket/staging`,
		slices.Concat(sourceSettings, storageSettings, targetSettings, sinkSettings, stagingSettings,
			[]setting{jobName, schemaSetting, workers, loadSetting, allowUnreadable, jobs, intoExisting, force}),
		runResume)
}

func runResume(cmd *cobra.Command, c config) error {
	if err := require("job", c.Job); err != nil {
		return err
	}
	stores, err := c.jobStores(cmd.Context())
	if err != nil {
		return err
	}
	left, err := move.Unfinished(cmd.Context(), stores, c.Job)
	if err != nil {
		return err
	}
	for _, j := range left {
		if err := resume(cmd, c, j); err != nil {
			return err
		}
	}
	return nil
}

// resume gives the command again that a job was begun with.
func resume(cmd *cobra.Command, c config, j checkpoint.Job) error {
	switch j.Kind {
	case checkpoint.Export:
		p, err := exporter.ParamsOf(j)
		if err != nil {
			return err
		}
		c.Source.Address = cmp.Or(c.Source.Address, p.Source)
		c.Source.Read = cmp.Or(p.Read, readQuery)
		c.Source.Database, c.Collection, c.PartSize = p.Database, p.Collection, strconv.FormatInt(p.PartBytes, 10)
		return runExport(cmd, c)
	case checkpoint.Import:
		p, err := importer.ParamsOf(j)
		if err != nil {
			return err
		}
		c.Parquet = cmp.Or(c.Parquet, p.Folder)
		c.Target.Database, c.As, c.KeepIDs, c.NewKeys, c.Index = p.Database, p.Collection, p.KeepIDs, p.NewKeys, p.IndexTypes
		c.Via = string(cmp.Or(p.Via, importer.Bulk))
		return runImport(cmd, c)
	}
	return fmt.Errorf("resuming job %q: %s", j.Name, j.Error)
}
