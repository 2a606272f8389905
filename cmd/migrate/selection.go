package main

import (
	"cmp"
	"fmt"
	"path"
	"slices"
	"strings"

	"migrate/internal/model"
	"migrate/internal/move"
)

// selectionSettings say which collections of a server are meant, where it is not one alone.
var selectionSettings = []setting{
	{"all", false, "all collections of all databases"},
	{"database", []string{}, "all collections of a database; may be given several times, and be a pattern such as 'news*'"},
	{"exclude", []string{}, "a collection that is left out, or database.collection; may be given several times, and be a pattern"},
}

// moveConfig is what the file says of one collection of a move.
type moveConfig struct {
	Collection string   `json:"collection"` // of the default database, or database.collection
	As         string   `json:"as,omitempty"`
	Database   string   `json:"database,omitempty"` // of the target
	Index      string   `json:"index,omitempty"`
	Load       bool     `json:"load,omitempty"`
	Partitions []string `json:"partitions,omitempty"`
}

// plain is the collection that is named, where it is one, and no pattern.
func (c config) plain() string {
	if len(c.Collections) != 1 || strings.ContainsAny(c.Collections[0], `*?[\`) {
		return ""
	}
	return c.Collections[0]
}

// requireOne refuses a command about one collection that names none, or one that there can't be.
func (c config) requireOne() error {
	database, name, within := strings.Cut(c.Collection, ".")
	if !within {
		return require("collection", c.Collection)
	}
	return usageError{fmt.Errorf("collection %q: no name has a dot. Say --collection %s, and its database by --source-database %s (the target's by --target-database); "+
		"or, where many may be meant, --database %s --collection %s", c.Collection, name, database, database, name)}
}

// selects reports whether collections are meant otherwise than by the name of one.
func (c config) selects() bool {
	return c.All || len(c.Databases)+len(c.Exclude) > 0 || c.Collection == "" && len(c.Collections)+len(c.Moves) > 0
}

// selection is which collections are meant: where the file lists moves, and nothing else is said, it is these.
func (c config) selection() (move.Selection, error) {
	s := move.Selection{All: c.All, Databases: c.Databases, Collections: c.Collections, Exclude: c.Exclude}
	if len(c.Collections) == 0 && c.Collection != "" {
		s.Collections = []string{c.Collection}
	}
	if !c.All && len(c.Databases)+len(s.Collections)+len(c.Exclude) == 0 {
		for _, m := range c.Moves {
			s.All, s.Collections = true, append(s.Collections, m.from().Whole())
		}
	}
	if c.selects() && (c.Source.Database != "" || c.Target.Database != "") {
		return s, usageError{fmt.Errorf("source.database and target.database are for the move of one collection, or of one database; where many are selected they mean nothing: say --database")}
	}
	for _, pattern := range slices.Concat(s.Databases, s.Collections, s.Exclude) {
		if _, err := path.Match(pattern, ""); err != nil {
			return s, usageError{fmt.Errorf("pattern %q: %w", pattern, err)}
		}
	}
	return s, nil
}

// from is the collection that a move is of.
func (m moveConfig) from() move.Named {
	database, collection, within := strings.Cut(m.Collection, ".")
	if !within {
		return move.Named{Collection: m.Collection}
	}
	return move.NamedIn(database, collection)
}

// specials are what the file says of single collections.
func (c config) specials() (specials []move.Special, err error) {
	for _, m := range c.Moves {
		if m.Collection == "" {
			return nil, usageError{fmt.Errorf("moves: each has a collection, as in {collection: shop.users, as: customers}")}
		}
		types, err := model.ParseIndexTypes(m.Index)
		if err != nil {
			return nil, usageError{fmt.Errorf("moves, %s: %w", m.Collection, err)}
		}
		specials = append(specials, move.Special{Named: m.from(), As: m.As, Into: m.Database, IndexTypes: types, Load: m.Load, Partitions: model.ChosenPartitions(m.Partitions)})
	}
	return specials, nil
}

// checkNames refuses what no target takes, of the names that are given for it.
func (c config) checkNames() error {
	given := []string{c.As}
	for _, m := range c.Moves {
		given = append(given, m.As, m.Database)
	}
	for _, name := range given {
		if name == "" {
			continue
		}
		if err := model.CheckName(name); err != nil {
			return usageError{err}
		}
	}
	return nil
}

// partitions are those of a collection that are meant alone, by what the file says of it; all where it names none.
func (c config) partitionsOf(n move.Named) []string {
	for _, m := range c.Moves {
		if m.from() == n {
			return model.ChosenPartitions(m.Partitions)
		}
	}
	return nil
}

// moved is what a collection is called on the target, by what the file says of it.
func (c config) moved(n move.Named) move.Named {
	for _, m := range c.Moves {
		if m.from() == n {
			return move.NamedIn(cmp.Or(m.Database, n.Database), cmp.Or(m.As, n.Collection))
		}
	}
	return n
}
