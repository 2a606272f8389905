package internal_test

import (
	"os/exec"
	"path"
	"slices"
	"strings"
	"testing"
)

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
	{"migrate/internal/milvus", "migrate/internal/source", "arrows point down"},
	{"migrate/internal/columns", "migrate/internal/source", "arrows point down"},
	{"migrate/exporter", "migrate/deploy", "the product does not know the lab"},
	{"migrate/importer", "migrate/deploy", "the product does not know the lab"},
	{"migrate/cmd/migrate", "migrate/deploy", "the product does not know the lab"},
	{"migrate/cmd/migrate", "migrate/internal/labtest", "the product does not know its tests"},
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
				if below(p, f.to) {
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

func below(p, root string) bool { return p == root || strings.HasPrefix(p, root+"/") }

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
	}
	if len(imports) < 10 {
		t.Fatalf("only %d packages were listed", len(imports))
	}
	return imports
}
