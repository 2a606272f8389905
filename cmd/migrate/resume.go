package main

import (
	"fmt"
	"slices"

	"github.com/spf13/cobra"

	"migrate/checkpoint"
)

func newResume() *cobra.Command {
	return command("resume", "Go on with a job that was interrupted, on this machine or another",
		`Goes on with the export and the imports of a job that were interrupted or have failed. What they were begun with is read
from their checkpoints on the sink and on the staging store; logins are given as for the commands themselves, and a target
too, since a cluster has several addresses.`,
		`  migrate resume --job rag_documents --sink-url s3://exports/milvus --sink-endpoint minio:9000
  migrate resume --job rag_documents --sink-url s3://exports/milvus --sink-endpoint minio:9000 \
      --target-address cluster:19530 --staging-url s3://a-bucket/staging`,
		slices.Concat(sourceSettings, targetSettings, sinkSettings, stagingSettings,
			[]setting{jobName, workers, loadSetting, allowUnreadable, jobs, intoExisting, force}),
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
	known, resumed := 0, 0
	for _, store := range stores {
		found, err := checkpoint.List(cmd.Context(), store)
		if err != nil {
			return err
		}
		for _, j := range found {
			if j.Name != c.Job {
				continue
			}
			known++
			if j.State == checkpoint.Done || j.Kind == checkpoint.Sync {
				continue
			}
			if err := resume(cmd, c, j); err != nil {
				return err
			}
			resumed++
		}
	}
	if known == 0 {
		return noJob(c.Job)
	}
	if resumed == 0 {
		return fmt.Errorf("nothing of job %q is left to be done; `migrate status` shows the jobs", c.Job)
	}
	return nil
}

func noJob(name string) error {
	return fmt.Errorf("there is no job %q here; `migrate status` shows the jobs of a sink and a staging store", name)
}

// resume gives the command again that a job was begun with.
func resume(cmd *cobra.Command, c config, j checkpoint.Job) error {
	switch j.Kind {
	case checkpoint.Export:
		if c.Source.Address == "" {
			c.Source.Address = j.Params[checkpoint.SourceAddress]
		}
		c.Source.Database, c.Collection, c.PartSize = j.Params["database"], j.Params["collection"], j.Params["part size"]
		return runExport(cmd, c)
	case checkpoint.Import:
		c.Target.Database, c.As, c.KeepIDs = j.Params["database"], j.Params["collection"], j.Params["keep ids"] == "true"
		return runImport(cmd, c)
	}
	return fmt.Errorf("going on with job %q: %s", j.Name, j.Error)
}
