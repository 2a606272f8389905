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

// arrows lists what each package imports of this module, its tests left out, floor by floor: an arrow goes to a lower floor, or is
// refused for what it says about the two rooms. What is not listed fails, and so does what is listed and not drawn any more.
var arrows = []struct{ from, to string }{
	// the words that all share
	{"internal/model", ""},
	{"internal/budget", ""},
	{"internal/clock", ""},
	{"internal/document", ""},
	// what is known of columns, of servers and of stores
	{"internal/columns", "internal/model"},
	{"internal/milvus", "internal/clock internal/model"},
	{"sinks", "internal/clock"},
	{"sinks/contract", "internal/clock sinks"},
	{"sinks/faults", "sinks"},
	{"sinks/memory", "sinks"},
	// what is done of a job
	{"checkpoint", "internal/clock internal/document sinks"},
	// where rows come from
	{"internal/source", "internal/columns internal/model"},
	{"internal/source/query", "internal/clock internal/columns internal/milvus internal/model internal/source"},
	{"internal/source/storage", "internal/clock internal/columns internal/milvus internal/model internal/source internal/source/storage/binlog internal/source/storage/keys sinks"},
	{"internal/source/storage/keys", "internal/document internal/model internal/source sinks"},
	{"internal/source/storage/binlog", "internal/model"},
	{"internal/source/storage/binlog/binlogtest", "internal/model internal/source/storage/binlog"},
	{"internal/source/memory", "internal/columns internal/model internal/source"},
	{"internal/source/sourcetest", "internal/columns internal/labtest internal/model internal/source"},
	{"internal/export", "internal/columns internal/document internal/milvus internal/model internal/source sinks"},
	// ways into a server
	{"internal/ingest", "internal/columns internal/milvus internal/model"},
	{"internal/ingest/ingesttest", "internal/ingest internal/milvus"},
	// engines
	{"internal/verify", "internal/budget internal/columns internal/model internal/source"},
	{"exporter", "checkpoint internal/budget internal/columns internal/export internal/milvus internal/model internal/source internal/source/query sinks"},
	{"importer", "checkpoint internal/budget internal/clock internal/columns internal/export internal/ingest internal/milvus internal/model internal/source internal/source/query sinks"},
	{"internal/syncer", "checkpoint internal/clock internal/columns internal/ingest internal/milvus internal/model internal/source internal/source/query sinks"},
	{"internal/cutover", "checkpoint internal/clock internal/document internal/export internal/milvus internal/model internal/source internal/source/query internal/syncer internal/verify sinks"},
	// what is done with many jobs, and what is seen of them
	{"internal/move", "checkpoint exporter importer internal/budget internal/clock internal/cutover internal/document internal/export internal/ingest internal/milvus " +
		"internal/model internal/source internal/source/query internal/syncer internal/verify sinks sinks/contract"},
	{"internal/monitor", "checkpoint internal/milvus internal/syncer sinks"},
	// operations, which move no row
	{"internal/ops/compose", "internal/clock"},
	{"internal/ops/cluster", "internal/clock internal/ops/compose"},
	{"internal/ops/bench", "internal/milvus internal/model"},
	{"internal/ops/drill", "internal/clock internal/milvus internal/model internal/ops/bench internal/ops/compose internal/source internal/source/query"},
	// the program
	{"cmd/migrate", "checkpoint deploy deploy/lab exporter importer internal/clock internal/cutover internal/export internal/ingest " +
		"internal/milvus internal/model internal/monitor internal/move internal/ops/bench internal/ops/cluster " +
		"internal/ops/compose internal/ops/drill internal/source internal/source/query internal/source/storage internal/source/storage/binlog internal/syncer internal/verify " +
		"sinks"},
	// the lab, what is beside the program, and what only tests import
	{"cmd/lab", "deploy/lab"},
	{"deploy", ""},
	{"deploy/bench", "deploy/lab exporter internal/columns internal/milvus internal/model internal/monitor internal/source internal/source/query internal/source/storage sinks"},
	{"deploy/compose", ""},
	{"deploy/dashboards", ""},
	{"deploy/demo", ""},
	{"deploy/engine", ""},
	{"deploy/engine/try", "deploy/engine"},
	{"deploy/images", "deploy/lab"},
	{"deploy/lab", "internal/clock internal/ops/cluster internal/ops/compose"},
	{"internal", ""},
	{"internal/labtest", "deploy/lab internal/labtest/double internal/milvus internal/model internal/source sinks"},
	{"internal/labtest/double", "internal/clock internal/columns"},
	{"internal/labtest/e2e", ""},
	{"internal/labtest/faulttable", ""},
	{"internal/labtest/faulttable/write", "internal/labtest/faulttable"},
	{"internal/labtest/pairs", "checkpoint internal/document internal/labtest internal/labtest/memory internal/milvus internal/model " +
		"internal/source/query internal/syncer internal/verify sinks sinks/memory"},
	{"internal/labtest/whole", "deploy/lab internal/clock internal/labtest internal/milvus internal/model"},
	{"internal/labtest/memory", "internal/columns internal/labtest internal/milvus internal/model sinks"},
}

// reserved lists what of other modules only the packages below one of by import, so that all others are free of it.
var reserved = []struct {
	what string // an import path, and all below it
	by   []string
}{
	{"google.golang.org/grpc", []string{"internal/milvus", "internal/labtest", "deploy"}},
	{"github.com/grpc-ecosystem", []string{"internal/milvus", "internal/labtest", "deploy"}},
	{"github.com/milvus-io/milvus-sdk-go", []string{"internal/milvus", "internal/labtest", "deploy"}},
	{"github.com/milvus-io/milvus-proto/go-api/v2/milvuspb", []string{"internal/milvus", "internal/labtest", "deploy"}},
	{"github.com/apache/arrow", []string{
		"internal/columns", "internal/source", "internal/export", "internal/ingest", "internal/verify", "internal/syncer", "internal/cutover", "exporter", "importer", "internal/ops/drill", "internal/labtest", "deploy/bench"}},
}

// TestArrows holds arrows against what the packages import.
func TestArrows(t *testing.T) {
	drawn := importsOf(t)
	for _, a := range arrows {
		listed := strings.Fields(a.to)
		is, there := drawn[a.from]
		if !there {
			t.Errorf("%s is listed here, and is no package", a.from)
		}
		for _, to := range is {
			if to, ours := strings.CutPrefix(to, module); ours && !slices.Contains(listed, to) {
				t.Errorf("%s imports %s: an arrow that is not listed here", a.from, to)
			}
		}
		for _, to := range listed {
			if !slices.Contains(is, module+to) {
				t.Errorf("%s does not import %s any more: leave the arrow out here", a.from, to)
			}
		}
		delete(drawn, a.from)
	}
	for from := range drawn {
		t.Errorf("%s is not listed here: say on which floor it lives, and what it imports", from)
	}
}

// TestReserved holds what is kept out of most rooms.
func TestReserved(t *testing.T) {
	for from, to := range importsOf(t) {
		for _, r := range reserved {
			for _, p := range to {
				if below(p, r.what) && !slices.ContainsFunc(r.by, func(room string) bool { return below(from, room) }) {
					t.Errorf("%s imports %s: that is for %v", from, p, r.by)
				}
			}
		}
	}
}

// TestLab has one file of the program know the lab, on which it can run a cluster.
func TestLab(t *testing.T) {
	files, err := filepath.Glob("../cmd/migrate/*.go")
	if err != nil {
		t.Fatal(err)
	}
	for _, name := range files {
		text, err := os.ReadFile(name)
		if err != nil {
			t.Fatal(err)
		}
		if !strings.HasSuffix(name, "_test.go") && path.Base(name) != "lab.go" && strings.Contains(string(text), `"`+module+`deploy/lab"`) {
			t.Errorf("%s imports the lab: that is for lab.go", name)
		}
	}
}

// TestNames refuses rooms for whatever has no place.
func TestNames(t *testing.T) {
	for from := range importsOf(t) {
		if slices.Contains([]string{"util", "utils", "common", "helpers", "misc"}, path.Base(from)) {
			t.Errorf("%s is named for nothing", from)
		}
	}
}

func below(p, room string) bool { return p == room || strings.HasPrefix(p, room+"/") }

// module begins the import paths of this module; here its packages are named without it.
const module = "migrate/"

// importsOf lists what each package of the module imports, its tests left out.
func importsOf(t *testing.T) map[string][]string {
	t.Helper()
	out, err := exec.CommandContext(t.Context(), "go", "list", "-f", `{{.ImportPath}} {{join .Imports " "}}`, module+"...").Output()
	if err != nil {
		t.Fatal(err)
	}
	imports := map[string][]string{}
	for line := range strings.Lines(string(out)) {
		words := strings.Fields(line)
		pkg := strings.TrimPrefix(words[0], module)
		imports[pkg] = words[1:]
		watch(t, pkg)
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
	dir := filepath.Join("..", pkg)
	for _, d := range []string{dir, filepath.Dir(dir)} {
		if _, err := os.ReadDir(d); err != nil {
			t.Fatal(err)
		}
	}
}
