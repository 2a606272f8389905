//go:build lab && faults

package syncer_test

import (
	"fmt"
	"strings"
	"sync"
	"testing"
	"time"

	"migrate/internal/labtest"
	"migrate/internal/labtest/faulttable"
	"migrate/internal/milvus"
)

// TestSlowSource compares all rows of a source whose answers begin to take long: the sync rests before each call, and no more
// once they are quick again.
func TestSlowSource(t *testing.T) {
	t.Parallel()
	faulttable.Tried(t, "sync while a proxy begins to delay the source's answers by 0.7 s", 1, "rests before each read, and no more without the delay: every row compared")
	p := newLabPair(t, plain(id))
	const rows, rangeRows = 8000, 500
	labtest.Insert(t, p.Source, p.Name, "", at(1, upTo(0, rows)...))
	labtest.Insert(t, p.Target, p.Name, "", at(1, upTo(0, rows)...))
	proxy := labtest.Proxy(t, p.Source.Address)
	p.Source = connect(t, proxy.Listen)
	// pass knows of nothing before it, and reads all rows.
	passes := 0
	pass := func(of string) (longest time.Duration) {
		passes++
		opts := p.Options()
		opts.Job, opts.RangeRows = fmt.Sprint("j", passes), rangeRows
		rest, began := watchRest(p.Source), time.Now()
		reports, err := p.Sync(t, opts)
		took := time.Since(began)
		longest = rest()
		if err != nil {
			t.Fatal(err)
		}
		t.Logf("a pass of %s source took %v, with rests of up to %v", of, took, longest)
		if read := reports[0].Read; read < rows {
			t.Errorf("only %d rows were read", read)
		}
		return longest
	}
	pass("a quick")
	if rest := pass("a quick"); rest != 0 {
		t.Errorf("rests of %v before the source was slow", rest)
	}
	const late = 700 * time.Millisecond
	toxic := fmt.Sprintf(`{"name": "late", "type": "latency", "stream": "downstream", "attributes": {"latency": %d}}`, late.Milliseconds())
	if _, err := proxy.Toxics.AddToxicJson(strings.NewReader(toxic)); err != nil {
		t.Fatal(err)
	}
	if rest := pass("a slow"); rest < late {
		t.Errorf("rests of %v at most before calls that take %v", rest, late)
	}
	if err := proxy.Toxics.RemoveToxic(t.Context(), "late"); err != nil {
		t.Fatal(err)
	}
	for range 3 {
		pass("a quick")
	}
	if rest := p.Source.Rest(); rest > 0 {
		t.Errorf("still rests of %v, though the source is quick again", rest)
	}
}

// watchRest looks at what a server's calls wait, until it is asked for the longest.
func watchRest(server *milvus.Server) (longest func() time.Duration) {
	var most time.Duration
	quit := make(chan struct{})
	var running sync.WaitGroup
	running.Go(func() {
		for {
			most = max(most, server.Rest())
			select {
			case <-quit:
				return
			case <-time.After(10 * time.Millisecond):
			}
		}
	})
	return func() time.Duration { close(quit); running.Wait(); return most }
}
