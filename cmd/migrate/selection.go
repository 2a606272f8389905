package main

import (
	"fmt"
	"path"
	"slices"

	"migrate/internal/move"
)

// selectionSettings say which collections of a server are meant, where it is not one alone.
var selectionSettings = []setting{
	{"all", false, "all collections of all databases"},
	{"database", []string{}, "all collections of a database; may be given several times, and be a pattern such as 'news*'"},
	{"exclude", []string{}, "a collection that is left out, or database.collection; may be given several times, and be a pattern"},
}

// selects reports whether collections are meant otherwise than by the name of one.
func (c config) selects() bool { return c.All || len(c.Databases) > 0 || len(c.Exclude) > 0 }

// selection is which collections are meant.
func (c config) selection() (move.Selection, error) {
	s := move.Selection{All: c.All, Databases: c.Databases, Exclude: c.Exclude}
	if c.Collection != "" {
		s.Collections = []string{c.Collection}
	}
	if c.selects() && (c.Source.Database != "" || c.Target.Database != "") {
		return s, usageError{fmt.Errorf("source.database and target.database are for the move of one collection, or of one database; beside --all, --database or --exclude they mean nothing")}
	}
	for _, pattern := range slices.Concat(s.Databases, s.Collections, s.Exclude) {
		if _, err := path.Match(pattern, ""); err != nil {
			return s, usageError{fmt.Errorf("pattern %q: %w", pattern, err)}
		}
	}
	return s, nil
}
