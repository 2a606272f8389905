package cutover_test

import (
	"testing"

	"migrate/internal/labtest"
	"migrate/internal/labtest/pairs"
	"migrate/internal/syncer"
)

// TestLater syncs from, and switches, servers of later lines: from 2.4 on what was deleted is told as segments of level 0, and from 2.5
// on they are read as of one instant.
func TestLater(t *testing.T) {
	t.Parallel()
	for _, version := range []string{"v2.4.15", "v2.5.4"} {
		t.Run(version, func(t *testing.T) {
			t.Parallel()
			p := pair{pairs.Start(t, version, "v2.3.5", labtest.Collection(plain(id)))}
			labtest.Insert(t, p.Source, p.Name, "", at(1, upTo(0, 2000)...))
			p.WantSync(t)
			labtest.Upsert(t, p.Source, p.Name, at(2, 7, 700, 1400))
			labtest.Insert(t, p.Source, p.Name, "", at(1, upTo(2000, 2100)...))
			labtest.Delete(t, p.Source, p.Name, "id in [8, 701]")
			p.WantSync(t)
			p.WantEqual(t)

			labtest.Upsert(t, p.Source, p.Name, at(3, 9))
			p.wantCertificate(t, p.wantSwitch(t, soon(syncer.Target)), 2098)
			labtest.Upsert(t, p.Target, p.Name, at(4, 10))
			p.wantSwitch(t, soon(syncer.Source))
			p.WantServing(t, syncer.Source)
			p.WantEqual(t)
		})
	}
}
