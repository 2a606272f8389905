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

	"migrate/internal/milvus"
	"migrate/internal/model"
	"migrate/internal/verify"
)

func newVerify() *cobra.Command {
	return command("verify", "Prove that source or export and target hold the same rows",
		`Compares counts, partitions, primary keys and a checksum over all columns (vectors by their bits), streamed from both
sides. Exits with 3 where they differ, and names the first keys that are missing, extra or different.`,
		`  migrate verify --source-address standalone:19530 --target-address cluster:19530 --collection rag_documents
  migrate verify --from export --target-address cluster:19530 --collection rag_documents`,
		slices.Concat(sourceSettings, targetSettings, sinkSettings, []setting{from, collection, jobSetting, asSetting, workers, loadSetting, maxRate}),
		runVerify)
}

// verifyResult is what --json prints.
type verifyResult struct {
	*verify.Report
	usage
}

func runVerify(cmd *cobra.Command, c config) error {
	ctx, started := cmd.Context(), time.Now()
	left, rows, release, err := c.leftSide(ctx)
	if err != nil {
		return err
	}
	defer release()
	target, err := connectTarget(ctx, c)
	if err != nil {
		return err
	}
	defer target.Close()
	right, release, err := c.openSide(ctx, target, c.targetName(left))
	if err != nil {
		return err
	}
	defer release()
	var bar steps
	bar.next("verify "+right.Collection.Name, rows)
	report, err := verify.Compare(ctx, left, right, verify.Options{
		Workers: c.Workers, WithoutKeys: model.AutoID(right.Schema()), Progress: bar.add,
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

// openSide opens a collection, and loads it for the time being where --load says so. What it returns too releases it.
func (c config) openSide(ctx context.Context, server *milvus.Server, name string) (side verify.Server, release func(), err error) {
	release = func() {}
	side, err = verify.Open(ctx, server, name)
	if c.Load && errors.Is(err, milvus.ErrNotLoaded) {
		if release, err = server.LoadTemporarily(ctx, name); err != nil {
			return side, nil, err
		}
		if side, err = verify.Open(ctx, server, name); err != nil {
			release()
		}
	}
	if err != nil {
		return side, nil, err
	}
	side.Throttle(c.MaxRate)
	return side, release, nil
}

// leftSide opens what the target is held against, and says how many rows to expect.
func (c config) leftSide(ctx context.Context) (left verify.Side, rows int64, release func(), err error) {
	switch c.From {
	case "source":
		return c.sourceSide(ctx)
	case "export":
		left, rows, err = c.exportSide(ctx)
		return left, rows, func() {}, err
	}
	return nil, 0, nil, usageError{fmt.Errorf("from %q: source or export", c.From)}
}

func (c config) sourceSide(ctx context.Context) (verify.Side, int64, func(), error) {
	if err := require("collection", c.Collection); err != nil {
		return nil, 0, nil, err
	}
	server, err := connectSource(ctx, c)
	if err != nil {
		return nil, 0, nil, err
	}
	side, release, err := c.openSide(ctx, server, c.Collection)
	if err != nil {
		return nil, 0, nil, err
	}
	rows, err := side.Count(ctx, model.AllPartitions, model.Range{})
	if err != nil {
		release()
	}
	return side, rows, release, err
}

func (c config) exportSide(ctx context.Context) (verify.Side, int64, error) {
	job, err := c.job()
	if err != nil {
		return nil, 0, err
	}
	sink, err := openSink(ctx, c)
	if err != nil {
		return nil, 0, err
	}
	m, err := c.readManifest(ctx, sink, job)
	if err != nil {
		return nil, 0, err
	}
	return verify.Export{Sink: sink, Manifest: m}, m.Total.Rows, nil
}

// targetName is what the collection is called on the target.
func (c config) targetName(left verify.Side) string {
	switch {
	case c.As != "":
		return c.As
	case c.Collection != "":
		return c.Collection
	}
	return left.Schema().GetName()
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
	for _, d := range r.Described {
		fmt.Fprintf(w, "the target, %s: %s\n", classWords[d.Class], d.Text)
	}
	r.printRows(w, "missing on the target", r.Rows.Missing, r.Rows.MissingKeys)
	r.printRows(w, "on the target only", r.Rows.Extra, r.Rows.ExtraKeys)
	r.printRows(w, "different", r.Rows.Differing, r.Rows.DifferingKeys)
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

func (verifyResult) printRows(w io.Writer, what string, n int64, keys []model.Key) {
	if n == 0 {
		return
	}
	names := make([]string, len(keys))
	for i, k := range keys {
		names[i] = k.String()
	}
	fmt.Fprintf(w, "%s %s: keys %s\n", rows(n), what, strings.Join(names, ", "))
}
