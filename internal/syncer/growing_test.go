//go:build lab

package syncer_test

import (
	"testing"
	"time"

	"migrate/internal/labtest"
	"migrate/internal/syncer"
)

// TestChangedAmongMany changes a few rows here and there, which moves no count. They are found in the growing segments, and
// no other row is read.
func TestChangedAmongMany(t *testing.T) {
	t.Parallel()
	p := newPair(t, plain(id))
	labtest.Insert(t, p.source, p.name, "", at(1, upTo(0, 5000)...))
	p.wantSync(t)
	p.waitSealed(t)
	p.wantQuiet(t)
	before := p.segments(t)

	labtest.Upsert(t, p.source, p.name, at(2, 17, 18, 2503, 4999))
	reports := p.wantSync(t)
	p.wantEqual(t)
	if done := total(reports); done != (syncer.Outcome{Changed: 4}) {
		t.Errorf("applied: %+v", done)
	}
	if compacted := !containsAll(p.segments(t), before); !compacted && reports[0].Read != 4 {
		t.Errorf("%d of 5000 rows were read, in %d ranges; 4 were changed", reports[0].Read, reports[0].Ranges)
	}
}

// waitSealed waits until the source has loaded all rows as sealed segments, which takes it some seconds after a flush.
func (p pair) waitSealed(t *testing.T) {
	t.Helper()
	for deadline := time.Now().Add(2 * time.Minute); time.Now().Before(deadline); time.Sleep(time.Second) {
		r := open(t, p.source, p.name)
		if rows(t, r.Sealed()) == rows(t, r) {
			return
		}
	}
	t.Fatal("the source has not loaded all rows as sealed segments")
}
