package main

import (
	"cmp"
	"fmt"
	"io"
	"slices"
	"time"

	"github.com/spf13/cobra"

	"migrate/internal/milvus"
	"migrate/internal/move"
)

func newDiff() *cobra.Command {
	return command("diff", "Say in what two servers differ, but for their rows",
		`Compares databases and their properties, collections (fields, properties, indexes, partitions, aliases, what is loaded and in how many
replicas, shards, consistency level), and, of whole servers, users, roles, grants and privilege groups. A line a difference; nothing, and
exit code 0, where there is none; 3 where there are some. What can't be compared is told apart, on standard error; where that is for a
missing right, the exit code is 1. Rows are for `+"`migrate verify`"+`.

Without a selection it compares all. Passwords are told by no server, and not compared.`,
		`  migrate diff --source-address standalone:19530 --target-address cluster:19530
  migrate diff --source-address standalone:19530 --target-address cluster:19530 --database 'news*' --exclude '*_old'
  migrate diff --source-address standalone:19530 --target-address cluster:19530 --collection rag_documents --as documents`,
		slices.Concat(sourceSettings, targetSettings, selectionSettings, []setting{collection, asSetting, indexTypes}), runDiff)
}

// diffResult is what --json prints.
type diffResult struct {
	*move.DiffReport
	usage
}

func runDiff(cmd *cobra.Command, c config) error {
	ctx, started := cmd.Context(), time.Now()
	d, err := c.diff()
	if err != nil {
		return err
	}
	if d.Source, err = connectSource(ctx, c); err != nil {
		return err
	}
	defer d.Source.Close()
	if d.Target, err = connectTarget(ctx, c); err != nil {
		return err
	}
	defer d.Target.Close()
	report, err := d.Compare(ctx)
	if err != nil {
		return err
	}
	r := diffResult{report, usageSince(started)}
	for _, t := range report.NotCompared {
		fmt.Fprintln(cmd.ErrOrStderr(), "not compared:", t)
	}
	if err := c.print(cmd.OutOrStdout(), r, r.text); err != nil {
		return err
	}
	return report.Err()
}

// diff is what is to be compared: all, unless something is said of it. One collection may have another name on the target, and one database
// too.
func (c config) diff() (d move.Diff, err error) {
	if d.Selection, err = c.selection(); err != nil {
		return d, err
	}
	if !c.selects() && c.Collection == "" && c.Source.Database == "" && c.Target.Database == "" {
		d.Selection.All = true
	}
	if c.As != "" && (c.selects() || c.Collection == "") {
		return d, usageError{fmt.Errorf("as %q: it is the name of one collection, which --collection names", c.As)}
	}
	types, err := c.indexTypes()
	if err != nil {
		return d, err
	}
	d.IndexTypes = func(move.Named) map[string]string { return types }
	specials, err := c.specials()
	switch {
	case err != nil:
		return d, err
	case c.selects():
		d.As, d.Partitions = c.moved, c.partitionsOf
		d.IndexTypes = func(n move.Named) map[string]string {
			for _, s := range specials {
				if s.Named == n && len(s.IndexTypes) > 0 {
					return s.IndexTypes
				}
			}
			return types
		}
	case !d.Selection.All:
		d.As = c.one
	}
	return d, nil
}

// one is what the collection that is named, or one of the database that is named, is called on the target.
func (c config) one(n move.Named) move.Named {
	n.Database = c.Target.Database
	if n.Database == milvus.DefaultDatabase {
		n.Database = ""
	}
	if n.Collection == c.Collection {
		n.Collection = cmp.Or(c.As, n.Collection)
	}
	return n
}

func (r diffResult) text(w io.Writer) {
	for _, t := range r.Differences {
		fmt.Fprintln(w, t)
	}
}
