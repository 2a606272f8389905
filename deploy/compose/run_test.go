//go:build compose

package compose

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"strings"
	"testing"
	"time"

	"github.com/milvus-io/milvus-sdk-go/v2/client"

	"migrate/internal/ingest"
	"migrate/internal/labtest/faulttable"
)

// TestCluster brings the base up from nothing and moves a collection to it: what CI has time for.
func TestCluster(t *testing.T) {
	s := newStack(t)
	s.step("the base, a standalone and migrate, from nothing", func() { s.up("standalone", "migrate") })
	s.step("20,000 documents into the standalone", func() { s.demo("seed", "--address", s.standalone(), "--rows", "20000") })
	for _, command := range []string{"export", "import", "verify"} {
		s.step("migrate "+command+", from its image", func() { s.migrate(command) })
	}
	s.step("down, with the data", func() { s.compose("down", "--volumes") })
}

// TestRunCluster brings the files up on a Docker engine of its own, with images made from packages, and uses what came up
// as someone would who moves to a cluster. `make compose-test` runs it, as root.
func TestRunCluster(t *testing.T) {
	s := newStack(t)
	s.step("the base, from nothing", func() { s.up() })
	all := []string{"lb", "monitoring", "standalone", "migrate"}
	s.step("with "+strings.Join(all, ", "), func() { s.up(all...) })
	s.step("nginx -t, promtool check config, promtool test rules", s.checkConfigurations)
	s.step("every role of every service is scraped", s.awaitTargets)

	s.step("20,000 documents into the standalone", func() { s.demo("seed", "--address", s.standalone(), "--rows", "20000") })
	s.step("migrate export, import, verify: from its image, through nginx", func() {
		s.migrate("export")
		s.migrate("import")
		s.migrate("verify")
	})
	s.step("the same answers from both sides", func() { s.demo("search", "--left", s.standalone(), "--right", s.lb()) })
	s.step("the sync daemon, from its image, in step", s.sync)

	load := s.search()
	s.step("every query of every dashboard has data", s.awaitDashboards)
	s.step("the sync daemon goes", func() { s.compose("--profile", "sync", "rm", "--stop", "--force", "sync") })
	s.step("it comes back as a unit of systemd", s.unit)
	s.scale("querynode", 4, "querycoord", "milvus_querycoord_querynode_num")
	s.scale("querynode", 2, "querycoord", "milvus_querycoord_querynode_num")
	s.scale("datanode", 3, "datacoord", "milvus_datacoord_datanode_num")
	s.scale("proxy", 3, "rootcoord", "milvus_rootcoord_proxy_num")
	s.step("nginx sends searches to the third proxy", func() { s.await("a search at the third proxy", s.thirdProxySearched) })
	load.end(t)
	s.step("what was added is scraped too", s.awaitTargets)

	s.step("down", func() { s.compose("down") })
	s.step("up again", func() { s.up(all...) })
	s.step("the data is still there", func() {
		s.await("verify", func(ctx context.Context) error { return s.tryMigrate(ctx, "verify") })
	})
	s.step("down, with the data", func() { s.compose("down", "--volumes") })
}

// TestAllOverlays brings up every combination of the overlays from nothing.
func TestAllOverlays(t *testing.T) {
	s := newStack(t)
	choice := []string{"ha", "lb", "monitoring", "standalone", "migrate"}
	for bits := range 1 << len(choice) {
		var overlays []string
		for i, name := range choice {
			if bits>>i&1 == 1 {
				overlays = append(overlays, name)
			}
		}
		s.step("base "+strings.Join(overlays, " "), func() { s.up(overlays...) })
		s.compose("down", "--volumes")
	}
}

// TestAllKills kills one container of each kind under an import and a load of searches. The import ends well, no search fails
// beyond the client's patience, and what it took is noted for docs/deploy.md.
func TestAllKills(t *testing.T) {
	s := newStack(t)
	s.step("ha, lb, monitoring, standalone, migrate", func() { s.up("ha", "lb", "monitoring", "standalone", "migrate") })
	s.step("20,000 documents moved", func() {
		s.demo("seed", "--address", s.standalone(), "--rows", "20000")
		s.migrate("export")
		s.migrate("import")
	})
	for _, victim := range []func() string{
		always("etcd-2-1"), always("minio-3-1"), always("querynode-1"), always("indexnode-1"), always("proxy-1"),
		func() string { return s.active("rootcoord") }, func() string { return s.active("datacoord") },
		func() string { return s.active("querycoord") }, always("datanode-1"),
	} {
		s.importThrough(victim())
	}
	s.step("down, with the data", func() { s.compose("down", "--volumes") })
}

func always(name string) func() string { return func() string { return name } }

// importThrough kills a container as soon as an import has made its collection, and brings it back when the import is done.
func (s *stack) importThrough(victim string) {
	s.t.Helper()
	name, load, commands, dropped := "killed_"+strings.ReplaceAll(victim, "-", "_"), s.search(), 0, ""
	var killed time.Time
	s.step(victim+" killed under an import", func() {
		ended := make(chan error, 1)
		run := func() {
			commands++
			ended <- s.tryMigrateAs(s.ctx, "import", name)
		}
		go run()
		s.await("the import's collection", func(ctx context.Context) error {
			if len(ended) > 0 {
				s.t.Fatalf("the import, before anything was killed: %v", <-ended)
			}
			return s.exists(ctx, name)
		})
		s.docker("kill", "milvus-"+victim)
		killed = time.Now()
		for err := <-ended; err != nil; err = <-ended {
			if commands == mostCommands {
				s.t.Fatalf("the import, given %d times: %v", commands, err)
			}
			fmt.Printf("          it is given again: %v\n", err)
			if strings.Contains(err.Error(), ingest.ErrFailed.Error()) { // what the message says to do
				dropped = ", the collection dropped"
				s.drop(name)
			}
			go run()
		}
		s.await("verify", func(ctx context.Context) error { return s.tryMigrateAs(ctx, "verify", name) })
	})
	took := time.Since(killed).Round(time.Second)
	load.end(s.t)
	faulttable.Tried(s.t, fmt.Sprintf("`docker kill` of %s under an import and searches", strings.TrimRight(victim, "-0123456789")), 1,
		fmt.Sprintf("import and verify ended %v after the kill, the command given %d times%s; at most %v until a search was answered; %d searches, %d asked again, %d failed",
			took, commands, dropped, load.longest.Round(100*time.Millisecond), load.searches, load.repeated, len(load.failures)))
	s.up(s.overlays...)
	s.drop(name)
}

// mostCommands is how often an import is given again that stopped with a message.
const mostCommands = 5

// sync brings up the daemon, and has it bring to the cluster what is deleted on the standalone.
func (s *stack) sync() {
	s.compose("--profile", "sync", "up", "--detach", "--wait", "sync")
	s.deleteOnSource("id in [1, 2, 3]")
}

// deleteOnSource deletes rows on the standalone, and waits until a sync has brought that to the cluster.
func (s *stack) deleteOnSource(expr string) {
	s.t.Helper()
	c, err := client.NewClient(s.ctx, client.Config{Address: s.standalone()})
	if err != nil {
		s.t.Fatal(err)
	}
	defer c.Close()
	if err := c.Delete(s.ctx, collection, "", expr); err != nil {
		s.t.Fatal(err)
	}
	s.await("verify", func(ctx context.Context) error { return s.tryMigrate(ctx, "verify") })
}

func (s *stack) exists(ctx context.Context, name string) error {
	return s.throughLB(ctx, func(c client.Client) error {
		there, err := c.HasCollection(ctx, name)
		if err == nil && !there {
			err = errors.New("it is not there yet")
		}
		return err
	})
}

func (s *stack) drop(name string) {
	s.await("dropping "+name, func(ctx context.Context) error {
		return s.throughLB(ctx, func(c client.Client) error { return c.DropCollection(ctx, name) })
	})
}

func (s *stack) throughLB(ctx context.Context, do func(client.Client) error) error {
	c, err := client.NewClient(ctx, client.Config{Address: s.lb()})
	if err != nil {
		return err
	}
	defer c.Close()
	return do(c)
}

// TestRunHA brings up what is to survive the loss of any one container, and kills one after the other.
func TestRunHA(t *testing.T) {
	s := newStack(t)
	overlays := []string{"ha", "lb", "monitoring", "standalone", "migrate"}
	s.step(strings.Join(overlays, ", "), func() { s.up(overlays...) })
	s.step("three of etcd, four drives, a standby of each coordinator", s.checkHA)
	s.step("20,000 documents moved", func() {
		s.demo("seed", "--address", s.standalone(), "--rows", "20000")
		s.migrate("export")
		s.migrate("import")
	})
	s.importThrough(s.active("rootcoord"))
	for _, victim := range []string{
		"etcd-2-1", "minio-3-1", "querynode-1", "proxy-1", s.active("rootcoord"), s.active("datacoord"), s.active("querycoord"),
	} {
		s.step(victim+" killed, until migrate finds both sides equal", func() { s.kill(victim) })
	}
	load := s.search()
	s.step("the last query node killed, until Prometheus tells of that, of an etcd, a drive, a proxy, and of searches that fail", func() {
		s.docker("kill", "milvus-querynode-2")
		s.awaitAlerts(6*time.Minute, "FewerThanBefore etcd", "FewerThanBefore minio", "DriveOffline ", "FewerThanBefore proxy", "RoleMissing querynode", "RequestsFail ")
	})
	load.halt()
	s.step("a second etcd of three killed, until Prometheus tells that there is no leader", func() {
		s.docker("kill", "milvus-etcd-3-1")
		s.awaitAlerts(3*time.Minute, "EtcdHasNoLeader etcd")
	})
	s.step("all of it up again", func() {
		s.bringUp("up", "--detach", "--wait", "etcd", "etcd-2", "etcd-3") // without which all else ends as soon as it starts
		s.up(overlays...)
		s.await("verify", func(ctx context.Context) error { return s.tryMigrate(ctx, "verify") })
	})
	s.step("down, with the data", func() { s.compose("down", "--volumes") })
}

// scale changes how many of a service there are, until its coordinator counts as many.
func (s *stack) scale(service string, replicas int, coordinator, count string) {
	what := service + " to " + itoa(replicas) + ", until " + coordinator + " counts them"
	s.step(what, func() {
		s.replicas[service] = replicas
		s.compose(append([]string{"up", "--detach", "--wait", "--no-recreate"}, s.scaledServices()...)...)
		s.await(what, func(ctx context.Context) error {
			value, err := s.metric(ctx, coordinator, 1, count)
			if err == nil && value != float64(replicas) {
				return errors.New(coordinator + " counts another number")
			}
			return err
		})
	})
}

func (s *stack) thirdProxySearched(ctx context.Context) error {
	value, err := s.metric(ctx, "proxy", 3, `milvus_proxy_req_count{function_name="Search"`)
	if err == nil && value == 0 {
		return errors.New("it has not seen a search")
	}
	return err
}

func (s *stack) checkConfigurations() {
	s.compose("exec", "-T", "lb", "nginx", "-t")
	s.compose("exec", "-T", "prometheus", "promtool", "check", "config", "/etc/prometheus/prometheus.yml")
	s.docker("run", "--rm", "--volume", s.path("monitoring")+":/rules:ro", "--workdir", "/rules", s.variables["PROMETHEUS_IMAGE"],
		"promtool", "test", "rules", "alerts_test.yml")
}

func (s *stack) checkHA() {
	members := s.compose("exec", "-T", "etcd", "etcdctl", "member", "list")
	if n := strings.Count(members, "started"); n != 3 {
		s.t.Fatalf("%d members of etcd:\n%s", n, members)
	}
	metrics := s.compose("exec", "-T", "minio", "curl", "-sf", "http://localhost:9000/minio/v2/metrics/cluster")
	if n := sum(metrics, "minio_cluster_drive_online_total"); n != 4 {
		s.t.Fatalf("%v drives of MinIO online", n)
	}
	for _, coordinator := range []string{"rootcoord", "datacoord", "querycoord"} {
		s.active(coordinator)
	}
	s.awaitTargets()
}

// active is the one container of a coordinator that does not stand by. One that was killed keeps its log: what counts is what
// it has said since its last start.
func (s *stack) active(coordinator string) string {
	s.t.Helper()
	var active []string
	for _, index := range []string{"1", "2"} {
		name := coordinator + "-" + index
		started := strings.TrimSpace(s.docker("inspect", "--format", "{{.State.StartedAt}}", "milvus-"+name))
		if strings.Contains(s.compose("logs", "--since", started, "--index", index, coordinator), "will become ACTIVE") {
			active = append(active, name)
		}
	}
	if len(active) != 1 {
		s.t.Fatalf("of two %s are active: %v", coordinator, active)
	}
	return active[0]
}

// kill ends a container as a crash would, and waits until migrate can verify without it.
func (s *stack) kill(container string) {
	s.docker("kill", "milvus-"+container)
	s.await("verify without "+container, func(ctx context.Context) error { return s.tryMigrate(ctx, "verify", "--no-deps") })
}

// await repeats try until it succeeds, for two minutes.
func (s *stack) await(what string, try func(context.Context) error) {
	s.t.Helper()
	s.awaitFor(2*time.Minute, what, try)
}

func (s *stack) awaitFor(limit time.Duration, what string, try func(context.Context) error) {
	s.t.Helper()
	ctx, cancel := context.WithTimeout(s.ctx, limit)
	defer cancel()
	for {
		err := try(ctx)
		if err == nil {
			return
		}
		select {
		case <-ctx.Done():
			s.t.Fatalf("waiting for %s: %v", what, err)
		case <-time.After(time.Second):
		}
	}
}

func (s *stack) scaledServices() []string {
	var args []string
	for service, n := range maps.All(s.replicas) {
		args = append(args, "--scale", service+"="+itoa(n))
	}
	return append(args, s.services()...)
}
