package main

import (
	"fmt"
	"io"
	"slices"

	"github.com/spf13/cobra"

	"migrate/internal/move"
)

func newDoctor() *cobra.Command {
	return command("doctor", "Try source, target and stores for real, before a move",
		`Logs in to the servers that are given, compares their clocks with this machine's, and runs the contract that migrate relies
on against the sink and the staging store: it writes, reads, lists and deletes about 190 MiB under a name of its own. Looks
at the space left in a folder, for the collection if one is given, and at this process' limits. Tries the rights that a move
of that collection needs: on the source it reads and flushes it, and on the target, if the name is free there, it makes a
collection of one row and removes it. Says what to mend, and fails if anything has to be.`,
		`  migrate doctor --source-address standalone:19530 --target-address cluster:19530 \
      --sink-url s3://exports/milvus --sink-endpoint minio:9000 --staging-url s3://a-bucket/staging`,
		slices.Concat(sourceSettings, targetSettings, sinkSettings, stagingSettings, []setting{collection, asSetting}),
		runDoctor)
}

func runDoctor(cmd *cobra.Command, c config) error {
	ctx := cmd.Context()
	found := c.doctor().Examine(ctx)
	if err := ctx.Err(); err != nil {
		return err
	}
	for i, f := range found {
		if f.Err != nil {
			found[i].Found = explain(f.Err)
		}
	}
	err := c.print(cmd.OutOrStdout(), found, func(w io.Writer) {
		for _, f := range found {
			fmt.Fprintf(w, "%-5s %s: %s\n", map[bool]string{true: "MEND", false: "ok"}[f.Bad], f.What, f.Found)
		}
	})
	if err == nil && slices.ContainsFunc(found, func(f move.Finding) bool { return f.Bad }) {
		return errUnfit
	}
	return err
}

func (c config) doctor() move.Doctor {
	d := move.Doctor{
		Source: c.Source.milvus(), Target: c.Target.milvus(), Collection: c.Collection, As: c.As,
		Sink: move.Store{URL: c.Sink.URL, S3: c.Sink.s3()},
	}
	if s := c.stagingStore(); s.Endpoint != "" {
		d.Staging = move.Store{URL: s.URL, S3: s.s3()}
	}
	return d
}

var errUnfit = fmt.Errorf("not everything is fit for a move; see above")
