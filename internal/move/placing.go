package move

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"sync"

	"migrate/internal/milvus"
	"migrate/internal/model"
)

// placing is what is known of where a target loads collections: its resource groups and databases are asked for once, and only where that
// matters. The zero value is useful.
type placing struct {
	mu        sync.Mutex
	groups    []string // of the target
	databases []string // of the target
	of        map[string]model.Database
}

// placed tells, before anything is changed, of replicas that can't be in resource groups of the same names, since the target has none of those.
func (m *moving) placed(ctx context.Context, p *Planned) error {
	if !m.Steps.Import || m.Target == nil || m.Import.IntoExisting {
		return nil
	}
	if len(p.load.Groups) > 0 {
		there, err := m.placing.groupsOf(ctx, m.Target)
		if err != nil {
			return err
		}
		if note := groupsLacking(p.load, there); note != "" {
			p.Notes = append(p.Notes, note)
		}
	}
	there, err := m.placing.hasDatabase(ctx, m.Target, p.Target.Database)
	if there || err != nil {
		return err
	}
	_, note, err := m.placing.database(ctx, m.Source, m.Target, p.Database)
	if note != "" {
		p.Notes = append(p.Notes, "its database on the target: "+note)
	}
	return err
}

// groupsOf are the target's resource groups.
func (k *placing) groupsOf(ctx context.Context, target *milvus.Server) (_ []string, err error) {
	k.mu.Lock()
	defer k.mu.Unlock()
	if k.groups == nil {
		k.groups, err = target.ResourceGroups(ctx)
	}
	return k.groups, err
}

// hasDatabase asks nothing where it is the one that is always there: a login may not be allowed to ask.
func (k *placing) hasDatabase(ctx context.Context, target *milvus.Server, name string) (_ bool, err error) {
	if name == "" {
		return true, nil
	}
	k.mu.Lock()
	defer k.mu.Unlock()
	if k.databases == nil {
		k.databases, err = target.Databases(ctx)
	}
	return slices.Contains(k.databases, name), err
}

// describe is a database of the source with its properties.
func (k *placing) describe(ctx context.Context, source *milvus.Server, name string) (d model.Database, err error) {
	k.mu.Lock()
	defer k.mu.Unlock()
	d, known := k.of[name]
	if known {
		return d, nil
	}
	if d, err = source.DescribeDatabase(ctx, name); err != nil {
		return d, err
	}
	if k.of == nil {
		k.of = map[string]model.Database{}
	}
	k.of[name] = d
	return d, nil
}

// database is what one of the target is to be made like: as it is on the source, where that is asked, but for resource groups that the target
// has not, in which it could load nothing. Of those it is said.
func (k *placing) database(ctx context.Context, source, target *milvus.Server, from string) (_ model.Database, note string, err error) {
	if source == nil || from == "" || !target.Capabilities().DatabaseProperties {
		return model.Database{}, "", nil
	}
	is, err := k.describe(ctx, source, from)
	named := is.Groups()
	if err != nil || len(named) == 0 || !target.Capabilities().Replicas { // to a Milvus Lite they mean nothing
		return is, "", err
	}
	there, err := k.groupsOf(ctx, target)
	if err != nil {
		return is, "", err
	}
	lacks := without(named, there)
	if len(lacks) == 0 {
		return is, "", nil
	}
	return is.WithoutGroups(), fmt.Sprintf("made without its resource groups %s, since there is no %s",
		strings.Join(named, ", "), strings.Join(lacks, ", ")), nil
}
