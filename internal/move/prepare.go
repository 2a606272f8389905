package move

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"golang.org/x/sync/errgroup"

	"migrate/checkpoint"
	"migrate/exporter"
	"migrate/importer"
	"migrate/internal/export"
	"migrate/internal/milvus"
	"migrate/internal/model"
	"migrate/sinks"
)

// Planned is one collection of a move, and what is known of it before it is moved.
type Planned struct {
	Named
	ID     int64  `json:"id,string,omitempty"` // on the source
	Job    string `json:"job"`
	Target Named  `json:"target"`
	Rows   int64  `json:"rows"` // of its segments, those that were deleted included
	// Partitions are those that are moved alone; all where empty.
	Partitions []string `json:"partitions,omitempty"`

	Err     error    `json:"-"` // why it can't be moved
	Refused string   `json:"refused,omitempty"`
	Notes   []string `json:"notes,omitempty"`
	Before  *Outcome `json:"before,omitempty"` // of an earlier run of the same move, which has moved it

	special Special
	stored  int64     // rows of all partitions
	moved   time.Time // when an earlier run had moved it, though the target has it no more
	aliases []string
	load    model.Load
}

// asked is how many collections are asked about at once.
const asked = 8

// Plan says what would be moved, and why some of it can't be. It changes nothing, and asks each server at most six times for each
// collection.
func (m Move) Plan(ctx context.Context) ([]*Planned, error) {
	mv := m.begin()
	if err := mv.open(); err != nil {
		return nil, err
	}
	return mv.prepare(ctx)
}

// prepare finds out what is to be moved, and what of it can't be.
func (m *moving) prepare(ctx context.Context) ([]*Planned, error) {
	all, err := m.selected(ctx)
	if err != nil {
		return nil, err
	}
	before, err := m.record.outcomes(ctx)
	if err != nil {
		return nil, err
	}
	if m.made, err = m.loans.madeSoFar(ctx); err != nil {
		return nil, err
	}
	m.catalog = milvus.NewCatalog(m.Source)
	g, each := errgroup.WithContext(ctx)
	g.SetLimit(asked)
	for _, p := range all {
		g.Go(func() error {
			err := m.examine(each, p, before)
			if err != nil && (each.Err() != nil || errors.Is(err, milvus.ErrUnreachable)) {
				return err
			}
			if p.Err = err; err != nil {
				p.Refused = err.Error()
			}
			return nil
		})
	}
	return all, g.Wait()
}

// selected are the collections that are meant: those of the source, or of the exports on the sink where the source is not asked.
func (m *moving) selected(ctx context.Context) ([]*Planned, error) {
	all, err := m.named(ctx)
	if err != nil {
		return nil, err
	}
	for _, p := range all {
		p.Job, p.special = p.String(), m.specialOf(p.Named)
		p.Partitions = p.special.Partitions
		p.Target = NamedIn(cmp.Or(p.special.Into, p.Database), cmp.Or(p.special.As, p.Collection))
	}
	return all, refuseTwice(all)
}

func (m *moving) named(ctx context.Context) (all []*Planned, err error) {
	if m.Source == nil {
		return m.exported(ctx)
	}
	names, err := m.Selection.Select(ctx, m.Source)
	if err != nil {
		return nil, err
	}
	ids, err := idsOf(ctx, m.Source, names)
	for _, n := range names {
		all = append(all, &Planned{Named: n, ID: ids[n]})
	}
	return all, err
}

// idsOf are the ids of collections, asked for database by database.
func idsOf(ctx context.Context, server *milvus.Server, names []Named) (map[Named]int64, error) {
	ids, asked := map[Named]int64{}, map[string]bool{}
	for _, n := range names {
		if asked[n.Database] {
			continue
		}
		asked[n.Database] = true
		there, err := server.In(n.Database).CollectionIDs(ctx)
		if err != nil {
			return nil, err
		}
		for name, id := range there {
			ids[Named{n.Database, name}] = id
		}
	}
	return ids, nil
}

// exported are the collections of the complete exports on the sink that are called as a move calls them, and meant.
func (m *moving) exported(ctx context.Context) (all []*Planned, err error) {
	jobs, err := checkpoint.List(ctx, m.Sink)
	if err != nil {
		return nil, err
	}
	rows, there := map[Named]int64{}, []Named(nil)
	for _, j := range jobs {
		if j.Kind != checkpoint.Export || j.State != checkpoint.Done {
			continue
		}
		p, err := exporter.ParamsOf(j)
		if err != nil {
			return nil, err
		}
		if n := NamedIn(p.Database, p.Collection); n.String() == j.Name {
			there, rows[n] = append(there, n), j.Done.Rows
		}
	}
	names, err := m.Selection.among(there, m.Sink.URL(""))
	for _, n := range names {
		all = append(all, &Planned{Named: n, Rows: rows[n], stored: rows[n]})
	}
	return all, err
}

func (m *moving) specialOf(n Named) Special {
	for _, s := range m.Special {
		if s.Named == n {
			return s
		}
	}
	return Special{Named: n}
}

// refuseTwice refuses two collections that would become one.
func refuseTwice(all []*Planned) error {
	to := map[Named]Named{}
	for _, p := range all {
		if other, twice := to[p.Target]; twice {
			return fmt.Errorf("%s and %s would both become %s on the target: give one of them another name", other, p.Named, p.Target)
		}
		to[p.Target] = p.Named
	}
	return nil
}

// examine finds out whether one collection can be moved. Of one that an earlier run has moved, and that is on both sides still, no more is
// asked.
func (m *moving) examine(ctx context.Context, p *Planned, before map[Named]Outcome) error {
	if o, ok := before[p.Named]; ok && o.State == Done && p.is(o) {
		there, err := m.stillThere(ctx, p)
		if err != nil || there {
			p.Before, p.Rows = &o, o.Rows
			return err
		}
		p.moved = o.Ended
	}
	for _, o := range before {
		if o.State == Done && o.ID == p.ID && p.ID != 0 && o.Named != p.Named {
			p.Notes = append(p.Notes, fmt.Sprintf("it was %s, and moved as that, before it was renamed", o.Named))
		}
	}
	if m.Source == nil {
		return m.exportFits(ctx, p)
	}
	coll, err := m.catalog.Describe(ctx, p.Database, p.Collection)
	if err != nil {
		return err
	}
	p.ID, p.aliases = coll.ID, coll.Aliases
	loan, _ := m.onSource(p).lent(m.made, coll)
	some, err := coll.Only(p.Partitions)
	if err != nil {
		return err
	}
	if p.load = loan.Before; !p.load.Whole(coll.Partitions) { // of what is loaded as a whole, the target has more than what is moved
		p.load.Partitions = (&model.Collection{Load: &p.load}).Among(p.Partitions).Load.Partitions
	}
	if err := m.countStored(ctx, p); err != nil {
		return err
	}
	if err := cmp.Or(m.readable(ctx, p, coll), m.fits(ctx, p, some)); err != nil {
		return err
	}
	if err := m.placed(ctx, p); err != nil {
		return err
	}
	return m.allowed(ctx, p, some)
}

// countStored asks for the rows of a collection, and of the partitions that are moved alone.
func (m *moving) countStored(ctx context.Context, p *Planned) (err error) {
	database := m.Source.In(p.Database)
	if p.stored, err = database.StoredRows(ctx, p.Collection); err != nil {
		return err
	}
	if p.Rows = p.stored; len(p.Partitions) > 0 {
		p.Notes = append(p.Notes, "of its partitions alone: "+strings.Join(p.Partitions, ", "))
		p.Rows, err = database.StoredRowsOf(ctx, p.Collection, p.Partitions)
	}
	return err
}

// is reports whether an outcome is of this collection as it is to be moved.
func (p *Planned) is(o Outcome) bool {
	return o.ID == p.ID && o.Target == p.Target && slices.Equal(o.Partitions, p.Partitions)
}

// stillThere reports whether the target has a collection that was moved, unless it is not asked.
func (m *moving) stillThere(ctx context.Context, p *Planned) (bool, error) {
	if m.Target == nil {
		return true, nil
	}
	return m.Target.In(p.Target.Database).Exists(ctx, p.Target.Collection)
}

// readable refuses what can't be exported, unless that was done already.
func (m *moving) readable(ctx context.Context, p *Planned, coll *model.Collection) error {
	if err := exporter.Carries(m.Source.Capabilities(), coll); err != nil {
		return err
	}
	if coll.Loaded || !m.reading(ctx, p) {
		return nil
	}
	unindexed := coll.Unindexed()
	switch {
	case len(unindexed) > 0 && p.Rows > 0:
		return fmt.Errorf("reading %q on %s, which has %d rows: %w on %s, so it can't be loaded",
			coll.Name, m.Source.Address, p.Rows, milvus.ErrNoIndex, strings.Join(unindexed, ", "))
	case len(unindexed) == 0 && m.loads(p):
		return m.checkMemory(p, coll)
	case len(unindexed) == 0 && !coll.Load.Released():
		return fmt.Errorf("reading %q on %s: %w", coll.Name, m.Source.Address, milvus.ErrPartly)
	case len(unindexed) == 0:
		return fmt.Errorf("reading %q on %s: %w as a whole", coll.Name, m.Source.Address, milvus.ErrNotLoaded)
	}
	return nil
}

// reading reports whether the source is to be asked for the rows of a collection.
func (m *moving) reading(ctx context.Context, p *Planned) bool {
	return m.Steps.Verify && m.FromSource || m.Steps.Export && m.Read == nil && !m.exportDone(ctx, p)
}

// loads reports whether a collection may be loaded for the time being.
func (m *moving) loads(p *Planned) bool { return m.Export.Load || p.special.Load }

func (m *moving) exportDone(ctx context.Context, p *Planned) bool {
	job, err := checkpoint.Read(ctx, m.Sink, checkpoint.Name(checkpoint.Export, p.Job, ""))
	return err == nil && job.State == checkpoint.Done
}

// exportFits refuses an export of a collection that can't be imported by its description, of which nothing is held on to.
func (m *moving) exportFits(ctx context.Context, p *Planned) error {
	if !m.Steps.Import {
		return nil
	}
	manifest, err := export.Read(ctx, m.Sink, p.Job)
	if err != nil {
		return err
	}
	coll := manifest.Collection.Milvus()
	if err := m.fits(ctx, p, coll); err != nil {
		return err
	}
	return m.mayMake(ctx, p, coll)
}

// fits refuses what can't be imported, unless that was begun: what is on the target may be of it then.
func (m *moving) fits(ctx context.Context, p *Planned, coll *model.Collection) error {
	if !m.Steps.Import || m.Target == nil {
		return nil
	}
	if m.Source != nil && m.Target.Address == m.Source.Address && p.Target == p.Named {
		return fmt.Errorf("%w: it is the source itself", importer.ErrTarget)
	}
	database, opts := m.Target.In(p.Target.Database), m.importOptions(p)
	keys, err := importer.Fits(ctx, database, coll, opts)
	if keys.Told != "" && !opts.KeepIDs {
		p.Notes = append(p.Notes, keys.Told)
	}
	if err == nil && asksToBulkInsert(database, opts) {
		err = lacking(ctx, database, p.Target.Collection, []need{bulkInsert})
	}
	if errors.Is(err, milvus.ErrNotFound) || err != nil && m.importBegun(ctx, p) { // a database that is not there is made
		return nil
	}
	return err
}

// importBegun reports whether the import that a move does of a collection was begun. One that is done, of an export that is to be made still, was
// of another one.
func (m *moving) importBegun(ctx context.Context, p *Planned) bool {
	state := m.importState(ctx, p)
	return state != checkpoint.Todo && (state != checkpoint.Done || !m.Steps.Export || m.exportDone(ctx, p))
}

// importState is how the job stands that imports a collection; checkpoint.Todo where there is none that could be read.
func (m *moving) importState(ctx context.Context, p *Planned) checkpoint.State {
	for _, store := range []sinks.Sink{m.Sink, m.Staging} { // what is inserted has its job on the sink
		if store == nil {
			continue
		}
		if job, err := p.readImport(ctx, store); err == nil {
			return job.Standing()
		}
	}
	return checkpoint.Todo
}

// readImport reads the job that imports a collection, where that is on a store.
func (p *Planned) readImport(ctx context.Context, store sinks.Sink) (*checkpoint.Job, error) {
	return checkpoint.ReadImport(ctx, store, p.Job, p.Target.Database, p.Target.Collection)
}

// inserted reports whether the rows of a collection were begun to be inserted, where the way was not said: its job lies on the sink then.
func (m *moving) inserted(ctx context.Context, p *Planned) (bool, error) {
	_, err := p.readImport(ctx, m.Sink)
	switch {
	case m.Import.Via != "", errors.Is(err, sinks.ErrNotExist):
		return false, nil
	case err == nil, errors.Is(err, checkpoint.ErrDamaged), errors.Is(err, checkpoint.ErrVersion):
		return true, nil
	}
	return false, err
}

// importOptions are those of one collection.
func (m *moving) importOptions(p *Planned) importer.Options {
	opts := m.Import
	opts.As = p.Target.Collection
	if len(p.special.IndexTypes) > 0 {
		opts.IndexTypes = p.special.IndexTypes
	}
	return opts
}

// outcome is an end of one collection.
func (p *Planned) outcome(s State, err error) Outcome {
	o := Outcome{
		Named: p.Named, ID: p.ID, Job: p.Job, Target: p.Target, Partitions: p.Partitions, State: s, Rows: p.Rows, Notes: slices.Clone(p.Notes), Err: err,
	}
	if err != nil {
		o.Error = err.Error()
	}
	return o
}
