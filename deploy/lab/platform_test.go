package lab

import (
	"context"
	"errors"
	"io"
	"net"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"migrate/internal/ops/cluster"
	"migrate/internal/ops/compose"
)

// aCluster is a lab of sleeping processes: a standalone, a store and up to three proxies.
func aCluster(t *testing.T) Cluster {
	t.Helper()
	l := aLab(t)
	withParts(t, l, "exec sleep 60", "standalone", "etcd", "proxy-1", "proxy-2", "proxy-3")
	for i := range l.parts {
		p := &l.parts[i]
		p.role, p.needs = strings.TrimRight(p.name, "-123"), nil
		p.ports = []port{{i + 1, "test"}} // those that start together look for their own
		switch p.role {
		case "standalone":
			p.role = ""
		case "proxy":
			p.number, p.needs = i-1, []string{"etcd"}
		}
	}
	return Cluster{l}
}

// running names the lab's processes.
func running(t *testing.T, c Cluster) string {
	t.Helper()
	var names []string
	for _, s := range c.Status(t.Context()) {
		if s.State == StateRunning {
			names = append(names, s.Name)
		}
	}
	return strings.Join(names, " ")
}

// TestClusterWithoutTheRest starts, scales and stops the cluster's parts, and leaves the standalone as it is.
func TestClusterWithoutTheRest(t *testing.T) {
	c := aCluster(t)
	ctx := t.Context()
	step := func(what string, err error, want string) {
		t.Helper()
		if err != nil {
			t.Fatalf("%s: %v", what, err)
		}
		if got := running(t, c); got != want {
			t.Errorf("%s: %q runs, want %q", what, got, want)
		}
	}
	step("up", c.Up(ctx, io.Discard), "etcd proxy-1 proxy-2")
	step("the standalone too", c.Lab.Up(ctx), "standalone etcd proxy-1 proxy-2")
	step("three proxies", c.Scale(ctx, io.Discard, "proxy", 3), "standalone etcd proxy-1 proxy-2 proxy-3")
	step("up again", c.Up(ctx, io.Discard), "standalone etcd proxy-1 proxy-2 proxy-3")
	step("one proxy", c.Scale(ctx, io.Discard, "proxy", 1), "standalone etcd proxy-1")
	step("up once more", c.Up(ctx, io.Discard), "standalone etcd proxy-1")
	for _, s := range c.Status(ctx) {
		if s.Wrong() || s.Name == "proxy-2" {
			t.Errorf("after scaling down: %+v", s)
		}
	}
	step("down", c.Down(ctx, io.Discard), "standalone")
	step("up after down", c.Up(ctx, io.Discard), "standalone etcd proxy-1")
	step("down, with the data", c.Wipe(ctx, io.Discard), "standalone")
	for path, want := range map[string]bool{c.path("work", "etcd"): false, c.path("work", "standalone"): true} {
		if _, err := os.Stat(path); (err == nil) != want {
			t.Errorf("%s: %v", path, err)
		}
	}
	step("up after wiping: as many as usual", c.Up(ctx, io.Discard), "standalone etcd proxy-1 proxy-2")
}

func TestScaleRefuses(t *testing.T) {
	c := aCluster(t)
	for _, test := range []struct {
		role   string
		number int
	}{{"etcd", 2}, {"proxy", 0}, {"proxy", MostReplicas + 1}, {"standalone", 1}} {
		if err := c.Scale(t.Context(), io.Discard, test.role, test.number); !errors.Is(err, cluster.ErrComponent) {
			t.Errorf("%s to %d: %v", test.role, test.number, err)
		}
	}
	if err := c.Scale(t.Context(), io.Discard, "proxy", 2); !matches(err, "it needs etcd") {
		t.Errorf("of a cluster that is down: %v", err)
	}
	nowhere, err := Open(filepath.Join(t.TempDir(), "nowhere"))
	if err != nil {
		t.Fatal(err)
	}
	if err := (Cluster{nowhere}).Wipe(t.Context(), io.Discard); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("stopping what is not there: %v", err)
	}
}

// TestClusterTold tells of the processes in the words that cluster knows.
func TestClusterTold(t *testing.T) {
	c := aCluster(t)
	if err := c.Up(t.Context(), io.Discard); err != nil {
		t.Fatal(err)
	}
	services, err := c.Services(t.Context())
	if want := []compose.Service{{Name: "etcd", Replicas: 1}, {Name: "proxy", Replicas: 2, Scalable: true}}; err != nil || !slices.EqualFunc(services, want, sameService) {
		t.Errorf("services %+v, %v; want %+v", services, err, want)
	}
	if err := c.Take(t.Context(), compose.Container{ID: "proxy-1"}, compose.Kill); err != nil {
		t.Fatal(err)
	}
	c.parts[3].health = func(context.Context) error { return errors.New("503") }
	containers, err := c.Containers(t.Context())
	if err != nil || len(containers) != 2 {
		t.Fatalf("of etcd and proxy-2: %+v, %v", containers, err)
	}
	etcd, proxy := containers[0], containers[1]
	if !etcd.Healthy() || len(etcd.Publishers) != 0 {
		t.Errorf("etcd: %+v", etcd)
	}
	if proxy.Name != "proxy-2" || proxy.Service != "proxy" || proxy.State != "running" || proxy.Healthy() || len(proxy.Publishers) != 1 {
		t.Errorf("proxy-2, which is not well: %+v", proxy)
	}
	usage, err := c.Usage(t.Context())
	if err != nil || len(usage) != 2 || usage["etcd"].Memory == 0 {
		t.Errorf("usage %+v, %v", usage, err)
	}
	if err := c.GiveBack(t.Context(), compose.Container{ID: "proxy-1"}); err != nil {
		t.Fatal(err)
	}
	if got := running(t, c); got != "etcd proxy-1" {
		t.Errorf("given back: %s", got)
	}
}

func sameService(a, b compose.Service) bool {
	return a.Name == b.Name && a.Replicas == b.Replicas && a.Scalable == b.Scalable && len(a.Ports) == len(b.Ports)
}

// TestLook finds what stands in the way, by the part that it is in the way of.
func TestLook(t *testing.T) {
	c := aCluster(t)
	bad := func() (names []string) {
		t.Helper()
		findings, err := c.Look(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		for _, f := range findings {
			if f.Bad && !f.Small {
				names = append(names, f.What)
			}
		}
		return names
	}
	if got := bad(); got != nil {
		t.Errorf("nothing is in the way, and bad are %v", got)
	}
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer listener.Close()
	c.parts[3].ports = []port{{portOf(listener.Addr().String()), "client"}}
	c.parts[1].software = pack{name: "nowhere", tools: []string{"no-such-program"}}
	if got := bad(); !slices.Equal(got, []string{"etcd", "proxy-2"}) {
		t.Errorf("without a program for etcd, and with a taken port of proxy-2, bad are %v", got)
	}
}
