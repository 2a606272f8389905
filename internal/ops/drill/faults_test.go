//go:build lab && faults

package drill_test

import (
	"testing"
	"time"

	"migrate/deploy/lab"
	"migrate/internal/milvus"
	"migrate/internal/ops/compose"
	"migrate/internal/ops/drill"
)

// TestDrilled kills one of two of each role of the lab's cluster under load: all becomes well again, and no acknowledged row
// is lost.
func TestDrilled(t *testing.T) {
	l, err := lab.Running(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	parts, err := drill.Containers(t.Context(), lab.Cluster{Lab: l}, []string{"querynode", "datanode", "proxy-1"}, compose.Kill)
	if err != nil {
		t.Fatal(err)
	}
	p := plan(parts...)
	p.Away, p.Settle = 30*time.Second, 10*time.Second
	report, err := p.Run(t.Context(), milvus.Config{Address: lab.Proxy1})
	if report != nil {
		for _, one := range report.Parts {
			for kind, f := range map[string]drill.Felt{"searches": one.Searches, "inserts": one.Inserts} {
				t.Logf("%s: %d of %d %s failed, P99 %v, %v, %v, longest gap %v, well again after %v", one.Part, f.Failed(), f.Calls(), kind,
					f.Before.Latency.P99, f.Away.Latency.P99, f.Back.Latency.P99, f.Gap(), f.Recovery)
			}
		}
		t.Logf("rows %+v", report.Rows)
	}
	if err != nil {
		t.Fatal(err)
	}
	// The proxy is the one that the calls go through.
	if proxy := report.Parts[2]; proxy.Searches.Failed() == 0 || proxy.Inserts.Failed() == 0 {
		t.Error("nothing was felt of a proxy that was killed")
	}
}
