package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"migrate/internal/export"
	"migrate/internal/milvus"
	"migrate/internal/model"
	"migrate/internal/move"
	"migrate/internal/source"
	"migrate/internal/source/query"
	"migrate/internal/verify"
)

func newVerify() *cobra.Command {
	return command("verify", "Prove that source or export and target hold the same rows",
		`Compares counts, partitions, primary keys and a checksum over all columns (vectors by their bits), streamed from both
sides. Exits with 3 where they differ, and names the first keys that are missing, extra or different.

Of many, --load also has what is loaded in part loaded as a whole for the time being, on both sides, and given back as it was; what a call
that was killed could not give back, the next one of the same --move does.

What an import was told by --index is told here too: indexes of these types are no difference then.`,
		`  migrate verify --source-address standalone:19530 --target-address cluster:19530 --collection rag_documents
  migrate verify --from export --target-address cluster:19530 --collection rag_documents
  migrate verify --parquet ./bulk-writer --target-address cluster:19530 --collection rag_documents`,
		slices.Concat(sourceSettings, targetSettings, sinkSettings, selectionSettings, []setting{from, collection, atOnce, parquetSetting, schemaSetting, jobSetting, asSetting, workers, loadSetting, loadMemory, moveName, newKeys, indexTypes, maxRate}),
		runVerify)
}

// verifyResult is what --json prints.
type verifyResult struct {
	*verify.Report
	usage
}

func runVerify(cmd *cobra.Command, c config) (err error) {
	if c.selects() {
		return c.moveMany(cmd.Context(), cmd.OutOrStdout(), move.Steps{Verify: true}, c.monitor())
	}
	ctx, started := cmd.Context(), time.Now()
	types, err := c.indexTypes()
	if err != nil {
		return err
	}
	target, err := connectTarget(ctx, c)
	if err != nil {
		return err
	}
	defer target.Close()
	left, rows, err := c.leftSide(ctx, target)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, left.Close(ctx)) }()
	right, err := c.openSide(ctx, target, c.targetName(left))
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, right.Close(ctx)) }()
	var bar steps
	bar.next("verify "+right.Collection().Name, rows)
	report, err := verify.Compare(ctx, left, right, verify.Options{
		Workers: c.Workers, WithoutKeys: c.newKeysOn(target, left, right.Collection()), Progress: bar.add, IndexTypes: types,
	})
	bar.stop()
	if err != nil {
		return err
	}
	r := verifyResult{report, usageSince(started)}
	if err := c.print(cmd.OutOrStdout(), r, r.text); err != nil || report.Equal {
		return err
	}
	return model.ErrDiffers
}

// newKeysOn reports whether the target has given the rows other keys than they have on the left: as was said, or since it takes none.
func (c config) newKeysOn(target *milvus.Server, left source.Source, there *model.Collection) bool {
	if !model.AutoID(there.Schema) {
		return false
	}
	from, exported := left.(export.Source)
	return c.NewKeys || exported && from.Manifest.Keyless() || !target.Capabilities().KeepsKeys(there)
}

// openSide opens a collection, and loads it for the time being where --load says so.
func (c config) openSide(ctx context.Context, server *milvus.Server, name string) (*query.Source, error) {
	coll, err := server.Describe(ctx, name)
	if err != nil {
		return nil, err
	}
	return query.OpenAt(ctx, server, coll, nil, query.Options{Load: c.Load, MaxRate: c.MaxRate})
}

// leftSide opens what the target is held against, and says how many rows to expect.
func (c config) leftSide(ctx context.Context, target *milvus.Server) (left source.Source, rows int64, err error) {
	switch {
	case c.From == "export" || c.Parquet != "":
		return c.exportSide(ctx, target)
	case c.From == "source":
		return c.sourceSide(ctx)
	}
	return nil, 0, usageError{fmt.Errorf("from %q: source or export", c.From)}
}

func (c config) sourceSide(ctx context.Context) (source.Source, int64, error) {
	if err := c.requireOne(); err != nil {
		return nil, 0, err
	}
	server, err := connectSource(ctx, c)
	if err != nil {
		return nil, 0, err
	}
	side, err := c.openSide(ctx, server, c.Collection)
	if err != nil {
		return nil, 0, err
	}
	rows, err := side.Count(ctx, model.AllPartitions, model.Range{})
	if err != nil {
		return nil, 0, errors.Join(err, side.Close(ctx))
	}
	return side, rows, nil
}

func (c config) exportSide(ctx context.Context, target *milvus.Server) (source.Source, int64, error) {
	job, err := c.job()
	if err != nil {
		return nil, 0, err
	}
	from, err := c.openExport(ctx, target, job, c.monitor())
	if err != nil {
		return nil, 0, err
	}
	return export.Source{Sink: from.sink, Manifest: from.manifest}, from.manifest.Total.Rows, nil
}

// targetName is what the collection is called on the target.
func (c config) targetName(left source.Source) string {
	switch {
	case c.As != "":
		return c.As
	case c.Collection != "":
		return c.Collection
	}
	return left.Collection().Schema.GetName()
}

// classWords say what a difference of descriptions means.
var classWords = map[model.Class]string{
	model.Refuses:  "unfit to serve",
	model.Differs:  "different",
	model.Expected: "as expected",
}

func (r verifyResult) text(w io.Writer) {
	for _, p := range r.Partitions {
		fmt.Fprintf(w, "partition %-20s %s on the left, %s on the right, checksums %016x and %016x\n",
			p.Name, rows(p.Left.Rows), rows(p.Right.Rows), uint64(p.Left.Hash), uint64(p.Right.Hash))
	}
	if r.KeptKeys {
		fmt.Fprintln(w, "the left side gives the keys itself; the target has kept them, and takes new ones from its clients")
	}
	if r.NewKeys {
		fmt.Fprintln(w, "the target has given the rows other keys, so that they are compared without them")
	}
	if len(r.ByValue) > 0 {
		fmt.Fprintf(w, "by value, since a server of the two spells JSON anew: %s; all other columns by their bytes\n", strings.Join(r.ByValue, ", "))
	}
	for _, d := range r.Described {
		fmt.Fprintf(w, "the target, %s: %s\n", classWords[d.Class], d.Text)
	}
	for _, text := range r.Rows.InWords() {
		fmt.Fprintln(w, text)
	}
	printFindings(w, "left side", r.LeftFound)
	printFindings(w, "target", r.RightFound)
	verdict := "equal"
	if but := r.But(); but != "" {
		verdict += ", " + but
	}
	if !r.Equal {
		verdict = "DIFFERENT"
	}
	fmt.Fprintf(w, "%s: %s, %s\n", verdict, rows(r.Right.Rows), r.usage)
}
