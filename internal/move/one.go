package move

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"

	"migrate/checkpoint"
	"migrate/exporter"
	"migrate/importer"
	"migrate/internal/export"
	"migrate/internal/ingest"
	"migrate/internal/milvus"
	"migrate/internal/model"
	"migrate/internal/source"
	"migrate/internal/source/query"
	"migrate/internal/verify"
)

// ErrAnother: the export under a collection's name is of another one.
var ErrAnother = errors.New("the export is of another collection")

// move does the steps of one collection, leaving out what is done already.
func (m *moving) move(ctx context.Context, p *Planned) (Outcome, error) {
	if !p.moved.IsZero() { // and dropped from the target since: what is begun now is not done before its end
		if err := m.record.forget(ctx, p.Named); err != nil {
			return p.outcome(Failed, err), err
		}
	}
	manifest, err := m.export(ctx, p)
	if err == nil && m.Steps.Import {
		err = m.importInto(ctx, p, manifest)
	}
	var seen *verify.Report // nil where nothing is compared
	if err == nil && m.Steps.Verify {
		seen, err = m.verify(ctx, p, manifest)
	}
	equal := seen == nil || seen.Equal
	var notes []string
	if err == nil && equal {
		notes, err = m.complete(ctx, p)
	}
	o := p.outcome(Done, err)
	switch {
	case err != nil:
		o.State = Failed
	case !equal:
		o.State = Different
	}
	if manifest != nil {
		o.Rows, o.Bytes = manifest.Total.Rows, manifest.Bytes
		o.Notes = append(o.Notes, manifest.Findings.Told("source")...)
	}
	if seen != nil {
		o.Rows = seen.Left.Rows
		o.Notes = append(o.Notes, m.toldOf(seen)...)
	}
	o.Notes = append(o.Notes, without(notes, o.Notes)...) // some were told before
	return o, err
}

// export exports a collection, unless that is done; nil where neither is asked for nor needed.
func (m *moving) export(ctx context.Context, p *Planned) (manifest *export.Manifest, err error) {
	if !m.Steps.Export && !m.Steps.Import && m.FromSource {
		return nil, nil
	}
	there, err := export.Read(ctx, m.Sink, p.Job)
	if err == nil {
		err = m.isOf(ctx, p, there)
	}
	if !m.Steps.Export || err == nil && !m.Export.Overwrite || err != nil && !m.Export.Overwrite && !errors.Is(err, export.ErrNone) {
		m.skip(p, there)
		if err == nil && m.Steps.Export {
			err = m.giveBackOf(ctx, m.onSource(p))
		}
		return there, err
	}
	if m.Read == nil { // from its storage it is read as it is
		giveBack, err := m.borrow(ctx, p, m.onSource(p))
		if err != nil {
			return nil, err
		}
		defer func() { giveBack(err) }()
	}
	opts, step := m.Export, m.stepOf(p)
	opts.Job, opts.Budget, opts.Load, opts.Partitions = p.Job, m.reads, m.loads(p), p.Partitions
	opts.Planned = func(rows int64) { step.begin("export", rows) }
	opts.Limit = m.rate
	if m.Read != nil {
		if opts.Read, err = m.Read(m.Source.In(p.Database)); err != nil {
			return nil, err
		}
	}
	opts.Progress = step.moved
	m.Watch.Step(p, "plan", 0)
	made, err := exporter.Export(ctx, m.Source.In(p.Database), p.Collection, m.Sink, opts)
	if errors.Is(err, exporter.ErrExists) { // another process has made it since
		return export.Read(ctx, m.Sink, p.Job)
	}
	return made, err
}

// isOf refuses an export of another collection than the one that is there now, though of the same name.
func (m *moving) isOf(ctx context.Context, p *Planned, there *export.Manifest) error {
	of := NamedIn(there.Collection.Database, there.Collection.Name)
	if of != p.Named {
		return fmt.Errorf("export %q at %s: %w: %s", p.Job, m.Sink.URL(p.Job), ErrAnother, of)
	}
	job, err := checkpoint.Read(ctx, m.Sink, checkpoint.Name(checkpoint.Export, p.Job, ""))
	if err != nil {
		return nil // of an earlier migrate: the names have to do
	}
	params, err := exporter.ParamsOf(*job)
	asked := p.ID != 0 // the source is
	switch {
	case err != nil:
		return nil
	case asked && params.CollectionID != p.ID:
		return fmt.Errorf("export %q at %s: %w, which was called so", p.Job, m.Sink.URL(p.Job), ErrAnother)
	case (asked || len(p.Partitions) > 0) && !slices.Equal(params.Partitions, p.Partitions):
		return fmt.Errorf("export %q at %s: %w: it is of %s, and %s are meant", p.Job, m.Sink.URL(p.Job), checkpoint.ErrOther,
			inPartitions(params.Partitions), inPartitions(p.Partitions))
	}
	return nil
}

// inPartitions says of which partitions something is.
func inPartitions(names []string) string {
	if len(names) == 0 {
		return "all partitions"
	}
	return "the partitions " + strings.Join(names, ", ")
}

// skip counts the rows of an export that is done for the whole.
func (m *moving) skip(p *Planned, there *export.Manifest) {
	if there != nil && m.Steps.Export {
		m.Watch.Moved(p, there.Total.Rows, there.Bytes)
	}
}

// importInto imports a collection, unless that is done.
func (m *moving) importInto(ctx context.Context, p *Planned, manifest *export.Manifest) error {
	opts, step := m.importOptions(p), m.stepOf(p)
	opts.Budget = m.jobs
	opts.Step = step.begin
	opts.Progress = step.did
	opts.Job = func(id int64, state ingest.State, why string) { m.Watch.Job(id, string(state), why) }
	before := m.importState(ctx, p)
	inserted, err := m.inserted(ctx, p)
	if err != nil {
		return err
	}
	if inserted {
		opts.Via = importer.Insert
	}
	_, err = importer.Import(ctx, m.Target.In(p.Target.Database), m.Sink, manifest, m.Staging, opts)
	switch {
	case errors.Is(err, importer.ErrImported):
		err = nil
	case errors.Is(err, importer.ErrNotEmpty) && m.byAnother(ctx, p, before):
		return fmt.Errorf("%w: %w", checkpoint.ErrHeld, err)
	}
	if err == nil {
		m.Watch.Moved(p, manifest.Total.Rows, 0)
	}
	return err
}

// byAnother reports whether another process imports a collection, or has done so since its job was looked at.
func (m *moving) byAnother(ctx context.Context, p *Planned, before checkpoint.State) bool {
	now := m.importState(ctx, p)
	return now == checkpoint.Running || now != before
}

// verify holds the target against what was exported, or against the source.
func (m *moving) verify(ctx context.Context, p *Planned, manifest *export.Manifest) (report *verify.Report, err error) {
	giveBack, err := m.borrowToVerify(ctx, p)
	if err != nil {
		return nil, err
	}
	defer giveBack()
	left, err := m.left(ctx, p, manifest)
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, left.Close(ctx)) }()
	target := m.Target.In(p.Target.Database)
	if m.Steps.Import { // an earlier call may have released it, as it is on the source, and not have come to say so
		if err := loadWhole(ctx, target, p.Target.Collection); err != nil {
			return nil, err
		}
	}
	right, err := m.openLoaded(ctx, target, p.Target.Collection, p)
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, right.Close(ctx)) }()
	step := m.stepOf(p)
	step.begin("verify", p.Rows)
	newKeys := m.Import.NewKeys && model.AutoID(right.Collection().Schema) || !target.Capabilities().KeepsKeys(right.Collection())
	return verify.Compare(ctx, left, right, verify.Options{Workers: m.Export.Workers, Budget: m.reads, WithoutKeys: newKeys, Progress: step.moved, IndexTypes: m.importOptions(p).IndexTypes})
}

// toldOf is what there is to be known of a comparison beside its outcome: in what the sides differ, and what was found in reading them.
func (m *moving) toldOf(r *verify.Report) (told []string) {
	if !r.Equal {
		for _, d := range r.Described {
			if d.Class != model.Expected {
				told = append(told, "the target: "+d.Text)
			}
		}
		told = append(told, r.Rows.InWords()...)
	}
	if m.FromSource { // what was found in exporting is told of the export
		told = append(told, r.LeftFound.Told("source")...)
	}
	return append(told, r.RightFound.Told("target")...)
}

func (m *moving) left(ctx context.Context, p *Planned, manifest *export.Manifest) (source.Source, error) {
	if m.FromSource {
		return m.openLoaded(ctx, m.Source.In(p.Database), p.Collection, p)
	}
	return export.Source{Sink: m.Sink, Manifest: manifest}, nil
}

// openLoaded opens a side of what is verified, of which only those partitions are read that are moved.
func (m *moving) openLoaded(ctx context.Context, server *milvus.Server, name string, p *Planned) (*query.Source, error) {
	coll, err := server.Describe(ctx, name)
	if err != nil {
		return nil, err
	}
	return query.OpenAt(ctx, server, coll.Among(p.Partitions), nil, query.Options{Load: m.loads(p), Limit: m.rate})
}

// step is a step of one collection, of which the watch is told.
type step struct {
	m *moving
	p *Planned
}

func (m *moving) stepOf(p *Planned) step { return step{m, p} }

func (s step) begin(name string, rows int64) { s.m.Watch.Step(s.p, name, rows) }

func (s step) did(rows, bytes int64) { s.m.Watch.Did(s.p, rows, bytes) }

// moved is did for rows that count for the whole.
func (s step) moved(rows, bytes int64) {
	s.did(rows, bytes)
	s.m.Watch.Moved(s.p, rows, bytes)
}
