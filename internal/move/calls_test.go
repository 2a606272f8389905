package move

import (
	"context"
	"fmt"
	"path"
	"runtime"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/milvus-io/milvus-proto/go-api/v2/schemapb"

	"migrate/exporter"
	"migrate/internal/labtest"
	"migrate/internal/labtest/memory"
	"migrate/internal/milvus"
	store "migrate/sinks/memory"
)

// crowded is a server with many released collections, whose calls are counted. In the midst of them it looks how much memory is in use.
type crowded struct {
	*milvus.Server
	mu    sync.Mutex
	calls int
	live  []uint64 // bytes that were in use whenever it looked
}

// looks is after how many descriptions a crowded server looks at the memory.
const looks = 50

// crowd starts one, of a description that takes some 15 kB. It wants a login, as one does where rights count.
func crowd(t *testing.T, collections int) *crowded {
	t.Helper()
	s := memory.Start(t, "v2.3.5")
	s.Login = "mover:secret"
	fields := []*schemapb.FieldSchema{labtest.IntKey("id"), labtest.Vector("v", schemapb.DataType_FloatVector, 2)}
	for i := range 12 {
		f := labtest.Field(fmt.Sprintf("f%d", i), schemapb.DataType_Int64)
		f.Description = strings.Repeat("x", 1000)
		fields = append(fields, f)
	}
	wide := labtest.Collection(labtest.Schema(fields...), "_default", "p1", "p2")
	c := &crowded{Server: s.Client(t)}
	for i := range collections {
		one := *wide
		one.Database, one.Name = "news", fmt.Sprintf("c%03d", i)
		s.Add(t, &one)
		must(t, c.In("news").Release(t.Context(), one.Name))
	}
	described := 0
	s.Watch(func(_ context.Context, method string) {
		c.mu.Lock()
		defer c.mu.Unlock()
		switch path.Base(method) {
		case "Connect":
			return
		case "DescribeCollection":
			if described++; described%looks == 0 {
				c.live = append(c.live, inUse())
			}
		}
		c.calls++
	})
	return c
}

// inUse is how many bytes of memory are in use, when what is not has been collected: once more for what is pooled.
func inUse() uint64 {
	runtime.GC()
	runtime.GC()
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	return m.HeapAlloc
}

// took is what was asked since it was last asked for, and what was in use in the middle of that: what grows with the collections has grown to
// its half by then.
func (c *crowded) took() (calls int, live uint64) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if slices.Sort(c.live); len(c.live) > 0 {
		live = c.live[len(c.live)/2]
	}
	calls = c.calls
	c.calls, c.live = 0, nil
	return calls, live
}

// TestCallsOfMany plans and compares 1,000 released collections by at most six calls for each, and in memory that does not grow with what
// they are: half of them take less than a third of their descriptions.
func TestCallsOfMany(t *testing.T) {
	const few, many, perCollection = 100, 1000, 3 << 10
	plan := func(source, target *crowded) (int, error) {
		planned, err := Move{
			Source: source.Server, Target: target.Server, Sink: &store.Sink{}, Selection: Selection{All: true}, Steps: Steps{Export: true, Import: true},
			Export: exporter.Options{Load: true},
		}.Plan(t.Context())
		for _, p := range planned {
			if p.Err != nil {
				t.Fatal(p.Err)
			}
		}
		return len(planned), err
	}
	diff := func(source, target *crowded) (int, error) {
		report, err := Diff{Source: source.Server, Target: target.Server, Selection: Selection{All: true}}.Compare(t.Context())
		if err == nil && len(report.Differences) > 0 {
			t.Errorf("%+v", report.Differences)
		}
		return report.Collections, err
	}
	type sides struct{ source, target *crowded }
	servers := map[int]sides{few: {crowd(t, few), crowd(t, few)}, many: {crowd(t, many), crowd(t, many)}}
	empty := crowd(t, 0)
	for _, c := range []struct {
		title  string
		do     func(source, target *crowded) (int, error)
		target func(sides) *crowded
		most   int // calls to both for a collection
	}{
		{"a plan", plan, func(sides) *crowded { return empty }, 6},
		{"a plan of what is there already", plan, func(s sides) *crowded { return s.target }, 9},
		{"a diff", diff, func(s sides) *crowded { return s.target }, 6},
	} {
		live := map[int]uint64{}
		for _, n := range []int{few, many} {
			source, target := servers[n].source, c.target(servers[n])
			before := inUse()
			if done, err := c.do(source, target); err != nil || done != n {
				t.Fatalf("%s: %d collections, %v", c.title, done, err)
			}
			ofSource, middle := source.took()
			ofTarget, _ := target.took()
			if most := c.most*n + 40; ofSource+ofTarget > most || ofSource > 6*n || ofTarget > 6*n {
				t.Errorf("%s of %d: %d calls to the source and %d to the target", c.title, n, ofSource, ofTarget)
			}
			live[n] = middle - min(middle, before)
			t.Logf("%s of %d: %d and %d calls, %d bytes more in use than before", c.title, n, ofSource, ofTarget, live[n])
		}
		if live[many] > live[few]+(many-few)*perCollection {
			t.Errorf("%s takes %d bytes of %d collections, and %d of %d", c.title, live[few], few, live[many], many)
		}
	}
}
