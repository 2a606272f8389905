//go:build lab

package main

import (
	"context"
	"path/filepath"
	"testing"

	"migrate/internal/labtest"
)

// TestCutover switches to the target and back, as docs/sync.md shows.
func TestCutover(t *testing.T) {
	t.Parallel()
	name, from, sync := moved(t, 2000)
	to, alias := labtest.Target(t), labtest.Name()
	migrate(t, nil, cutoverOf(sync, "--rollback")...).want(t, exitFailed, "serves already", "the source serves")
	migrate(t, nil, cutoverOf(sync, "--alias", name)...).want(t, exitFailed, "collection's own name", "give another alias")
	migrate(t, nil, cutoverOf(sync, "--still-for", "soon")...).want(t, exitUsage, "still-for")
	labtest.Insert(t, from, name, "", documentRows(2000, 2100))
	r := migrate(t, nil, cutoverOf(sync, "--alias", alias)...)
	r.want(t, exitOK, "the target serves: 2,100 rows", "connect to "+toTarget[1]+" instead of "+toSource[1], alias, "certificate:", "--rollback")
	t.Cleanup(func() {
		if err := to.PointAlias(context.WithoutCancel(t.Context()), alias, ""); err != nil {
			t.Error(err)
		}
	})
	if pages, err := filepath.Glob(filepath.Join(folderOf(sync), name, "certificate-*.html")); err != nil || len(pages) != 1 {
		t.Errorf("certificates: %v, %v", pages, err)
	}
	migrate(t, nil, cutoverOf(sync)...).want(t, exitOK, "switched before", "the target serves")
	migrate(t, nil, args("status", sink, folderOf(sync))...).want(t, exitOK, "the target serves")
	migrate(t, nil, args("jobs", "rm", "--job", name, sink, folderOf(sync), "--force=false")...).want(t, exitFailed, "--force")

	labtest.Insert(t, to, name, "", documentRows(2100, 2200))
	migrate(t, nil, args(sync, "--once")...).want(t, exitOK, "target to source", "100 rows inserted")
	verifySides(t, name)
	migrate(t, nil, cutoverOf(sync, "--rollback")...).want(t, exitOK, "the source serves: 2,200 rows", "connect to "+toSource[1])
	migrate(t, nil, args("status", sink, folderOf(sync))...).want(t, exitOK, "the source serves")
}
