package checkpoint

import (
	"context"
	"errors"
	"fmt"
	"io"
	"iter"
	"path"
	"slices"
	"strings"
	"sync/atomic"
	"testing"

	"migrate/sinks"
	"migrate/sinks/faults"
	"migrate/sinks/memory"
)

// counting is a sink that counts the documents that are read, and refuses to list everything.
type counting struct {
	*sinks.Local
	t     *testing.T
	loads atomic.Int64
}

func (c *counting) Load(ctx context.Context, name string) ([]byte, sinks.Version, error) {
	c.loads.Add(1)
	return c.Local.Load(ctx, name)
}

func (c *counting) List(ctx context.Context, prefix string) iter.Seq2[sinks.Info, error] {
	if !strings.HasPrefix(prefix, root) {
		c.t.Errorf("all of %q is listed", prefix)
	}
	return c.Local.List(ctx, prefix)
}

func finish(t *testing.T, sink sinks.Sink, kind Kind, job, collection string) {
	t.Helper()
	_, h, err := Acquire(t.Context(), sink, Name(kind, job, collection), Fresh{Kind: kind, Name: job, Params: params{Collection: collection}})
	if err != nil {
		t.Fatal(err)
	}
	plan(t, h, 1)
	do(t, h, 1)
	release(t, h, Done)
}

func putObject(t *testing.T, sink sinks.Sink, name string) {
	t.Helper()
	_, err := sink.Put(t.Context(), name, func(w io.Writer) error { _, err := io.WriteString(w, "x"); return err })
	if err != nil {
		t.Fatal(err)
	}
}

// TestList reads the documents of all jobs and no part, and again only those that were written meanwhile.
func TestList(t *testing.T) {
	local, err := sinks.NewLocal(t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	finish(t, local, Export, "a", "")
	finish(t, local, Sync, "a", "docs")
	finish(t, local, Import, "b", "docs")
	finish(t, local, Export, "gone", "")
	damage(t, local, Object("a/sync-docs"))
	if err := local.Delete(t.Context(), oldObject("gone/export")); err != nil {
		t.Fatal(err)
	}
	putObject(t, local, "a/_default/part-00000.parquet")
	sink := &counting{Local: local, t: t}
	lister := &Lister{Sink: sink}
	shown := func() (all []string) {
		jobs, err := lister.List(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		for _, j := range jobs {
			all = append(all, fmt.Sprintf("%s %s %s", j.Kind, j.Name, j.State))
		}
		return all
	}
	want := []string{"export a done", " a failed", "import b done"}
	if got := shown(); !slices.Equal(got, want) {
		t.Errorf("listed %q, want %q", got, want)
	}
	before := sink.loads.Load()
	if got := shown(); !slices.Equal(got, want) || sink.loads.Load()-before != 2 { // of the one that is damaged
		t.Errorf("listed %q after %d reads", got, sink.loads.Load()-before)
	}
	finish(t, local, Export, "a", "")
	before = sink.loads.Load()
	if got := shown(); !slices.Equal(got, want) || sink.loads.Load()-before != 4 {
		t.Errorf("listed %q after %d reads", got, sink.loads.Load()-before)
	}
}

// TestRemove removes all of a job, and nothing of another one.
func TestRemove(t *testing.T) {
	for _, job := range []string{"a", "_migrate"} {
		sink := &memory.Sink{}
		for _, some := range []string{job, job + "2", "b"} {
			finish(t, sink, Export, some, "")
			finish(t, sink, Sync, some, "docs")
			putObject(t, sink, some+"/_default/part-00000.parquet")
		}
		_, h, err := Acquire(t.Context(), sink, Name(Export, job, ""), Fresh{Kind: Export, Name: job})
		if err != nil {
			t.Fatal(err)
		}
		plan(t, h, 1)
		do(t, h, 1)
		release(t, h, Failed)
		if err := Remove(t.Context(), sink, job); err != nil {
			t.Fatal(err)
		}
		left := 0
		for info := range sink.List(t.Context(), "") {
			if name := strings.TrimPrefix(strings.TrimPrefix(info.Name, jobsFolder), plansFolder); strings.HasPrefix(name, job+"/") {
				t.Errorf("%s: left %s", job, info.Name)
			}
			left++
		}
		if left != 2*5 {
			t.Errorf("%s: %d objects are left", job, left)
		}
	}
}

// TestRemoveKilled: a removal that is killed at any time can be given again, and no job of that name takes up what it left.
func TestRemoveKilled(t *testing.T) {
	nothing := faults.Call(func(context.Context) error { return nil })
	for nth := 0; ; nth++ {
		store := &memory.Sink{}
		_, h := acquire(t, store, fresh())
		plan(t, h, 3)
		do(t, h, 2)
		release(t, h, Failed)
		putObject(t, store, "docs/_default/part-00000.parquet")
		sink := faults.Wrap(store)
		sink.Queue(faults.Delete, append(slices.Repeat([]faults.Fault{nothing}, nth), faults.Error(errBroken))...)
		if err := Remove(t.Context(), sink, "docs"); err == nil {
			break
		}
		names, err := Names(t.Context(), store, "docs")
		if err != nil {
			t.Fatal(err)
		}
		for _, folder := range []string{"docs/", plansFolder, chunksFolder} {
			for left := range store.List(t.Context(), folder) {
				if len(names) == 0 {
					t.Errorf("killed at %d: no job, and %s", nth, left.Name)
				}
			}
		}
		_, h, err = Acquire(t.Context(), store, name, fresh())
		if err != nil {
			if !errors.Is(err, ErrDamaged) || len(names) == 0 {
				t.Errorf("killed at %d: %v", nth, err)
			}
			continue
		}
		if done := h.Job().Done; nth > 0 && done.Parts != 0 {
			t.Errorf("killed at %d: done %+v", nth, done)
		}
		release(t, h, Failed)
	}
}

// TestImportOf calls the imports of an export into several databases apart, and one that was begun under the plain name as it was.
func TestImportOf(t *testing.T) {
	const plain, inDefault, inNews = "j/import-t", "j/import-default.t", "j/import-news.t"
	for title, c := range map[string]struct {
		there             map[string]string // the databases of imports, by their names
		cut               string            // of which the document is damaged
		ofDefault, ofNews string
	}{
		"none":                         {nil, "", plain, inNews},
		"into the default one":         {map[string]string{plain: ""}, "", plain, inNews},
		"into the default one by name": {map[string]string{plain: "default"}, "", plain, inNews},
		"into another, of before":      {map[string]string{plain: "news"}, "", inDefault, plain},
		"into a third, of before":      {map[string]string{plain: "shop"}, "", inDefault, inNews},
		"the one of before is gone":    {map[string]string{inDefault: ""}, "", inDefault, inNews},
		"damaged":                      {map[string]string{plain: "news"}, plain, plain, plain},
	} {
		sink := &memory.Sink{}
		for name, database := range c.there {
			_, h, err := Acquire(t.Context(), sink, name, Fresh{Kind: Import, Name: "j", Params: map[string]string{"database": database}})
			if err != nil {
				t.Fatal(err)
			}
			plan(t, h, 1)
			do(t, h, 1)
			release(t, h, Done)
		}
		if c.cut != "" {
			putObject(t, sink, Object(c.cut))
		}
		for database, want := range map[string]string{"": c.ofDefault, "default": c.ofDefault, "news": c.ofNews} {
			if got, err := ImportOf(t.Context(), sink, "j", database, "t"); err != nil || got != want {
				t.Errorf("%s: into %q it is called %q, want %q: %v", title, database, got, want, err)
			}
		}
	}
	if _, within := ImportNames("j", strings.Repeat("d", 255), strings.Repeat("c", longestCollection)); len(path.Base(Object(within))) > 235 {
		t.Errorf("%d bytes: %s", len(within), within)
	}
}
