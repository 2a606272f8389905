package internal_test

import (
	"os"
	"os/exec"
	"path"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

// Of what is below deploy, migrate itself knows the Compose files, which it writes out, and the process lab, on which it can run
// a cluster.
var known = []string{"migrate/deploy", "migrate/deploy/lab"}

// forbidden lists the arrows that nothing may draw: no package below from imports one below to.
var forbidden = []struct{ from, to, why string }{
	{"migrate/exporter", "migrate/importer", "what passes between them is the export on the sink"},
	{"migrate/importer", "migrate/exporter", "what passes between them is the export on the sink"},
	{"migrate/sinks", "migrate/internal/milvus", "a sink knows nothing of what it stores"},
	{"migrate/sinks", "migrate/internal/columns", "a sink knows nothing of what it stores"},
	{"migrate/sinks", "migrate/internal/manifest", "a sink knows nothing of what it stores"},
	{"migrate/sinks", "migrate/internal/part", "a sink knows nothing of what it stores"},
	{"migrate/sinks", "migrate/checkpoint", "a sink knows nothing of what it stores"},
	{"migrate/checkpoint", "migrate/exporter", "arrows point down"},
	{"migrate/checkpoint", "migrate/importer", "arrows point down"},
	{"migrate/internal", "migrate/cmd", "arrows point down"},
	{"migrate/internal", "migrate/exporter", "arrows point down"},
	{"migrate/internal", "migrate/importer", "arrows point down"},
	{"migrate/internal/cluster", "migrate/internal/milvus", "a Compose project is driven by Docker alone"},
	{"migrate/internal/compose", "migrate/internal/milvus", "a Compose project is driven by Docker alone"},
	{"migrate/internal/milvus", "migrate/internal/source", "arrows point down"},
	{"migrate/internal/columns", "migrate/internal/source", "arrows point down"},
	{"migrate/exporter", "migrate/internal/monitor", "an engine reports, and does not know who looks"},
	{"migrate/importer", "migrate/internal/monitor", "an engine reports, and does not know who looks"},
	{"migrate/internal/syncer", "migrate/internal/monitor", "an engine reports, and does not know who looks"},
	{"migrate/internal/milvus", "migrate/internal/monitor", "an engine reports, and does not know who looks"},
	{"migrate/exporter", "migrate/deploy", "the product does not know the lab"},
	{"migrate/importer", "migrate/deploy", "the product does not know the lab"},
	{"migrate/cmd/migrate", "migrate/deploy", "the product knows nothing else of it"},
	{"migrate/cmd/migrate", "migrate/internal/labtest", "the product does not know its tests"},
}

// confined lists what the packages below from import of this module: nothing but what is below one of to.
var confined = []struct {
	from string
	to   []string
}{
	{"migrate/sinks", []string{"migrate/sinks", "migrate/internal/clock"}},
	{"migrate/checkpoint", []string{"migrate/checkpoint", "migrate/sinks", "migrate/internal"}},
}

// reserved lists the packages that only those below one of by import, and tests.
var reserved = []struct {
	to string
	by []string
}{
	{"migrate/deploy", []string{"migrate/deploy", "migrate/cmd/lab", "migrate/internal/labtest", "migrate/internal/e2e"}},
	{"migrate/internal/labtest", []string{"migrate/internal/labtest"}},
	{"migrate/internal/e2e", []string{"migrate/internal/e2e"}},
}

// TestArrows holds the arrows of docs/architecture.md against what the packages import.
func TestArrows(t *testing.T) {
	imports := importsOf(t)
	for _, f := range forbidden {
		for from, to := range imports {
			if !below(from, f.from) {
				continue
			}
			for _, p := range to {
				if below(p, f.to) && !(from == "migrate/cmd/migrate" && slices.Contains(known, p)) {
					t.Errorf("%s imports %s: %s", from, p, f.why)
				}
			}
		}
	}
	for from := range imports {
		if slices.Contains([]string{"util", "utils", "common", "helpers", "misc"}, path.Base(from)) {
			t.Errorf("%s is named for nothing", from)
		}
	}
}

// TestConfined holds what may be imported by some, and TestReserved who may import some.
func TestConfined(t *testing.T) {
	for from, to := range importsOf(t) {
		for _, c := range confined {
			for _, p := range to {
				if below(from, c.from) && below(p, "migrate") && !belowAny(p, c.to) {
					t.Errorf("%s imports %s: of this module it knows only %v", from, p, c.to)
				}
			}
		}
	}
}

func TestReserved(t *testing.T) {
	for from, to := range importsOf(t) {
		for _, r := range reserved {
			for _, p := range to {
				if below(p, r.to) && !belowAny(from, r.by) && !(from == "migrate/cmd/migrate" && slices.Contains(known, p)) {
					t.Errorf("%s imports %s: that is for %v, and for tests", from, p, r.by)
				}
			}
		}
	}
}

func below(p, root string) bool { return p == root || strings.HasPrefix(p, root+"/") }

func belowAny(p string, roots []string) bool {
	return slices.ContainsFunc(roots, func(root string) bool { return below(p, root) })
}

// importsOf lists what each package of the module imports, its tests left out.
func importsOf(t *testing.T) map[string][]string {
	t.Helper()
	out, err := exec.CommandContext(t.Context(), "go", "list", "-f", `{{.ImportPath}} {{join .Imports " "}}`, "migrate/...").Output()
	if err != nil {
		t.Fatal(err)
	}
	imports := map[string][]string{}
	for line := range strings.Lines(string(out)) {
		words := strings.Fields(line)
		imports[words[0]] = words[1:]
		watch(t, words[0])
	}
	if len(imports) < 10 {
		t.Fatalf("only %d packages were listed", len(imports))
	}
	return imports
}

// watch has go test run this again when a package has changed: it knows of the files and folders that a test opens, not
// of those that go list does.
func watch(t *testing.T, pkg string) {
	t.Helper()
	dir := filepath.Join("..", strings.TrimPrefix(pkg, "migrate"))
	for _, d := range []string{dir, filepath.Dir(dir)} {
		if _, err := os.ReadDir(d); err != nil {
			t.Fatal(err)
		}
	}
}
