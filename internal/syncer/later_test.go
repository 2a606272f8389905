package syncer_test

import (
	"testing"

	"migrate/internal/labtest"
	"migrate/internal/syncer"
)

// TestLater syncs from, and switches, servers that do not tell the rows of their segments, so that nothing but a comparison
// proves that nothing was written; from 2.5 on they are read as of one instant.
func TestLater(t *testing.T) {
	t.Parallel()
	for _, version := range []string{"v2.4.15", "v2.5.4"} {
		t.Run(version, func(t *testing.T) {
			t.Parallel()
			p := newServers(t, version, plain(id)).pair
			if p.source.Capabilities().SegmentRows {
				t.Fatal("it tells the rows of its segments")
			}
			labtest.Insert(t, p.source, p.name, "", at(1, upTo(0, 2000)...))
			p.wantSync(t)
			labtest.Upsert(t, p.source, p.name, at(2, 7, 700, 1400))
			labtest.Insert(t, p.source, p.name, "", at(1, upTo(2000, 2100)...))
			labtest.Delete(t, p.source, p.name, "id in [8, 701]")
			p.wantSync(t)
			p.wantEqual(t)

			labtest.Upsert(t, p.source, p.name, at(3, 9))
			p.wantCertificate(t, p.wantSwitch(t, soon(syncer.Target)), 2098)
			labtest.Upsert(t, p.target, p.name, at(4, 10))
			p.wantSwitch(t, soon(syncer.Source))
			p.wantServing(t, syncer.Source)
			p.wantEqual(t)
		})
	}
}
