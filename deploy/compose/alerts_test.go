//go:build compose

package compose

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"net"
	"os"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"migrate/internal/clock"
	"migrate/internal/milvus"
	"migrate/internal/ops/bench"
)

// TestAllAlerts brings about what the alerts are for that TestRunHA does not see fire, and waits until Prometheus tells of it. The
// stores are small, so that they can be filled; two of the sync's fire after a minute, and not after half an hour and six hours.
func TestAllAlerts(t *testing.T) {
	s := newStack(t)
	dir := t.TempDir()
	small := s.file(dir, "small.yaml", `
services:
  minio: {deploy: {resources: {limits: {memory: 3g}}}} # what its store holds counts as its memory
  etcd: {environment: {ETCD_QUOTA_BACKEND_BYTES: "`+itoa(etcdQuota)+`"}}
  prometheus: {volumes: ["`+s.quickerAlerts(dir)+`:/etc/prometheus/alerts.yml:ro"]}
volumes:
  minio: {driver_opts: {type: tmpfs, device: tmpfs, o: size=1g}}
`)
	s.more = []string{small, s.file(dir, "slow.yaml", `services: {sync: {environment: {MIGRATE_MAX_RATE: "10"}}}`)}
	s.step("lb, monitoring, standalone, migrate", func() { s.up("lb", "monitoring", "standalone", "migrate") })
	s.step("20,000 documents moved", func() {
		s.demo("seed", "--address", s.standalone(), "--rows", "20000")
		s.migrate("export")
		s.migrate("import")
	})
	s.step("a sync that compares ten rows a second: SyncNotThrough", func() {
		s.compose("--profile", "sync", "up", "--detach", "sync")
		s.awaitAlerts(5*time.Minute, "SyncNotThrough sync")
	})
	s.more = []string{small}
	s.step("a sync in step", func() { s.compose("--profile", "sync", "up", "--detach", "--wait", "sync") })
	s.step("inserts, and a narrow line to the query nodes: QueryNodesBehind", func() {
		nodes := []string{"milvus-querynode-1", "milvus-querynode-2"}
		end := s.insert()
		for _, node := range nodes {
			s.onLine(node, "add", "root", "tbf", "rate", "512kbit", "burst", "16kbit", "latency", "400ms")
		}
		s.awaitAlerts(10*time.Minute, "QueryNodesBehind ")
		for _, node := range nodes {
			s.onLine(node, "del", "root")
		}
		end()
	})
	s.step("the standalone stopped, the stores filled, the query nodes slowed: the rest", func() {
		s.compose("stop", "standalone")
		s.fillEtcd()
		s.docker("exec", "milvus-minio-1", "sh", "-c", `head -c $(($(stat -f -c '%a*%S-%b*%S/20' /data))) /dev/zero > /data/filled`)
		s.docker("update", "--cpus", "0.05", "milvus-querynode-1", "milvus-querynode-2")
		var loads []*searcher
		for range 8 {
			loads = append(loads, s.search())
		}
		s.awaitAlerts(25*time.Minute, "EtcdNearItsQuota etcd", "ObjectStoreNearlyFull ", "SearchSlow ", "SyncBehind sync")
		for _, load := range loads {
			load.halt()
		}
	})
	s.step("the sync stopped: SyncGone", func() {
		s.compose("--profile", "sync", "stop", "sync")
		s.awaitAlerts(10*time.Minute, "SyncGone ")
	})
	s.step("down, with the data", func() { s.compose("--profile", "sync", "down", "--volumes") })
}

// file writes a file of Compose or Prometheus, and returns its path.
func (s *stack) file(dir, name, text string) string {
	path := filepath.Join(dir, name)
	if err := os.WriteFile(path, []byte(text), 0o644); err != nil {
		s.t.Fatal(err)
	}
	return path
}

// quickerAlerts are the rules with a minute in place of half an hour and of hours.
func (s *stack) quickerAlerts(dir string) string {
	return s.file(dir, "alerts.yml", regexp.MustCompile(`for: (30m|6h)`).ReplaceAllString(read(s.t, "monitoring/alerts.yml"), "for: 1m"))
}

// insert inserts into a loaded collection, more than a narrow line to the query nodes carries, until it is ended; the collection
// is dropped then.
func (s *stack) insert() (end func()) {
	const rows, pause = 300, time.Second // half a megabyte of vectors each time
	name, vectors := bench.CollectionName(), bench.Vectors{Dim: 384}
	server, err := milvus.Connect(s.ctx, milvus.Config{Address: s.lb()})
	if err != nil {
		s.t.Fatal(err)
	}
	if err := bench.Create(s.ctx, server, name, vectors.Dim); err != nil {
		s.t.Fatal(err)
	}
	if err := bench.MakeSearchable(s.ctx, server, name, bench.Index{Type: "FLAT"}); err != nil {
		s.t.Fatal(err)
	}
	ctx, stop := context.WithCancel(s.ctx)
	var running sync.WaitGroup
	running.Go(func() {
		for first := int64(0); clock.Sleep(ctx, pause) == nil; first += rows {
			if err := bench.InsertBatch(ctx, server, name, vectors, first, rows); err != nil && ctx.Err() == nil {
				fmt.Println("          ", err)
			}
		}
	})
	halt := sync.OnceFunc(func() {
		stop()
		running.Wait()
		server.Close()
	})
	s.t.Cleanup(halt)
	return func() {
		halt()
		if err := bench.Drop(s.ctx, milvus.Config{Address: s.lb()}, name); err != nil { // and with it what is not read yet
			s.t.Fatal(err)
		}
	}
}

// onLine changes how the engine's machine sends to a container.
func (s *stack) onLine(container, verb string, qdisc ...string) {
	s.t.Helper()
	number, err := strconv.Atoi(strings.TrimSpace(s.docker("exec", container, "cat", "/sys/class/net/eth0/iflink")))
	if err != nil {
		s.t.Fatal(err)
	}
	line, err := net.InterfaceByIndex(number)
	if err != nil {
		s.t.Fatalf("the machine's end of the line to %s: %v", container, err)
	}
	s.run("", nil, "tc", append([]string{"qdisc", verb, "dev", line.Name}, qdisc...)...)
}

// etcdQuota is small enough to be nearly filled, in bytes.
const etcdQuota = 64 << 20

// fillEtcd puts values that nobody reads, until etcd is nearly at its quota, and not beyond it.
func (s *stack) fillEtcd() {
	value := bytes.Repeat([]byte("filled"), 1<<20/len("filled"))
	for i := 0; s.etcdSize() < etcdQuota*85/100; i++ {
		if _, err := s.engine.Docker(s.ctx, bytes.NewReader(value), "exec", "--interactive", "milvus-etcd-1", "etcdctl", "put", "filled/"+itoa(i)); err != nil {
			s.t.Fatal(err)
		}
	}
}

func (s *stack) etcdSize() int64 {
	var status []struct{ Status struct{ DBSize int64 } }
	text := s.docker("exec", "milvus-etcd-1", "etcdctl", "endpoint", "status", "--write-out", "json")
	if err := json.Unmarshal([]byte(text), &status); err != nil || len(status) != 1 {
		s.t.Fatalf("the size of etcd: %v in %s", err, text)
	}
	return status[0].Status.DBSize
}
