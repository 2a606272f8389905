package move

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"slices"

	"migrate/internal/milvus"
	"migrate/internal/model"
)

// before makes what the collections of a move need on the target: their databases, and where all of a server is moved those without any.
// Those of one that can't be made can't be moved. What there is to say of users and rights is found out, too.
func (m *moving) before(ctx context.Context, all []*Planned) error {
	if !m.Steps.Import {
		return nil
	}
	there, err := m.Target.Databases(ctx)
	if err != nil {
		return err
	}
	if err := m.planAccess(ctx, all); err != nil {
		return err
	}
	failed := map[string]error{}
	for _, p := range all {
		into := p.Target.Database
		if p.Before != nil || p.Err != nil || into == "" || slices.Contains(there, into) {
			continue
		}
		if _, tried := failed[into]; !tried {
			failed[into] = m.makeDatabase(ctx, p.Database, into)
		}
		p.Err = failed[into]
	}
	return m.otherDatabases(ctx, there, failed)
}

// otherDatabases makes those that no collection is moved into, where all of the source or of some databases is meant, and tells of those that
// are there with other properties.
func (m *moving) otherDatabases(ctx context.Context, there []string, tried map[string]error) error {
	if whole := (m.Selection.All || len(m.Selection.Databases) > 0) && len(m.Selection.Collections) == 0; !whole || m.Source == nil {
		return context.Cause(ctx)
	}
	names, err := m.Selection.databasesOf(ctx, m.Source)
	if err != nil {
		return err
	}
	for _, name := range names {
		into := m.as(Named{Database: name}).Database
		_, made := tried[into]
		switch {
		case made:
		case into == "" || slices.Contains(there, into):
			err = m.holdDatabase(ctx, name, into)
		default:
			err = m.makeDatabase(ctx, name, into)
		}
		if err != nil {
			m.tell("%s: %v", whereDatabase(into), err)
		}
	}
	return context.Cause(ctx)
}

// holdDatabase tells how a database that is there differs from that of the source.
func (m *moving) holdDatabase(ctx context.Context, name, into string) error {
	want, err := m.Source.DescribeDatabase(ctx, withDefault(name))
	if err != nil {
		return err
	}
	have, err := m.Target.DescribeDatabase(ctx, withDefault(into))
	if err != nil {
		return err
	}
	for _, text := range model.DatabasesDiffer(want, have) {
		m.tell("%s is there, and left as it is: its %s", whereDatabase(into), text)
	}
	return nil
}

// tell adds to what is said of the move as a whole.
func (m *moving) tell(format string, args ...any) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.notes = append(m.notes, fmt.Sprintf(format, args...))
}

// as is what a collection, or a database, is called on the target.
func (m *moving) as(n Named) Named {
	if n.Collection != "" {
		s := m.specialOf(n)
		return Named{withoutDefault(cmp.Or(s.Into, n.Database)), cmp.Or(s.As, n.Collection)}
	}
	return n
}

// PlanAccess says what is to be done about users and rights, where they are moved; nil where they are not. It changes nothing.
func (m Move) PlanAccess(ctx context.Context) (*AccessPlan, error) {
	if m.Access == nil || m.Target == nil {
		return nil, nil
	}
	mv := m.begin()
	if err := mv.open(); err != nil {
		return nil, err
	}
	databases, err := m.Source.Databases(ctx)
	if err != nil {
		return nil, err
	}
	return mv.accessMove(databases).plan(ctx)
}

// planAccess finds out what is to be done about users, before anything is changed.
func (m *moving) planAccess(ctx context.Context, all []*Planned) (err error) {
	if m.Access == nil || m.Source == nil {
		return nil
	}
	making := []string{}
	for _, p := range all {
		making = append(making, withDefault(p.Target.Database))
	}
	m.access, err = m.accessMove(making).plan(ctx)
	if errors.Is(err, milvus.ErrPrivilege) { // the rows are moved all the same
		m.denied, err = err, nil
	}
	return err
}

func (m *moving) accessMove(making []string) accessMove {
	return accessMove{Access: *m.Access, source: m.Source, target: m.Target, as: m.as, record: m.record, making: making}
}

// after moves users and rights, once the rows are there.
func (m *moving) after(ctx context.Context, report *Report) (err error) {
	report.Notes = append(report.Notes, m.notes...)
	switch {
	case m.denied != nil:
		report.Access = &AccessReport{Failed: []Told{{"users and roles", m.denied.Error()}}}
	case m.access != nil:
		report.Access, err = m.accessMove(nil).make(ctx, m.access)
	}
	return err
}

// complete makes of a collection whose rows were seen to be equal what it is on the source: what its aliases name, and loaded as there.
func (m *moving) complete(ctx context.Context, p *Planned) (notes []string, err error) {
	if !m.Steps.Import || !m.Steps.Verify || m.Source == nil {
		return nil, nil
	}
	target := m.Target.In(p.Target.Database)
	if notes, err = pointAliases(ctx, target, p.Target.Collection, p.aliases); err != nil || m.Import.IntoExisting {
		return notes, err
	}
	more, err := loadLike(ctx, target, p.Target.Collection, p.load)
	return append(notes, more...), err
}

// makeDatabase makes a database with the properties that its collections' has on the source, where the source is asked. Another process may
// have made it meanwhile.
func (m *moving) makeDatabase(ctx context.Context, from, into string) error {
	wanted, note, err := m.placing.database(ctx, m.Source, m.Target, from)
	if err != nil {
		return err
	}
	if note != "" {
		m.tell("%s: %s", whereDatabase(into), note)
	}
	wanted.Name = into
	err = m.Target.CreateDatabase(ctx, wanted)
	if err == nil {
		return nil
	}
	if there, again := m.Target.Databases(ctx); again == nil && slices.Contains(there, into) {
		return nil
	}
	return err
}
