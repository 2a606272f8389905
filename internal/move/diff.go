package move

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"sync"

	"golang.org/x/sync/errgroup"

	"migrate/internal/milvus"
	"migrate/internal/model"
)

// Diff holds a server against another one in all but the rows of its collections: databases, collections, users and what they may do.
type Diff struct {
	Source, Target *milvus.Server
	Selection      Selection
	As             func(Named) Named // what a collection is called on the target; the same where nil
	// Partitions are those that are compared alone of a collection, which is named as on the source; all where none is, and where nil.
	Partitions func(Named) []string
	// IndexTypes are those that its indexes are to have on the target, by field; those that they have where there are none, and where nil.
	IndexTypes func(Named) map[string]string
	Workers    int // collections described at once; 8 where zero
}

// Told is one thing that there is to say, and of what.
type Told struct {
	Where string `json:"where"` // such as: collection news.docs
	Text  string `json:"text"`
}

// String is a line.
func (t Told) String() string { return t.Where + ": " + t.Text }

// DiffReport is what a Diff found. It grows with what differs, and not with what is there.
type DiffReport struct {
	Differences []Told `json:"differences"` // sorted
	NotCompared []Told `json:"not_compared,omitempty"`
	Databases   int    `json:"databases"` // that were compared, as the others
	Collections int    `json:"collections"`
	Users       int    `json:"users"`
	Roles       int    `json:"roles"`

	denied bool
}

// ErrNotCompared: a right was missing, so that nobody knows whether both are the same.
var ErrNotCompared = errors.New("not all could be compared")

// Err is model.ErrDiffers where there are differences, and ErrNotCompared where some may be that could not be seen.
func (r *DiffReport) Err() error {
	switch {
	case len(r.Differences) > 0:
		return model.ErrDiffers
	case r.denied:
		return ErrNotCompared
	}
	return nil
}

// Compare compares databases, then collections, then users and what they may do where all of the servers is meant.
func (d Diff) Compare(ctx context.Context) (*DiffReport, error) {
	if d.As == nil {
		d.As = func(n Named) Named { return n }
	}
	if d.IndexTypes == nil {
		d.IndexTypes = func(Named) map[string]string { return nil }
	}
	if d.Partitions == nil {
		d.Partitions = func(Named) []string { return nil }
	}
	c := &differ{
		Diff: d, source: milvus.NewCatalog(d.Source), target: milvus.NewCatalog(d.Target), has: map[string]bool{}, report: &DiffReport{Differences: []Told{}},
	}
	var err error
	if c.meant, err = c.Selection.Select(ctx, c.Source); err != nil {
		return nil, err
	}
	if err := c.databases(ctx); err != nil {
		return nil, err
	}
	if err := c.collections(ctx); err != nil {
		return nil, err
	}
	if d.Selection.All && len(d.Selection.Collections) == 0 {
		if err := c.access(ctx); err != nil {
			return nil, err
		}
	}
	sortTold(c.report.Differences)
	sortTold(c.report.NotCompared)
	return c.report, nil
}

func sortTold(told []Told) {
	slices.SortFunc(told, func(a, b Told) int { return strings.Compare(a.String(), b.String()) })
}

// differ is one comparison under way.
type differ struct {
	Diff
	source, target *milvus.Catalog
	meant          []Named         // collections of the source
	has            map[string]bool // the databases of the target, and whether they are meant
	mu             sync.Mutex
	report         *DiffReport
}

func (c *differ) differs(where, format string, args ...any) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.report.Differences = append(c.report.Differences, Told{where, fmt.Sprintf(format, args...)})
}

func (c *differ) notCompared(where, format string, args ...any) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.report.NotCompared = append(c.report.NotCompared, Told{where, fmt.Sprintf(format, args...)})
}

// passes takes what a user has no right to see for something that can't be compared, and hands on all other errors.
func (c *differ) passes(where string, err error) error {
	if !errors.Is(err, milvus.ErrPrivilege) {
		return err
	}
	c.notCompared(where, "%v", err)
	c.mu.Lock()
	defer c.mu.Unlock()
	c.report.denied = true
	return nil
}

// databases compares which there are where all of them are meant, and no collections by name, and the properties of those that both have.
func (c *differ) databases(ctx context.Context) error {
	source, err := c.Selection.databasesOf(ctx, c.Source)
	if err != nil {
		return err
	}
	if err := c.listTarget(ctx); err != nil {
		return err
	}
	only, named := maps.Clone(c.has), len(c.Selection.Collections) > 0
	for _, name := range source {
		as := c.As(Named{Database: name}).Database
		if _, is := c.has[as]; !is {
			if !named {
				c.differs(whereDatabase(as), "it is missing on the target")
			}
			continue
		}
		delete(only, as)
		c.report.Databases++
		if err := c.database(ctx, name, as); err != nil {
			return err
		}
	}
	for _, n := range c.meant { // which may be meant to be in another database there
		delete(only, c.As(n).Database)
	}
	for name, meant := range only {
		if meant && name != "" && !named {
			c.differs(whereDatabase(name), "it is on the target only")
		}
	}
	return nil
}

// listTarget lists the databases of the target, and which of them are meant.
func (c *differ) listTarget(ctx context.Context) error {
	meant, err := c.Selection.databasesOf(ctx, c.Target)
	if err != nil {
		return err
	}
	all := meant
	if c.Selection.All || len(c.Selection.Databases) > 0 {
		if all, err = (Selection{All: true}).databases(ctx, c.Target); err != nil {
			return err
		}
	}
	for _, name := range all {
		c.has[name] = slices.Contains(meant, name)
	}
	return nil
}

func whereDatabase(name string) string {
	if name == "" {
		name = milvus.DefaultDatabase
	}
	return "database " + name
}

func (c *differ) database(ctx context.Context, name, as string) error {
	want, err := c.Source.DescribeDatabase(ctx, withDefault(name))
	if err == nil {
		var have model.Database
		if have, err = c.Target.DescribeDatabase(ctx, withDefault(as)); err == nil {
			c.properties(want, have, whereDatabase(as))
		}
	}
	return c.passes(whereDatabase(as), err)
}

// properties are not compared where one of the servers keeps none of databases, unless the other one has none either.
func (c *differ) properties(want, have model.Database, where string) {
	differ := model.DatabasesDiffer(want, have)
	for _, text := range differ {
		if c.Source.Capabilities().DatabaseProperties && c.Target.Capabilities().DatabaseProperties {
			c.differs(where, "%s", text)
			continue
		}
		c.notCompared(where, "%s: one of the servers keeps no properties of databases", text)
	}
}

// collections compares those that are meant, several at once.
func (c *differ) collections(ctx context.Context) error {
	there, err := c.onTarget(ctx, c.meant)
	if err != nil {
		return err
	}
	workers, ctx := errgroup.WithContext(ctx)
	workers.SetLimit(max(c.Workers, 1))
	if c.Workers == 0 {
		workers.SetLimit(diffWorkers)
	}
	for _, n := range c.meant {
		as := c.As(n)
		if _, is := there[as]; !is {
			c.differs(whereCollection(as), "it is missing on the target")
			continue
		}
		delete(there, as)
		c.report.Collections++
		workers.Go(func() error { return c.collection(ctx, n, as) })
	}
	for n, meant := range there {
		switch as := c.As(n); {
		case !meant, as != n && c.Selection.names(n): // which names that of the source, and it is another there
		case as != n && slices.Contains(c.meant, n):
			c.differs(whereCollection(n), "it is on the target only: that of the source is %s there", as)
		default:
			c.differs(whereCollection(n), "it is on the target only")
		}
	}
	return workers.Wait()
}

// onTarget are the collections that are there, in all databases that something is meant or to be found in, and whether they are meant
// themselves.
func (c *differ) onTarget(ctx context.Context, source []Named) (map[Named]bool, error) {
	needed := maps.Clone(c.has)
	for _, n := range source {
		if as := c.As(n).Database; !needed[as] {
			_, needed[as] = c.has[as]
		}
	}
	databases := slices.DeleteFunc(slices.Sorted(maps.Keys(needed)), func(name string) bool { return !needed[name] })
	all, err := list(ctx, c.Target, databases)
	there := map[Named]bool{}
	for _, n := range all {
		there[n] = false
	}
	for _, n := range c.Selection.meant(all) {
		there[n] = true
	}
	return there, err
}

const diffWorkers = 8

func whereCollection(n Named) string { return "collection " + n.String() }

// collection compares two descriptions. What was dropped meanwhile is told of, and no error.
func (c *differ) collection(ctx context.Context, n, as Named) error {
	want, err := c.source.Describe(ctx, n.Database, n.Collection)
	if err == nil {
		want, err = want.Only(c.Partitions(n))
	}
	if err == nil {
		var have *model.Collection
		if have, err = c.target.Describe(ctx, as.Database, as.Collection); err == nil {
			for _, text := range model.CompareAll(want.AskedFor(c.IndexTypes(n)), have.Among(c.Partitions(n))).Texts(model.Refuses, model.Differs, model.Expected) {
				c.differs(whereCollection(as), "%s", text)
			}
		}
	}
	if errors.Is(err, milvus.ErrNotFound) {
		c.notCompared(whereCollection(as), "it was dropped meanwhile: %v", err)
		return nil
	}
	return c.passes(whereCollection(as), err)
}
