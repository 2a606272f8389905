package compose

import (
	"cmp"
	"errors"
	"os"
	"path/filepath"
	"reflect"
	"slices"
	"strings"
	"testing"

	"pgregory.net/rapid"
)

// recorded is what a real Docker 20.10.24 with Compose 2.39.1 printed.
func recorded(t *testing.T, name string) []byte {
	t.Helper()
	out, err := os.ReadFile(filepath.Join("testdata", name))
	if err != nil {
		t.Fatal(err)
	}
	return out
}

func TestServices(t *testing.T) {
	got, err := parseServices(recorded(t, "config.json"))
	if err != nil {
		t.Fatal(err)
	}
	slices.SortFunc(got, func(a, b Service) int { return cmp.Compare(a.Name, b.Name) })
	want := []Service{
		{Name: "etcd", Replicas: 1, CPUs: 2, Memory: 4 << 30},
		{Name: "proxy", Replicas: 2, Scalable: true, CPUs: 2, Memory: 4 << 30, Ports: []Port{{"127.0.0.1", 19530, 19537}}},
		{Name: "querynode", Replicas: 2, Scalable: true, CPUs: 4, Memory: 8 << 30},
	}
	if !reflect.DeepEqual(got, want) {
		t.Errorf("got  %+v\nwant %+v", got, want)
	}
}

// TestContainers reads a line for each container, and the array of Compose before 2.21.
func TestContainers(t *testing.T) {
	text := recorded(t, "ps.json")
	array := []byte("[" + strings.ReplaceAll(strings.TrimSpace(string(text)), "\n", ",") + "]")
	for title, out := range map[string][]byte{"lines": text, "array": array} {
		got, err := lines[Container](out)
		if err != nil || len(got) != 4 {
			t.Fatalf("%s: %d containers, %v", title, len(got), err)
		}
		i := slices.IndexFunc(got, func(c Container) bool { return c.Name == "milvus-standalone-1" })
		c := got[i]
		if c.Service != "standalone" || c.State != "running" || c.Health != "starting" || c.Healthy() || c.Dir() != "/srv/milvus" {
			t.Errorf("%s: %+v", title, c)
		}
		if want := []Publisher{{"127.0.0.1", 19530, 29540}}; !reflect.DeepEqual(c.Publishers, want) {
			t.Errorf("%s: ports %+v, want %+v", title, c.Publishers, want)
		}
	}
	if got, err := lines[Container](nil); got != nil || err != nil {
		t.Errorf("no container: %v, %v", got, err)
	}
}

// TestOwn tells this folder's containers from another's by the paths of the folders, with symbolic links followed.
func TestOwn(t *testing.T) {
	dir := t.TempDir()
	link := filepath.Join(t.TempDir(), "link")
	if err := os.Symlink(dir, link); err != nil {
		t.Fatal(err)
	}
	for title, c := range map[string]struct {
		here, there string
		want        error
	}{
		"the same folder":      {dir, dir, nil},
		"by a symbolic link":   {link, dir, nil},
		"made by one":          {dir, link, nil},
		"another one":          {dir, "/srv/milvus", ErrOtherFolder},
		"one that is gone":     {"/no/such/milvus", "/no/such/milvus", nil},
		"by hand, without one": {dir, "", nil},
	} {
		p := &Project{Dir: c.here}
		labels := "a=b,com.docker.compose.project.working_dir=" + c.there + ",c=d"
		if err := p.own([]Container{{Labels: labels}}); !errors.Is(err, c.want) {
			t.Errorf("%s: got %v, want %v", title, err, c.want)
		}
	}
	t.Chdir(dir)
	if err := (&Project{Dir: "."}).own([]Container{{Labels: "com.docker.compose.project.working_dir=" + dir}}); err != nil {
		t.Errorf("where one stands: %v", err)
	}
}

func TestUsage(t *testing.T) {
	got, err := parseUsage(recorded(t, "stats.json"))
	if err != nil {
		t.Fatal(err)
	}
	if u := got["milvus-pulsar-1"]; len(got) != 3 || u.CPU != 0.1118 || u.Memory>>20 != 468 {
		t.Errorf("got %+v", got)
	}
}

func TestUnhealthy(t *testing.T) {
	for text, want := range map[string]bool{
		" Container milvus-etcd-1  Healthy\ndependency failed to start: container milvus-querycoord-1 is unhealthy\n": true,
		"container milvus-querycoord-2 exited (134)\n":                                                                true,
		"no configuration file provided: not found\n":                                                                 false,
		"container milvus-proxy-1 is unhealthy\npull refused\n":                                                       false,
		"": false,
	} {
		if got := unhealthy(text); got != want {
			t.Errorf("%q: %v, want %v", text, got, want)
		}
	}
}

func TestRecent(t *testing.T) {
	for version, want := range map[string]bool{
		"2.39.1\n": true, "v2.24.0": true, "2.23.3": false, "1.29.2": false, "3.0.0": true, "2.24.6-desktop.1": true, "": false, "x": false,
	} {
		if got := recent(version); got != want {
			t.Errorf("%q: %v, want %v", version, got, want)
		}
	}
}

func TestPorts(t *testing.T) {
	for text, want := range map[string]string{"19530": "127.0.0.1:19530", "19530-19537": "127.0.0.1:19530-19537"} {
		if got, err := parsePort("127.0.0.1", text); err != nil || got.String() != want {
			t.Errorf("%s is %s, %v", text, got, err)
		}
	}
	for _, text := range []string{"", "http", "1-", "-1"} {
		if got, err := parsePort("", text); err == nil {
			t.Errorf("%q is taken for %s", text, got)
		}
	}
}

// TestSetVariable changes one variable, and leaves every other line as it is.
func TestSetVariable(t *testing.T) {
	line := rapid.OneOf(rapid.SampledFrom([]string{"", "# a remark", "QUERYNODE_REPLICAS=2", "#QUERYNODE_REPLICAS=2"}), rapid.StringMatching(`[A-Z_]{1,8}=[a-z0-9]{0,8}`))
	others := func(text string) []string {
		return slices.DeleteFunc(strings.Split(strings.TrimSuffix(text, "\n"), "\n"), func(l string) bool { return strings.HasPrefix(l, "QUERYNODE_REPLICAS=") })
	}
	rapid.Check(t, func(t *rapid.T) {
		text := strings.Join(rapid.SliceOfN(line, 1, 8).Draw(t, "lines"), "\n") + rapid.SampledFrom([]string{"", "\n"}).Draw(t, "end")
		got := setVariable(text, "QUERYNODE_REPLICAS", "4")
		if n := strings.Count("\n"+got, "\nQUERYNODE_REPLICAS="); n != 1 || !strings.Contains("\n"+got, "\nQUERYNODE_REPLICAS=4\n") {
			t.Fatalf("%q became %q", text, got)
		}
		if a, b := others(text), others(got); !slices.Equal(slices.DeleteFunc(a, empty), slices.DeleteFunc(b, empty)) {
			t.Fatalf("other lines %q became %q", a, b)
		}
	})
}

func empty(line string) bool { return line == "" }

// FuzzOutput never panics, whatever a program prints.
func FuzzOutput(f *testing.F) {
	for _, name := range []string{"config.json", "ps.json", "stats.json"} {
		out, err := os.ReadFile(filepath.Join("testdata", name))
		if err != nil {
			f.Fatal(err)
		}
		f.Add(out)
	}
	f.Fuzz(func(_ *testing.T, out []byte) {
		_, _ = parseServices(out)
		_, _ = lines[Container](out)
		_, _ = parseUsage(out)
	})
}
