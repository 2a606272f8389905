package cutover_test

import (
	"errors"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/milvus-io/milvus-proto/go-api/v2/commonpb"

	"migrate/internal/cutover"
	"migrate/internal/labtest/pairs"
	"migrate/internal/model"
	"migrate/internal/syncer"
)

// TestCutoverBesideDuplicates refuses to switch while keys have several rows, and says which; or switches where that is allowed, and the
// certificate bears it.
func TestCutoverBesideDuplicates(t *testing.T) {
	t.Parallel()
	m := pairs.Start(t, "v2.3.5", "v2.3.5", pairs.Numbered())
	m.From.Sealed(t, m.Name, numbered(0, 300, 1))
	m.To.Sealed(t, m.Name, numbered(0, 300, 1))
	for seed := range uint64(4) {
		m.From.Sealed(t, m.Name, numbered(0, 250, 10+seed))
	}
	m.WantSync(t)
	how := cutover.Options{To: syncer.Target, Still: time.Millisecond}
	_, err := cutover.Run(t.Context(), m.Source, m.Target, m.Sink, m.Options(), how)
	if !errors.Is(err, cutover.ErrDuplicates) || !strings.Contains(err.Error(), "id in [0, 1, 2, 3, 4, 5, 6, 7, 8, 9]") {
		t.Fatalf("a cutover beside duplicate keys: %v", err)
	}
	how.AllowDuplicates = true
	done, err := cutover.Run(t.Context(), m.Source, m.Target, m.Sink, m.Options(), how)
	if err != nil {
		t.Fatal(err)
	}
	page, err := done.Certificate.HTML()
	if err != nil {
		t.Fatal(err)
	}
	if !done.Certificate.AllowedDuplicates || !strings.Contains(string(page), "duplicate keys") {
		t.Errorf("the certificate does not bear it: %t\n%s", done.Certificate.AllowedDuplicates, page)
	}

	// The way back is kept: the side that was left gets one row of each key, whatever share of its rows goes by that.
	opts := m.Options()
	opts.DiscardLate = true
	if _, err := m.Sync(t, opts); err != nil {
		t.Fatal(err)
	}
	if r := m.Compare(t); !r.Equal || r.Left.Rows != 300 || r.But() != "" {
		t.Errorf("after the sync back: %d rows, %q, %+v", r.Left.Rows, r.But(), r.Rows)
	}
}

// TestDescribedOtherwise keeps no target in step that would lose the rows or answer otherwise, and switches to none that differs
// unless told to.
func TestDescribedOtherwise(t *testing.T) {
	t.Parallel()
	index := func(params ...string) func(*model.Collection) {
		return func(c *model.Collection) {
			x := c.Indexes[0]
			x.Params = nil
			for kv := range slices.Chunk(params, 2) {
				x.Params = append(x.Params, &commonpb.KeyValuePair{Key: kv[0], Value: kv[1]})
			}
			c.Indexes = []model.Index{x}
		}
	}
	for name, test := range map[string]struct {
		change  func(target *model.Collection)
		says    string
		refused bool // whatever is allowed
	}{
		"time to live": {func(c *model.Collection) {
			c.Properties = []*commonpb.KeyValuePair{{Key: "collection.ttl.seconds", Value: "30"}}
		}, "removes rows 30s after", true},
		"metric": {index("index_type", "FLAT", "metric_type", "COSINE"), "metric_type COSINE instead of L2", true},
		"index":  {index("index_type", "IVF_FLAT", "metric_type", "L2"), "index_type IVF_FLAT instead of FLAT", false},
		"a name": {func(c *model.Collection) { x := c.Indexes[0]; x.Name = "other"; c.Indexes = []model.Index{x} }, "", false},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			m := pairs.Start(t, "v2.3.5", "v2.3.5", pairs.Numbered(), test.change)
			m.From.Sealed(t, m.Name, numbered(0, 200, 1))
			m.To.Sealed(t, m.Name, numbered(0, 200, 1))
			_, err := m.Sync(t, m.Options())
			if errors.Is(err, syncer.ErrTarget) != test.refused || err != nil && !strings.Contains(err.Error(), test.says) {
				t.Errorf("a sync: %v", err)
			}
			how := cutover.Options{To: syncer.Target, Still: time.Millisecond}
			if _, err = cutover.Run(t.Context(), m.Source, m.Target, m.Sink, m.Options(), how); (err == nil) != (test.says == "") || err != nil && !strings.Contains(err.Error(), test.says) {
				t.Errorf("a cutover: %v", err)
			}
			how.AllowDifferences = true
			if _, err = cutover.Run(t.Context(), m.Source, m.Target, m.Sink, m.Options(), how); (err != nil) != test.refused {
				t.Errorf("a cutover that may differ: %v", err)
			}
			if r := m.Compare(t); r.Equal != (test.says == "") || !r.SameRows() {
				t.Errorf("equal %t, the same rows %t, %+v", r.Equal, r.SameRows(), r.Described)
			}
		})
	}
}
