package main

import (
	"errors"
	"fmt"
	"io"
	"slices"
	"time"

	"github.com/spf13/cobra"

	"migrate/internal/cutover"
	"migrate/internal/model"
	"migrate/internal/syncer"
)

func newCutover() *cobra.Command {
	return command("cutover", "Switch to the cluster, or back, once nobody writes and both sides are equal",
		`Applies what is left to be applied, sees that nothing is written to the side that serves, compares all rows, and records that the
other side serves from now on. Stop the writers and "migrate sync" first; it refuses where a row is written meanwhile. It
writes a certificate beside the export, moves --alias where one is given, and says what the clients have to change. An
interrupted cutover goes on with the same command, and "migrate status" tells which side serves meanwhile.

After it, "migrate sync" with the same settings goes the other way: it keeps the side that was left in step, so that
--rollback switches back and loses nothing. Exits with 3 where the two sides differ.`,
		`  migrate cutover --source-address standalone:19530 --target-address cluster:19530 --collection rag_documents \
      --sink-url s3://exports/milvus --sink-endpoint minio:9000 --staging-url s3://a-bucket/staging --alias documents
  migrate cutover --rollback …     # the same settings`,
		slices.Concat(sourceSettings, targetSettings, sinkSettings, stagingSettings,
			[]setting{collection, jobSetting, asSetting, workers, maxDelete, baseDone}, cutoverSettings),
		runCutover)
}

var cutoverSettings = []setting{rollback, alias, stillFor, wayBack, discardLate, allowDuplicates, allowDifferences}

// cutoverResult is what --json prints.
type cutoverResult struct {
	Serves      syncer.Side         `json:"serves"`
	Before      bool                `json:"switched_before"` // by an earlier run
	At          time.Time           `json:"at"`
	WayBack     time.Time           `json:"way_back_until"`
	Alias       string              `json:"alias,omitempty"`
	Certificate cutover.Certificate `json:"certificate"`
	Objects     []string            `json:"certificate_objects"`
	usage
}

func runCutover(cmd *cobra.Command, c config) error {
	ctx, started := cmd.Context(), time.Now()
	c.Once = true
	opts, err := c.syncOptions(ctx)
	if err != nil {
		return err
	}
	var bar steps
	how := cutover.Options{
		To: syncer.Target, Alias: c.Alias, Workers: c.Workers, Tool: version(), AllowDuplicates: c.AllowDuplicates, AllowDifferences: c.AllowDifferences,
		Began: bar.announce, Progress: bar.add,
	}
	if c.Rollback {
		how.To = syncer.Source
	}
	for _, d := range []struct {
		setting setting
		text    string
		value   *time.Duration
	}{{stillFor, c.StillFor, &how.Still}, {wayBack, c.WayBack, &how.Keep}} {
		if *d.value, err = duration(d.setting, d.text); err != nil {
			return err
		}
	}
	e, err := openEnds(ctx, c)
	if err != nil {
		return err
	}
	defer e.close()
	done, err := cutover.Run(ctx, e.source, e.target, e.sink, opts, how)
	bar.stop()
	if errors.Is(err, model.ErrDiffers) && done.Certificate.Report != nil {
		r := verifyResult{done.Certificate.Report, usageSince(started)}
		err = errors.Join(err, c.print(cmd.OutOrStdout(), r, r.text))
	}
	if err != nil {
		return err
	}
	r := cutoverResult{
		Serves: how.To, Before: done.Before, At: done.At, WayBack: done.Until, Alias: done.Alias,
		Certificate: done.Certificate, Objects: done.Objects, usage: usageSince(started),
	}
	return c.print(cmd.OutOrStdout(), r, r.text)
}

func (r cutoverResult) text(w io.Writer) {
	serves, left := r.Certificate.Serves, r.Certificate.Left
	if r.Before {
		fmt.Fprintf(w, "switched before, at %s\n", r.At.Local().Format(time.DateTime))
	}
	fmt.Fprintf(w, "the %s serves: %s of %q on both sides, checksum %016x, %s\n",
		r.Serves, rows(r.Certificate.Report.Right.Rows), serves.Collection.Name, uint64(r.Certificate.Report.Right.Hash), r.usage)
	if but := r.Certificate.Report.But(); but != "" {
		fmt.Fprintln(w, "equal,", but)
	}
	fmt.Fprintf(w, "clients: connect to %s instead of %s", serves.Address, left.Address)
	switch {
	case r.Alias != "" && r.Serves == syncer.Target:
		fmt.Fprintf(w, "; alias %q names the collection there", r.Alias)
	case serves.Collection.Name != left.Collection.Name:
		fmt.Fprintf(w, "; the collection is called %q there", serves.Collection.Name)
	}
	fmt.Fprintln(w)
	for _, url := range r.Objects {
		fmt.Fprintln(w, "certificate:", url)
	}
	switch {
	case r.Certificate.Report.KeptKeys:
		fmt.Fprintf(w, "there is no way back: %s gives its keys itself, and takes none\n", left.Address)
	case r.Serves == syncer.Target:
		fmt.Fprintf(w, "way back: `migrate sync` with the same settings keeps %s in step until %s; `migrate cutover --rollback` goes back\n",
			left.Address, r.WayBack.Local().Format(time.DateTime))
	default:
		fmt.Fprintf(w, "`migrate sync` with the same settings keeps %s in step, until the next cutover\n", left.Address)
	}
}

// duration reads a setting that is a time.
func duration(s setting, text string) (time.Duration, error) {
	d, err := time.ParseDuration(text)
	if err != nil || d <= 0 {
		return 0, usageError{fmt.Errorf("%s %q: a time such as 30s, 5m or 24h", s.key, text)}
	}
	return d, nil
}
