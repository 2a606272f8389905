package syncer_test

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"testing"

	"github.com/milvus-io/milvus-proto/go-api/v2/commonpb"
	"github.com/milvus-io/milvus-proto/go-api/v2/schemapb"

	"migrate/internal/labtest"
	"migrate/internal/labtest/faulttable"
	"migrate/internal/labtest/memory"
	"migrate/internal/labtest/pairs"
	"migrate/internal/milvus"
	"migrate/internal/model"
	"migrate/internal/syncer"
)

// keptIDs starts a source and a target of versions, with a collection of auto ids on both, which take those that rows bring.
func keptIDs(t *testing.T, source, target string) pairs.Servers {
	t.Helper()
	c := labtest.Collection(plain(labtest.IntKey("id")))
	c.Schema.Fields[0].AutoID = true
	c.Properties = []*commonpb.KeyValuePair{{Key: "allow_insert_auto_id", Value: "true"}}
	return pairs.Start(t, source, target, c)
}

// TestAutoIDs keeps a target in step that takes auto ids as rows bring them, with their keys; others are refused, and it is said what helps.
func TestAutoIDs(t *testing.T) {
	t.Parallel()
	for version, says := range map[string]string{
		"v2.3.5": "import with --keep-ids", "v2.5.18": "import with --keep-ids", "v2.5.19": "", "v2.6.2": "import with --keep-ids", "v2.6.3": "", "v3.0.0": "",
		memory.Lite3: "", memory.Lite25: "import with --keep-ids",
	} {
		t.Run(version, func(t *testing.T) {
			t.Parallel()
			p := keptIDs(t, "v2.6.4", version)
			p.From.Sealed(t, p.Name, at(1, upTo(0, 300)...))
			_, err := p.Sync(t, p.Options())
			if says != "" {
				if !errors.Is(err, syncer.ErrTarget) || !strings.Contains(err.Error(), says) || strings.Contains(err.Error(), "allow_insert_auto_id") {
					t.Errorf("%v, want it to say %q", err, says)
				}
				return
			}
			if err != nil {
				t.Fatal(err)
			}
			labtest.Delete(t, p.Source, p.Name, in(upTo(10, 60)))
			p.From.Growing(t, p.Name, at(2, upTo(20, 50)...))
			p.From.Growing(t, p.Name, at(2, upTo(300, 320)...))
			p.WantSync(t)
			p.WantEqual(t)
			if n := count(t, p.Target, p.Name); n != 300 {
				t.Errorf("the target has %d rows of 300", n)
			}
		})
	}
}

// TestAutoIDsUnset: a target that could keep auto ids, and was not told to, is refused with what to do.
func TestAutoIDsUnset(t *testing.T) {
	t.Parallel()
	p := newServersOf(t, "v2.6.4", func(c *model.Collection) { c.Schema.Fields[0].AutoID = true })
	if _, err := p.Sync(t, p.Options()); !errors.Is(err, syncer.ErrTarget) || !strings.Contains(err.Error(), "the property allow_insert_auto_id") {
		t.Error(err)
	}
}

func newServersOf(t *testing.T, version string, change func(*model.Collection)) pairs.Servers {
	t.Helper()
	c := labtest.Collection(plain(labtest.IntKey("id")))
	change(c)
	return pairs.Start(t, version, version, c)
}

// TestCreateAutoIDs: a sync that makes the collection keeps auto ids where the target can, and no id of a row is given again there; elsewhere
// it makes the keys explicit ones.
func TestCreateAutoIDs(t *testing.T) {
	t.Parallel()
	for version, auto := range map[string]bool{"v2.3.5": false, "v2.5.18": false, "v2.5.19": true, "v2.6.3": true, memory.Lite3: false} {
		t.Run(version, func(t *testing.T) {
			t.Parallel()
			p := newServersOf(t, "v2.5.10", func(c *model.Collection) { c.Schema.Fields[0].AutoID = true })
			p.Target = memory.Start(t, version).Client(t)
			p.From.Sealed(t, p.Name, at(1, upTo(0, 100)...))
			opts := p.Options()
			opts.BaseDone, opts.Create = false, true
			if _, err := p.Sync(t, opts); err != nil {
				t.Fatal(err)
			}
			if made := labtest.Describe(t, p.Target, p.Name); model.AutoID(made.Schema) != auto {
				t.Errorf("made with auto ids: %t", !auto)
			}
			p.WantEqual(t)
		})
	}
}

// dyingWriter is the target of a process that dies at one of its writes: that one is made or not, and no later one is.
type dyingWriter struct {
	*milvus.Server
	at, calls int
	heard     bool
	last      string // the write that it died at
}

func (d *dyingWriter) Insert(ctx context.Context, collection, partition string, rows []*schemapb.FieldData, n int) error {
	return d.die("insert", func() error { return d.Server.Insert(ctx, collection, partition, rows, n) })
}

func (d *dyingWriter) Delete(ctx context.Context, collection, partition, filter string) error {
	return d.die("delete", func() error { return d.Server.Delete(ctx, collection, partition, filter) })
}

func (d *dyingWriter) Upsert(context.Context, string, string, []*schemapb.FieldData, int) error {
	return errors.New("an upsert would give the rows other keys")
}

func (d *dyingWriter) die(write string, do func() error) error {
	d.calls++
	if d.at == 0 || d.calls < d.at {
		return do()
	}
	if d.calls == d.at {
		if d.last = write; d.heard {
			return errors.Join(do(), errBroken)
		}
	}
	return errBroken
}

// missingOf counts keys that the target has no row of.
func missingOf(t *testing.T, p pairs.Servers, keys []int64) int64 {
	t.Helper()
	there, err := open(t, p.Target, p.Name).CountKeys(t.Context(), model.AllPartitions, labtest.Each(len(keys), func(i int) model.Key { return model.IntKey(keys[i]) }))
	if err != nil {
		t.Fatal(err)
	}
	return int64(len(keys)) - there
}

// TestAutoIDsKilled has a sync die at each write to a target that keeps auto ids, before and after it was made: between the delete of a row and
// its insert the row is missing there, and the next cycle brings it. No row is there twice, and none is lost.
func TestAutoIDsKilled(t *testing.T) {
	t.Parallel()
	change := func(p pairs.Servers) {
		changed := upTo(40, 80)
		labtest.Delete(t, p.Source, p.Name, in(changed))
		p.From.Growing(t, p.Name, at(2, changed...))
		labtest.Delete(t, p.Source, p.Name, in(upTo(0, 5)))
		p.From.Growing(t, p.Name, at(2, upTo(1000, 1020)...))
	}
	begin := func(t *testing.T) pairs.Servers {
		p := keptIDs(t, "v2.6.4", "v2.6.4")
		p.RangeRows = 50
		p.From.Sealed(t, p.Name, at(1, upTo(0, 200)...))
		p.WantSync(t)
		change(p)
		return p
	}
	whole := &dyingWriter{}
	p := begin(t)
	whole.Server = p.Target
	opts := p.Options()
	opts.Writer = whole
	if _, err := p.Sync(t, opts); err != nil {
		t.Fatal(err)
	}
	p.WantEqual(t)
	if whole.calls < 4 {
		t.Fatalf("%d writes show little", whole.calls)
	}
	between := 0
	for n := range whole.calls {
		for _, heard := range []bool{false, true} {
			t.Run(fmt.Sprintf("write %d heard %t", n+1, heard), func(t *testing.T) {
				p := begin(t)
				dying := &dyingWriter{Server: p.Target, at: n + 1, heard: heard}
				opts := p.Options()
				opts.Writer = dying
				if _, err := p.Sync(t, opts); err == nil {
					t.Fatal("it never came to that write")
				}
				faulttable.Tried(t, "sync onto auto ids: died before or after a "+dying.last, 1, "the next cycle brings the target in step: every row once, with its key")
				if missingOf(t, p, upTo(40, 80)) > 0 {
					between++
				}
				p.WantSync(t)
				p.WantEqual(t)
				if n := count(t, p.Target, p.Name); n != 215 {
					t.Errorf("the target has %d rows of 215", n)
				}
			})
		}
	}
	if between == 0 {
		t.Error("it never died between a delete and its insert")
	}
}
