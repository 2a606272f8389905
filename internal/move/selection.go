package move

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"path"
	"slices"
	"strings"

	"migrate/internal/milvus"
)

// ErrNothing: a pattern matches nothing that is there.
var ErrNothing = errors.New("matches nothing")

// Selection says which collections of a server are meant. Patterns are those of path.Match.
type Selection struct {
	All         bool     // all databases, unless some are named
	Databases   []string // patterns; the one that was connected to where none is given
	Collections []string // patterns of names, or of database.collection; all where none is given
	Exclude     []string // patterns of the same kinds, of what is left out
}

// Named is a collection by its names. Database is empty for the default one.
type Named struct {
	Database   string `json:"database,omitempty"`
	Collection string `json:"collection"`
}

// String is the collection's name, after that of its database unless it is the default one. No name has a dot.
func (n Named) String() string {
	if n.Database == "" {
		return n.Collection
	}
	return n.Database + "." + n.Collection
}

// NamedIn is a collection of a database, which may be the default one by its name.
func NamedIn(database, collection string) Named { return Named{withoutDefault(database), collection} }

// Whole is database.collection, also in the default one: a pattern that it alone meets.
func (n Named) Whole() string { return withDefault(n.Database) + "." + n.Collection }

// matches reports whether a pattern of database.collection or of a collection's name is met.
func (n Named) matches(pattern string) bool {
	name := n.Collection
	if strings.Contains(pattern, ".") {
		name = n.Whole()
	}
	return matches(pattern, name)
}

// matches is path.Match of a pattern that was checked.
func matches(pattern, name string) bool {
	met, _ := path.Match(pattern, name)
	return met
}

// Select asks a server for what it has, a call a database, and returns the collections that are meant, sorted. ErrNothing names a
// pattern that matches none.
func (s Selection) Select(ctx context.Context, server *milvus.Server) ([]Named, error) {
	if err := s.check(); err != nil {
		return nil, err
	}
	databases, err := s.databases(ctx, server)
	if err != nil {
		return nil, err
	}
	all, err := list(ctx, server, databases)
	if err != nil {
		return nil, err
	}
	return s.of(all, server.Address)
}

// list lists the collections of databases.
func list(ctx context.Context, server *milvus.Server, databases []string) (all []Named, err error) {
	for _, database := range databases {
		names, err := server.In(database).Collections(ctx)
		if err != nil {
			return nil, err
		}
		for _, name := range names {
			all = append(all, Named{database, name})
		}
	}
	return all, nil
}

// meant are those of all that are meant, of which none need be there.
func (s Selection) meant(all []Named) []Named {
	met := func(patterns []string, n Named) bool { return slices.ContainsFunc(patterns, n.matches) }
	return slices.DeleteFunc(slices.Clone(all), func(n Named) bool {
		return len(s.Collections) > 0 && !met(s.Collections, n) || met(s.Exclude, n)
	})
}

// names reports whether a collection is meant by its own name, and not by a pattern alone.
func (s Selection) names(n Named) bool {
	return slices.Contains(s.Collections, n.Collection) || slices.Contains(s.Collections, n.Whole())
}

// databasesOf is databases where nothing need match a pattern.
func (s Selection) databasesOf(ctx context.Context, server *milvus.Server) ([]string, error) {
	if len(s.Databases) == 0 {
		return s.databases(ctx, server)
	}
	names, err := Selection{All: true}.databases(ctx, server)
	return slices.DeleteFunc(names, func(name string) bool {
		return !slices.ContainsFunc(s.Databases, func(pattern string) bool { return matches(pattern, withDefault(name)) })
	}), err
}

func withDefault(database string) string { return cmp.Or(database, milvus.DefaultDatabase) }

// check refuses what is no pattern.
func (s Selection) check() error {
	for _, pattern := range slices.Concat(s.Databases, s.Collections, s.Exclude) {
		if _, err := path.Match(pattern, ""); err != nil {
			return fmt.Errorf("pattern %q: %w", pattern, err)
		}
	}
	return nil
}

// databases are those that are meant, "" for the default one.
func (s Selection) databases(ctx context.Context, server *milvus.Server) ([]string, error) {
	if !s.All && len(s.Databases) == 0 {
		return []string{withoutDefault(server.Database())}, nil
	}
	names, err := server.Databases(ctx)
	if err != nil {
		return nil, err
	}
	if len(s.Databases) > 0 {
		if names, err = chosen(names, s.Databases, matches, "database", server.Address); err != nil {
			return nil, err
		}
	}
	for i, name := range names {
		names[i] = withoutDefault(name)
	}
	return names, nil
}

func withoutDefault(database string) string {
	if database == milvus.DefaultDatabase {
		return ""
	}
	return database
}

// of are those of all that are meant.
func (s Selection) of(all []Named, address string) (meant []Named, err error) {
	meets := func(pattern string, n Named) bool { return n.matches(pattern) }
	if meant = all; len(s.Collections) > 0 {
		if meant, err = chosen(all, s.Collections, meets, "collection", address); err != nil {
			return nil, err
		}
	}
	left, err := chosen(meant, s.Exclude, meets, "collection to be left out", address)
	if err != nil {
		return nil, err
	}
	meant = slices.DeleteFunc(slices.Clone(meant), func(n Named) bool { return slices.Contains(left, n) })
	slices.SortFunc(meant, Named.compare)
	return meant, nil
}

// chosen are those of all that meet a pattern, each of which has to be met.
func chosen[T any](all []T, patterns []string, meets func(string, T) bool, what, address string) (some []T, err error) {
	met := make([]bool, len(patterns))
	for _, one := range all {
		taken := false
		for i, pattern := range patterns {
			if meets(pattern, one) {
				met[i], taken = true, true
			}
		}
		if taken {
			some = append(some, one)
		}
	}
	if i := slices.Index(met, false); i >= 0 {
		return nil, fmt.Errorf("%s %q on %s: %w", what, patterns[i], address, ErrNothing)
	}
	return some, nil
}

// among are those of some exported collections that are meant, in all databases unless some are named. What is left out need not be there:
// it was left out by the export too.
func (s Selection) among(some []Named, where string) ([]Named, error) {
	if err := s.check(); err != nil {
		return nil, err
	}
	if len(s.Databases) > 0 {
		var err error
		in := func(pattern string, n Named) bool { return matches(pattern, withDefault(n.Database)) }
		if some, err = chosen(some, s.Databases, in, "database", where); err != nil {
			return nil, err
		}
	}
	out := s.Exclude
	s.Exclude = nil
	meant, err := s.of(some, where)
	return slices.DeleteFunc(meant, func(n Named) bool { return slices.ContainsFunc(out, n.matches) }), err
}

// MeansJob reports whether a job is of a collection that is meant, by its name, which is that of the collection.
func (s Selection) MeansJob(job string) bool {
	database, collection, within := strings.Cut(job, ".")
	if !within {
		database, collection = "", job
	}
	n := NamedIn(database, collection)
	in := len(s.Databases) == 0 || slices.ContainsFunc(s.Databases, func(pattern string) bool { return matches(pattern, withDefault(n.Database)) })
	return in && len(s.meant([]Named{n})) > 0
}

// compare orders by database and name.
func (n Named) compare(other Named) int {
	return cmp.Or(cmp.Compare(n.Database, other.Database), cmp.Compare(n.Collection, other.Collection))
}
