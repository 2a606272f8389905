package move

import (
	"context"
	"slices"

	"migrate/internal/model"
)

// before makes what the collections of a move need on the target: their databases. Those of one that can't be made can't be moved.
func (m *moving) before(ctx context.Context, all []*Planned) error {
	if !m.Steps.Import {
		return nil
	}
	there, err := m.Target.Databases(ctx)
	if err != nil {
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
	return context.Cause(ctx)
}

// makeDatabase makes a database with the properties that its collections' has on the source, where the source is asked. Another process may
// have made it meanwhile.
func (m *moving) makeDatabase(ctx context.Context, from, into string) error {
	wanted := model.Database{Name: into}
	if m.Source != nil && from != "" {
		is, err := m.Source.DescribeDatabase(ctx, from)
		if err != nil {
			return err
		}
		wanted.Properties = is.Properties
	}
	err := m.Target.CreateDatabase(ctx, wanted)
	if err == nil {
		return nil
	}
	if there, again := m.Target.Databases(ctx); again == nil && slices.Contains(there, into) {
		return nil
	}
	return err
}
