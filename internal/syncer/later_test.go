//go:build lab

package syncer_test

import (
	"testing"

	"migrate/checkpoint"
	"migrate/internal/labtest"
	"migrate/internal/labtest/double"
	"migrate/internal/milvus"
)

// TestLater syncs from, and switches, servers that do not tell the rows of their segments, so that nothing but a comparison
// proves that nothing was written; from 2.5 on they are read as of one instant. Doubles of them, before the lab's cluster.
func TestLater(t *testing.T) {
	t.Parallel()
	for _, version := range []string{"v2.4.15", "v2.5.4"} {
		t.Run(version, func(t *testing.T) {
			t.Parallel()
			server, err := milvus.Connect(t.Context(), milvus.Config{Address: labtest.Later(t, double.Config{Version: version}).Address})
			if err != nil {
				t.Fatal(err)
			}
			t.Cleanup(func() { server.Close() })
			if server.Capabilities().SegmentRows {
				t.Fatal("it tells the rows of its segments")
			}
			p := pair{server, labtest.Source(t), "", labtest.Local(t)}
			c := labtest.Collection(plain(id))
			p.name = c.Name
			labtest.Create(t, p.source, c)
			labtest.Create(t, p.target, c)
			labtest.Insert(t, p.source, p.name, "", at(1, upTo(0, 2000)...))
			p.wantSync(t)
			labtest.Upsert(t, p.source, p.name, at(2, 7, 700, 1400))
			labtest.Insert(t, p.source, p.name, "", at(1, upTo(2000, 2100)...))
			labtest.Delete(t, p.source, p.name, "id in [8, 701]")
			p.wantSync(t)
			p.wantEqual(t)

			labtest.Upsert(t, p.source, p.name, at(3, 9))
			p.wantCertificate(t, p.wantSwitch(t, soon(checkpoint.Target)), 2098)
			labtest.Upsert(t, p.target, p.name, at(4, 10))
			p.wantSwitch(t, soon(checkpoint.Source))
			p.wantServing(t, checkpoint.Source)
			p.wantEqual(t)
		})
	}
}
