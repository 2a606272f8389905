package cluster

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"path/filepath"
	"reflect"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"testing/fstest"
	"testing/synctest"
	"time"

	"migrate/deploy"
	"migrate/internal/ops/compose"
)

// TestCheck says everything that stands in the way, each by its name.
func TestCheck(t *testing.T) {
	for title, c := range map[string]struct {
		machine func(*Machine)
		taken   []int
		own     []compose.Container
		bad     []string // what is bad
		small   bool     // and is so only because the machine is small
	}{
		"a fit machine":                 {},
		"sold with 16 GiB":              {machine: func(m *Machine) { m.Memory = 16<<30 - 600<<20 }},
		"too little memory":             {machine: func(m *Machine) { m.Memory = 8 << 30 }, bad: []string{"memory"}, small: true},
		"too little disk":               {machine: func(m *Machine) { m.FreeDisk = 99 << 30 }, bad: []string{"disk"}, small: true},
		"a disk elsewhere":              {machine: func(m *Machine) { m.FreeDisk = -1 }},
		"a limit above the machine":     {machine: func(m *Machine) { m.CPUs = 2 }, bad: []string{"limit of querynode"}},
		"the port of lb is taken":       {taken: []int{9000}, bad: []string{"port of lb"}},
		"it is its own":                 {taken: []int{9000}, own: []compose.Container{{Publishers: []compose.Publisher{{PublishedPort: 9000}}}}},
		"one of the range is taken":     {taken: []int{9001}},
		"too many of the range are":     {taken: []int{9001, 9002}, bad: []string{"port of proxy"}},
		"a machine with every weakness": {machine: func(m *Machine) { m.Memory, m.FreeDisk, m.CPUs = 1, 1, 1 }, bad: []string{"memory", "disk", "limit of proxy", "limit of querynode"}},
	} {
		t.Run(title, func(t *testing.T) {
			m := Machine{Engine: compose.Engine{Memory: 64 << 30, CPUs: 16}, FreeDisk: 500 << 30, Free: func(address string) bool {
				_, port, err := net.SplitHostPort(address)
				n, _ := strconv.Atoi(port)
				return err == nil && !slices.Contains(c.taken, n)
			}}
			if c.machine != nil {
				c.machine(&m)
			}
			findings := Check(m, []compose.Service{
				{Name: "querynode", Replicas: 2, CPUs: 4},
				{Name: "proxy", Replicas: 2, CPUs: 2, Ports: []compose.Port{{Host: "127.0.0.1", First: 9001, Last: 9003}}},
				{Name: "lb", Replicas: 1, Ports: []compose.Port{{Host: "127.0.0.1", First: 9000, Last: 9000}}},
			}, c.own)
			var bad []string
			for _, f := range findings {
				if f.Bad {
					bad = append(bad, f.What)
				}
			}
			if !slices.Equal(bad, c.bad) {
				t.Errorf("bad are %v, want %v", bad, c.bad)
			}
			if unseen := slices.ContainsFunc(findings, func(f Finding) bool { return f.Unseen }); unseen != (m.FreeDisk < 0) {
				t.Errorf("unseen: %v, with a disk of %d", unseen, m.FreeDisk)
			}
			if err := Fit(findings); (err != nil) != (len(c.bad) > 0) {
				t.Errorf("fit: %v", err)
			}
			if err := FitThoughSmall(findings); (err != nil) != (len(c.bad) > 0 && !c.small) {
				t.Errorf("fit with force: %v", err)
			}
		})
	}
}

// TestMachine looks at the real one.
func TestMachine(t *testing.T) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	m, address := MachineOf(compose.Engine{Root: t.TempDir()}), l.Addr().String()
	if m.FreeDisk <= 0 || MachineOf(compose.Engine{Root: "/no/such/folder"}).FreeDisk >= 0 {
		t.Errorf("free disk: %d", m.FreeDisk)
	}
	if m.Free(address) {
		t.Errorf("%s is called free while something listens", address)
	}
	if l.Close(); !m.Free(address) {
		t.Errorf("%s is called taken", address)
	}
}

// starts is what each Up answers, in turn.
type starts []error

func (s *starts) Up(context.Context, io.Writer) error {
	err := (*s)[0]
	if len(*s) > 1 {
		*s = (*s)[1:]
	}
	return err
}

// TestStart waits for what Docker starts again, and for nothing else.
func TestStart(t *testing.T) {
	unhealthy := fmt.Errorf("running Compose: %w: container milvus-querycoord-1 is unhealthy", compose.ErrUnhealthy)
	for title, c := range map[string]struct {
		starts starts
		want   error
		took   time.Duration
	}{
		"all come up":             {starts{nil}, nil, 0},
		"one ends twice":          {starts{unhealthy, unhealthy, nil}, nil, 20 * time.Second},
		"one goes on ending":      {starts{unhealthy}, compose.ErrUnhealthy, startPatience},
		"the daemon goes":         {starts{compose.ErrNoDaemon}, compose.ErrNoDaemon, 0},
		"it goes after one ended": {starts{unhealthy, compose.ErrNoDaemon}, compose.ErrNoDaemon, 10 * time.Second},
	} {
		t.Run(title, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				began := time.Now()
				if err := Start(t.Context(), &c.starts, io.Discard); !errors.Is(err, c.want) {
					t.Errorf("got %v, want %v", err, c.want)
				}
				if took := time.Since(began).Round(10 * time.Second); took != c.took {
					t.Errorf("it took %s, want %s", took, c.took)
				}
			})
		})
	}
}

func TestReplicas(t *testing.T) {
	for title, c := range map[string]struct {
		name     string
		replicas int
		want     string
	}{
		"four query nodes":  {"querynode", 4, ""},
		"none":              {"querynode", 0, "1 to 32"},
		"too many":          {"datanode", 33, "1 to 32"},
		"unknown":           {"etcd", 3, "proxy, querynode, datanode, indexnode"},
		"ports for as many": {"proxy", 8, ""},
		"ports for fewer":   {"proxy", 9, "PROXY_PORTS"},
	} {
		t.Run(title, func(t *testing.T) {
			err := CheckReplicas(c.name, c.replicas)
			if err == nil && c.name == "proxy" {
				err = fits(compose.Service{Name: "proxy", Ports: []compose.Port{{Host: "127.0.0.1", First: 19530, Last: 19537}}}, c.replicas)
			}
			if c.want == "" && err != nil || c.want != "" && (!errors.Is(err, ErrComponent) || !strings.Contains(err.Error(), c.want)) {
				t.Errorf("got %v, want %q", err, c.want)
			}
		})
	}
}

// recorded is what a real Milvus 2.3.5 said of itself, after 1,426 searches.
func recorded(t *testing.T) Metrics {
	t.Helper()
	m := Metrics{}
	for _, service := range []string{"proxy", "querynode", "rootcoord", "querycoord", "datacoord"} {
		text, err := os.ReadFile(filepath.Join("testdata", service+".txt"))
		if err != nil {
			t.Fatal(err)
		}
		e, err := parse(text)
		if err != nil {
			t.Fatal(err)
		}
		m.add(compose.Container{Service: service, ID: "a"}, e)
	}
	return m
}

func TestSample(t *testing.T) {
	m, began := recorded(t), time.Now()
	first := sampleOf(m, began, nil)
	if want := []Count{{"proxy", 2}, {"querynode", 2}, {"datanode", 2}, {"indexnode", 1}}; !reflect.DeepEqual(first.Registered, want) {
		t.Errorf("registered %v, want %v", first.Registered, want)
	}
	if got := first.Requests[0]; got != (Request{Kind: "Search", Total: 1426}) {
		t.Errorf("requests %+v", got)
	}
	if s := first.Searches; s.Count != 1426 || s.Mean < 13.3 || s.Mean > 13.4 || s.P99 != 128 {
		t.Errorf("searches %+v", s)
	}
}

// counted are the metrics of proxies and query nodes after so many searches, and a few imports.
func counted(t *testing.T, searches map[string]int) Metrics {
	t.Helper()
	m := Metrics{}
	for id, n := range searches {
		e, err := parse(fmt.Appendf(nil, `
# TYPE milvus_proxy_req_count counter
milvus_proxy_req_count{function_name="Search",status="total"} %[1]d
milvus_proxy_req_count{function_name="Import",status="total"} 2
milvus_proxy_req_count{function_name="ImportV2",status="total"} 3
milvus_proxy_req_count{function_name="ImportV2",status="fail"} 1
# TYPE milvus_querynode_sq_req_latency histogram
milvus_querynode_sq_req_latency_bucket{query_type="search",scope="OnLeader",le="16"} %[1]d
milvus_querynode_sq_req_latency_bucket{query_type="search",scope="OnLeader",le="+Inf"} %[1]d
milvus_querynode_sq_req_latency_sum{query_type="search",scope="OnLeader"} %[1]d0
milvus_querynode_sq_req_latency_count{query_type="search",scope="OnLeader"} %[1]d
`, n))
		if err != nil {
			t.Fatal(err)
		}
		m.add(compose.Container{Service: "proxy", ID: id}, e)
		m.add(compose.Container{Service: "querynode", ID: id}, e)
	}
	return m
}

// TestRates counts what came between two looks, 2 s apart, at containers that are in both.
func TestRates(t *testing.T) {
	for title, c := range map[string]struct {
		looks     []map[string]int // searches of each container up to then
		since     int64
		perSecond float64
	}{
		"two go on":              {[]map[string]int{{"a": 100, "b": 1000}, {"a": 110, "b": 1030}}, 40, 20},
		"one comes, with a past": {[]map[string]int{{"a": 100}, {"a": 110, "b": 1000}}, 10, 5},
		"one goes":               {[]map[string]int{{"a": 100, "b": 1000}, {"a": 110}}, 10, 5},
		"one misses a look":      {[]map[string]int{{"a": 100, "b": 1000}, {"a": 110}, {"a": 120, "b": 1030}}, 10, 5},
		"one is started anew":    {[]map[string]int{{"a": 100, "b": 1000}, {"a": 110, "b": 3}}, 10, 5},
		"none is in both":        {[]map[string]int{{"a": 100}, {"b": 1000}}, 0, 0},
	} {
		t.Run(title, func(t *testing.T) {
			var sample *Sample
			at := time.Now()
			for _, searches := range c.looks {
				at = at.Add(2 * time.Second)
				sample = sampleOf(counted(t, searches), at, sample)
			}
			if got := sample.Requests[0].PerSecond; got != c.perSecond {
				t.Errorf("%v searches a second, want %v", got, c.perSecond)
			}
			want := Searches{Count: c.since}
			if c.since > 0 {
				want.Mean, want.P99 = 10, 16
			}
			if sample.Searches != want {
				t.Errorf("in the query nodes %+v, want %+v", sample.Searches, want)
			}
		})
	}
}

// TestImports counts those of either interface.
func TestImports(t *testing.T) {
	requests := sampleOf(counted(t, map[string]int{"a": 0, "b": 0}), time.Now(), nil).Requests
	if got, want := requests[len(requests)-1], (Request{Kind: "Import", Total: 10, Failed: 2}); got != want {
		t.Errorf("got %+v, want %+v", got, want)
	}
}

func TestState(t *testing.T) {
	s := stateOf(
		[]compose.Service{{Name: "proxy", Replicas: 2}, {Name: "etcd", Replicas: 1}},
		[]compose.Container{
			{Name: "p-1", Service: "proxy", State: "running", Health: "healthy", Publishers: []compose.Publisher{{URL: "127.0.0.1", PublishedPort: 19530}, {TargetPort: 9091}}},
			{Name: "p-2", Service: "proxy", State: "running", Health: "starting"},
			{Name: "e-1", Service: "etcd", State: "exited"},
		},
		map[string]compose.Usage{"p-1": {CPU: 0.5, Memory: 100}, "p-2": {CPU: 0.25, Memory: 10}},
	)
	want := &State{
		Services:  []ServiceState{{Service: "etcd", Wanted: 1}, {Service: "proxy", Wanted: 2, Running: 2, Healthy: 1, CPU: 0.75, Memory: 110}},
		Endpoints: []Endpoint{{"proxy", "127.0.0.1:19530"}},
	}
	if !reflect.DeepEqual(s, want) || s.Services[1].Well() {
		t.Errorf("got %+v, want %+v", s, want)
	}
}

// TestWriteFiles writes the project that this repository has, with credentials that nobody else has.
func TestWriteFiles(t *testing.T) {
	files, err := deploy.ComposeFiles()
	if err != nil {
		t.Fatal(err)
	}
	env := func(overlays ...string) string {
		dir := filepath.Join(t.TempDir(), "milvus")
		if err := WriteFiles(t.Context(), dir, files, overlays); err != nil {
			t.Fatal(err)
		}
		names := []string{"compose.yaml", "lb/nginx.conf", "monitoring/prometheus.yml", "pulsar/standalone.conf"}
		for _, o := range Overlays {
			names = append(names, "compose."+o+".yaml")
		}
		for _, name := range names {
			if _, err := os.Stat(filepath.Join(dir, name)); err != nil {
				t.Error(err)
			}
		}
		if _, err := os.Stat(filepath.Join(dir, "compose.lab.yaml")); !errors.Is(err, os.ErrNotExist) {
			t.Errorf("the lab's overlay is there, without its images and limits: %v", err)
		}
		text, err := os.ReadFile(filepath.Join(dir, ".env"))
		if err != nil {
			t.Fatal(err)
		}
		return string(text)
	}
	first, second := env("lb", "ha"), env("lb", "ha")
	if !strings.HasSuffix(first, "COMPOSE_FILE=compose.yaml:compose.ha.yaml:compose.lb.yaml\n") {
		t.Errorf("the overlays are not noted in their order: %s", first)
	}
	if !strings.Contains(first, "MINIO_ROOT_PASSWORD=") || first == second {
		t.Error("the credentials are missing, or not random")
	}
	if !regexp.MustCompile(`(?m)^COMPOSE_PROJECT_NAME=milvus-\w{6}$`).MatchString(first) {
		t.Errorf("the project's name is not noted: %s", first)
	}
}

// TestWriteFilesModes lets the containers' users read all but the credentials, also where the umask would keep them from it.
func TestWriteFilesModes(t *testing.T) {
	files, err := deploy.ComposeFiles()
	if err != nil {
		t.Fatal(err)
	}
	for _, umask := range []int{0o022, 0o027, 0o077} {
		dir := filepath.Join(t.TempDir(), "milvus")
		before := syscall.Umask(umask)
		err := WriteFiles(t.Context(), dir, files, nil)
		syscall.Umask(before)
		if err != nil {
			t.Fatal(err)
		}
		for name, want := range map[string]os.FileMode{
			".": 0o755, "lb": 0o755, "monitoring/grafana/dashboards": 0o755,
			"new-env": 0o755, "lb/follow-proxies.sh": 0o755,
			"compose.yaml": 0o644, "lb/nginx.conf": 0o644, "pulsar/standalone.conf": 0o644, ".env.example": 0o644,
			".env": 0o600,
		} {
			info, err := os.Stat(filepath.Join(dir, name))
			if err != nil {
				t.Fatal(err)
			}
			if got := info.Mode().Perm(); got != want {
				t.Errorf("umask %03o: %s has mode %03o, want %03o", umask, name, got, want)
			}
		}
	}
}

// TestProjectName keeps to what Compose takes, and is never the same for two folders.
func TestProjectName(t *testing.T) {
	for dir, want := range map[string]string{
		"milvus":             "milvus-",
		"/srv/milvus/":       "milvus-",
		"/srv/a/My Cluster!": "mycluster-",
		"_new.2":             "new2-",
		"été":                "t-",
		"数据":                 "",
	} {
		name := projectName(dir)
		if !regexp.MustCompile("^" + want + "[a-z2-7]{6}$").MatchString(name) {
			t.Errorf("%q: %q, want %q and six random ones", dir, name, want)
		}
		if name == projectName(dir) {
			t.Errorf("%q: the same name twice: %s", dir, name)
		}
	}
}

// TestWriteFilesLeavesNothing behind where it can't be done, and touches nothing that is there.
func TestWriteFilesLeavesNothing(t *testing.T) {
	there := t.TempDir()
	if err := WriteFiles(t.Context(), there, fstest.MapFS{"compose.yaml": {}}, nil); !errors.Is(err, os.ErrExist) {
		t.Errorf("a folder that is there: %v", err)
	}
	if found, err := os.ReadDir(there); len(found) > 0 || err != nil {
		t.Errorf("%v was written into it, %v", found, err)
	}
	for title, c := range map[string]struct {
		files    fstest.MapFS
		overlays []string
	}{
		"no such overlay":        {nil, []string{"sauce"}},
		"no way to credentials":  {fstest.MapFS{"compose.yaml": {}}, nil},
		"credentials were there": {fstest.MapFS{"new-env": {Data: []byte("exit 3")}}, nil},
	} {
		dir := filepath.Join(t.TempDir(), "new")
		if err := WriteFiles(t.Context(), dir, c.files, c.overlays); err == nil {
			t.Errorf("%s: no error", title)
		}
		if _, err := os.Stat(dir); !errors.Is(err, os.ErrNotExist) {
			t.Errorf("%s: the folder is left, %v", title, err)
		}
	}
}
