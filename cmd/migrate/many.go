package main

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"os"
	"text/tabwriter"
	"time"

	"github.com/dustin/go-humanize"
	"github.com/spf13/cobra"

	"migrate/exporter"
	"migrate/importer"
	"migrate/internal/milvus"
	"migrate/internal/model"
	"migrate/internal/monitor"
	"migrate/internal/move"
)

// refuseOne refuses what is said of one collection where many are meant.
func (c config) refuseOne() error {
	for _, said := range []struct{ setting, value, instead string }{
		{"as", c.As, "moves: in migrate.yaml"}, {"job", c.Job, "--move, which names the whole"},
	} {
		if said.value != "" {
			return usageError{fmt.Errorf("%s %q is said of one collection, and many are selected: use %s", said.setting, said.value, said.instead)}
		}
	}
	return nil
}

// checkMove refuses what no move can be called.
func (c config) checkMove() error {
	if c.Move == "" {
		return nil
	}
	if err := move.CheckName(c.Move); err != nil {
		return usageError{err}
	}
	return nil
}

// moveOf is what is to be done with the collections that are selected. The caller closes what it opens.
func (c config) moveOf(ctx context.Context, steps move.Steps) (m move.Move, close func(), err error) {
	if err := cmp.Or(c.refuseOne(), atLeastOne("at-once", c.AtOnce), atLeastOne("workers", c.Workers), atLeastOne("jobs", c.Jobs), c.checkWay(), c.checkMove()); err != nil {
		return m, nil, err
	}
	m = move.Move{Loans: c.Move, Steps: steps, AtOnce: c.AtOnce, FromSource: !steps.Export && !steps.Import && c.From == "source"}
	if m.Selection, err = c.selection(); err != nil {
		return m, nil, err
	}
	if m.Special, err = c.specials(); err != nil {
		return m, nil, err
	}
	if m.Import, err = c.importOptions(); err != nil {
		return m, nil, err
	}
	bytes, err := c.partBytes()
	if err != nil && steps.Export {
		return m, nil, err
	}
	m.Export = exporter.Options{Workers: c.Workers, PartBytes: bytes, Load: c.Load, Overwrite: c.Overwrite, AllowUnreadable: c.AllowUnreadable, MaxRate: c.MaxRate}
	if err := c.sayAround(&m); err != nil {
		return m, nil, err
	}
	if c.Source.Storage.URL != "" || c.Source.Read == readStorage {
		m.Read = func(database *milvus.Server) (func(*model.Collection) (exporter.Way, error), error) {
			return c.reading(ctx, database)
		}
	}
	close, err = c.openFor(ctx, &m)
	return m, close, err
}

// openFor connects to the servers and opens the stores that the steps of a move need.
func (c config) openFor(ctx context.Context, m *move.Move) (close func(), err error) {
	close = func() {
		if m.Source != nil {
			m.Source.Close()
		}
		if m.Target != nil {
			m.Target.Close()
		}
	}
	if m.Steps.Export || m.FromSource {
		m.Source, err = connectSource(ctx, c)
	}
	if err == nil && (m.Steps.Import || m.Steps.Verify) {
		m.Target, err = connectTarget(ctx, c)
	}
	if err == nil {
		m.Sink, err = openSink(ctx, c)
	}
	if err == nil && m.Steps.Import {
		err = c.openWay(ctx, m)
	}
	if err != nil {
		close()
	}
	return close, err
}

// openWay opens the store that the target's bulk insert reads, unless the rows of all are inserted. Which of the two is best for each
// collection is the importer's to choose.
func (c config) openWay(ctx context.Context, m *move.Move) (err error) {
	auto := m.Import.Via == ""
	if m.Import.Via == importer.Insert || auto && !m.Target.Capabilities().BulkInserts() {
		return nil
	}
	if auto && c.stagingStore().Endpoint == "" {
		m.Import.Via = importer.Insert
		warnUnstaged(ctx)
		return nil
	}
	m.Staging, err = openStaging(ctx, c)
	return err
}

// moveMany does some steps of each collection that is selected.
func (c config) moveMany(ctx context.Context, out io.Writer, steps move.Steps, seen *monitor.Monitor) error {
	started := time.Now()
	m, close, err := c.moveOf(ctx, steps)
	if err != nil {
		return err
	}
	defer close()
	if steps == (move.Steps{Export: true, Import: true, Verify: true}) {
		m.Name, m.Command = c.Move, c.movedAgain
	}
	shown := &crowd{seen: seen}
	m.Watch = shown.watch(m.Steps)
	report, err := m.Run(ctx)
	shown.stop()
	if err != nil && len(report.Collections) == 0 {
		return err
	}
	r := manyResult{report, usageSince(started)}
	return errors.Join(c.print(out, r, r.text), cmp.Or(err, report.Err()))
}

// crowd shows how far the collections of a move are.
type crowd struct {
	bars *monitor.Crowd
	seen *monitor.Monitor
}

func (s *crowd) stop() {
	if s.bars != nil {
		s.bars.Stop()
	}
}

func (s *crowd) watch(steps move.Steps) move.Watch {
	return move.Watch{
		Planned: func(all []*move.Planned) {
			rows, todo := int64(0), 0
			for _, p := range all {
				for _, n := range p.Notes {
					slog.Warn("before it is moved", "collection", p.String(), "note", n)
				}
				s.seen.Collection(p.String(), waits(p), p.Rows)
				if p.Before == nil && p.Err == nil {
					rows, todo = rows+p.Rows, todo+1
				}
			}
			s.bars = monitor.StartCrowd(os.Stderr, onTerminal(), fmt.Sprintf("%d collections", todo), rows, steps.Count())
		},
		Step: func(p *move.Planned, name string, rows int64) {
			s.bars.Step(p.String(), name, rows)
			s.seen.Collection(p.String(), name, p.Rows)
		},
		Did:   func(p *move.Planned, rows, _ int64) { s.bars.Did(p.String(), rows) },
		Moved: func(_ *move.Planned, rows, bytes int64) { s.bars.Moved(rows, bytes) },
		Ended: func(p *move.Planned, o move.Outcome) {
			s.seen.Collection(p.String(), string(o.State), o.Rows)
			if p.Before == nil {
				s.bars.Ended(p.String(), string(o.State))
			}
		},
		Job: s.seen.Job,
	}
}

// waits is what is known of a collection before it is moved.
func waits(p *move.Planned) string {
	switch {
	case p.Before != nil:
		return string(p.Before.State)
	case p.Err != nil:
		return string(move.Refused)
	}
	return "waits"
}

// manyResult is what --json prints of a move.
type manyResult struct {
	*move.Report
	usage
}

func (r manyResult) text(w io.Writer) {
	t := tabwriter.NewWriter(w, 0, 0, 2, ' ', 0)
	fmt.Fprintln(t, "COLLECTION\tBECAME\tON THE TARGET\tROWS\tBYTES\tTOOK")
	for _, o := range r.Collections {
		fmt.Fprintf(t, "%s\t%s\t%s\t%s\t%s\t%.1fs\n", o.Named, o.State, o.Target, humanize.Comma(o.Rows), size(o.Bytes), o.Seconds)
	}
	t.Flush()
	for _, o := range r.Collections {
		if o.Err != nil {
			fmt.Fprintf(w, "%s: %s\n", o.Named, explain(o.Err))
		}
		for _, n := range o.Notes {
			fmt.Fprintf(w, "%s: %s\n", o.Named, n)
		}
	}
	for _, n := range r.Created {
		fmt.Fprintf(w, "%s was created meanwhile: the same command moves it\n", n)
	}
	for _, n := range r.Notes {
		fmt.Fprintln(w, n)
	}
	printAccess(w, r.Access)
	all, bytes := r.Total()
	fmt.Fprintf(w, "%d collections: %s; %s (%s), %s\n", len(r.Collections), cmp.Or(r.InWords(), "none"), rows(all), size(bytes), r.usage)
	if r.Page != "" {
		fmt.Fprintf(w, "summary: %s\n", r.Page)
	}
}

// planMany says what would be moved of the collections that are selected.
func (c config) planMany(cmd *cobra.Command) error {
	ctx, started := cmd.Context(), time.Now()
	m, close, err := c.moveOf(ctx, move.Steps{Export: true})
	if err != nil {
		return err
	}
	defer close()
	if c.Target.Address != "" {
		if m.Target, err = connectTarget(ctx, c); err != nil {
			return err
		}
		m.Steps.Import = true
	}
	m.Name = c.Move // what it has moved is told
	planned, err := m.Plan(ctx)
	if err != nil {
		return err
	}
	access, err := m.PlanAccess(ctx)
	if err != nil {
		return err
	}
	r := manyPlan{planned, access, usageSince(started)}
	return c.print(cmd.OutOrStdout(), r, r.text)
}

// manyPlan is what --json prints of a plan of many.
type manyPlan struct {
	Collections []*move.Planned  `json:"collections"`
	Access      *move.AccessPlan `json:"access,omitempty"` // users and rights
	usage
}

func (r manyPlan) text(w io.Writer) {
	t := tabwriter.NewWriter(w, 0, 0, 2, ' ', 0)
	fmt.Fprintln(t, "COLLECTION\tROWS\tON THE TARGET\tCAN BE MOVED")
	var all int64
	var refused int
	for _, p := range r.Collections {
		can := "yes"
		if all += p.Rows; p.Err != nil {
			can, refused = "NO", refused+1
		}
		fmt.Fprintf(t, "%s\t%s\t%s\t%s\n", p.Named, humanize.Comma(p.Rows), p.Target, can)
	}
	t.Flush()
	for _, p := range r.Collections {
		if p.Err != nil {
			fmt.Fprintf(w, "%s: %s\n", p.Named, explain(p.Err))
		}
		for _, n := range p.Notes {
			fmt.Fprintf(w, "%s: %s\n", p.Named, n)
		}
	}
	printAccessPlan(w, r.Access)
	fmt.Fprintf(w, "%d collections of about %s, of which %d can't be moved; what is flushed is counted, deleted rows too; %s\n",
		len(r.Collections), rows(all), refused, r.usage)
}

// movedAgain is what a move is resumed by: all that was said of it but servers, stores and logins.
type movedAgain struct {
	All             bool         `json:"all,omitempty"`
	Databases       []string     `json:"databases,omitempty" mapstructure:"database"`
	Collections     []string     `json:"collections,omitempty" mapstructure:"collection"` // as they are given: one, or patterns
	Exclude         []string     `json:"exclude,omitempty"`
	Moves           []moveConfig `json:"moves,omitempty"`
	Load            bool         `json:"load,omitempty"`
	AllowUnreadable bool         `json:"allow_unreadable,omitempty" mapstructure:"allow-unreadable"`
	IntoExisting    bool         `json:"into_existing,omitempty" mapstructure:"into-existing"`
	KeepIDs         bool         `json:"keep_ids,omitempty" mapstructure:"keep-ids"`
	NewKeys         bool         `json:"new_keys,omitempty" mapstructure:"new-keys"`
	Widen           bool         `json:"widen,omitempty"`
	Force           bool         `json:"force,omitempty"`
	Via             string       `json:"via,omitempty"`
	Index           string       `json:"index,omitempty"`
	PartSize        string       `json:"part_size" mapstructure:"part-size"`
	UsersFile       string       `json:"users_file,omitempty" mapstructure:"users-file"`
	NewUsersFile    string       `json:"new_users_file,omitempty" mapstructure:"new-users-file"`
	WithoutAccess   bool         `json:"without_access,omitempty" mapstructure:"without-access"`
	LoadMemory      string       `json:"load_memory,omitempty" mapstructure:"load-memory"`
}

// runMany is the whole move of all that is selected. Each is kept in step by a sync of its own.
func (c config) runMany(cmd *cobra.Command) error {
	seen := monitor.New(monitor.Subject{Collection: "move " + c.Move, Source: c.Source.Address, Target: c.Target.Address})
	return c.whileServing(cmd.Context(), seen, func(ctx context.Context) error {
		if err := c.moveMany(ctx, cmd.OutOrStdout(), move.Steps{Export: true, Import: true, Verify: true}, seen); err != nil {
			return err
		}
		fmt.Fprintln(os.Stderr, "`migrate sync --collection NAME` keeps one of them in step with its source until the switch; "+
			"with --source-database D --target-database D --job D.NAME one of another database")
		return nil
	})
}
