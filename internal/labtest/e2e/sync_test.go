//go:build lab && faults

package e2e

import (
	"context"
	"errors"
	"testing"
	"time"

	toxiproxy "github.com/Shopify/toxiproxy/v2"

	"migrate/deploy/lab"
	"migrate/internal/clock"
	"migrate/internal/labtest"
	"migrate/internal/labtest/faulttable"
	"migrate/internal/milvus"
	"migrate/internal/syncer"
	"migrate/internal/verify"
)

// beyondLease is longer than a lease holds that is not renewed.
const beyondLease = 35 * time.Second

// TestSyncOutages has the source, the target and the store of the checkpoint go away and come back, each in turn, while rows
// are written: the sync goes on by itself, and brings the target in step. The store is away for so long that the job is
// lost, and taken again.
func TestSyncOutages(t *testing.T) {
	t.Parallel()
	faulttable.Tried(t, "sync: a proxy cuts it off from source, target or checkpoint for longer than a lease", 1, "it goes on by itself")
	from, to := labtest.Source(t), labtest.Target(t)
	c := labtest.Collection(narrow())
	labtest.Create(t, from, c)
	labtest.Create(t, to, c)
	standalone, cluster, minio := labtest.Proxy(t, lab.Standalone), labtest.Proxy(t, lab.Proxy1), labtest.Proxy(t, lab.MinIO)
	w := world{standalone: standalone.Listen, cluster: cluster.Listen, minio: minio.Listen, folder: "outages-" + c.Name}
	labtest.EmptyLater(t, lab.ExportBucket, w.folder)

	ctx, stop := context.WithCancel(t.Context())
	defer stop()
	cycles := make(chan syncer.Report, 1000)
	opts := syncer.Options{
		Job: "j", Collection: c.Name, BaseDone: true, Interval: 200 * time.Millisecond, Cycled: func(r syncer.Report) { cycles <- r },
	}
	ended := make(chan error, 1)
	go func() {
		ended <- syncer.Run(ctx, impatient(t, w.standalone), impatient(t, w.cluster), w.sink(t, lab.ExportBucket), opts)
	}()
	next := int64(0)
	for _, away := range []struct {
		*toxiproxy.Proxy
		longer time.Duration // after a cycle has failed
	}{{standalone, 0}, {cluster, 0}, {minio, beyondLease}, {standalone, 0}} {
		awaitStep(t, cycles, ended)
		away.Stop()
		labtest.Insert(t, from, c.Name, "", narrowRows(labtest.Each(500, func(i int) int64 { return next + int64(i) })))
		next += 500
		awaitCycle(t, cycles, ended, func(r syncer.Report) bool { return r.Err != nil })
		if err := clock.Sleep(ctx, away.longer); err != nil {
			t.Fatal(err)
		}
		if err := away.Start(); err != nil {
			t.Fatal(err)
		}
	}
	awaitStep(t, cycles, ended)
	stop()
	if err := <-ended; !errors.Is(err, context.Canceled) {
		t.Error(err)
	}
	wantEqual(t, compare(t, side(t, from, c.Name), side(t, to, c.Name), verify.Options{}), next)
}

// impatient gives up on a server that is away after a second.
func impatient(t *testing.T, address string) *milvus.Server {
	server, err := milvus.Connect(t.Context(), milvus.Config{Address: address, RetryFor: time.Second})
	if err != nil {
		t.Error(err)
		return nil
	}
	t.Cleanup(func() { server.Close() })
	return server
}

func awaitStep(t *testing.T, cycles <-chan syncer.Report, ended <-chan error) {
	t.Helper()
	awaitCycle(t, cycles, ended, func(r syncer.Report) bool { return r.InStep })
}

// awaitCycle waits for a cycle that begins after the call, or ends badly with it.
func awaitCycle(t *testing.T, cycles <-chan syncer.Report, ended <-chan error, wanted func(syncer.Report) bool) {
	t.Helper()
	since, deadline := time.Now(), time.After(labtest.Patience)
	for {
		select {
		case r := <-cycles:
			if begun := time.Now().Add(-r.Took); wanted(r) && (r.Err != nil || begun.After(since)) {
				return
			}
			t.Logf("cycle %d: in step %t, %+v, %v", r.Cycle, r.InStep, r.Outcome, r.Err)
		case err := <-ended:
			t.Fatalf("the sync ended by itself: %v", err)
		case <-deadline:
			t.Fatal("it did not happen in time")
		}
	}
}
