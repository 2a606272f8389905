package main

import (
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"sync/atomic"
	"testing"

	"github.com/spf13/cobra"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	"migrate/checkpoint"
	"migrate/internal/labtest/memory"
	"migrate/sinks"
)

// TestSelectionEverywhere: each command takes the selection of many collections, or is named here, and why it is about one, or about none.
func TestSelectionEverywhere(t *testing.T) {
	t.Parallel()
	without := map[string]string{
		"migrate sync": "one: a sync is of one collection", "migrate cutover": "one: so is the switch",
		"migrate describe": "one: it is for a folder of Parquet, which is one collection's", "migrate doctor": "one: it tries rights by making it",
		"migrate ready": "a sync that runs", "migrate config": "help", "migrate help": "help",
		"migrate bench insert": "a server", "migrate bench search": "a server", "migrate drill": "a cluster",
	}
	of := regexp.MustCompile(`^migrate (cluster|completion)\b`)
	var look func(*cobra.Command)
	look = func(cmd *cobra.Command) {
		for _, c := range cmd.Commands() {
			look(c)
		}
		path := cmd.CommandPath()
		if cmd.HasSubCommands() || of.MatchString(path) {
			return
		}
		lacks := slices.DeleteFunc([]string{"all", "database", "collection", "exclude"}, func(name string) bool { return cmd.Flags().Lookup(name) != nil })
		if _, known := without[path]; !known && len(lacks) > 0 {
			t.Errorf("%s takes no --%v", path, lacks)
		} else if known && len(lacks) == 0 {
			t.Errorf("%s takes a selection, and is named as one that does not", path)
		}
	}
	look(newRoot())
}

// TestOneSelection has every command that takes a selection be given the same ones, and do what it does to those collections alone.
func TestOneSelection(t *testing.T) {
	t.Parallel()
	for title, c := range map[string]struct {
		selection []string
		meant     []string
	}{
		"all but one": {args("--all", "--exclude", "users"), []string{"docs", "shop.orders"}},
		"a database":  {args("--database", "sh*"), []string{"shop.orders"}},
		"patterns":    {args("--collection", "d*", "--collection", "user?"), []string{"docs", "users"}},
	} {
		t.Run(title, func(t *testing.T) {
			t.Parallel()
			from, to := manyInMemory(t), memory.Start(t, "v2.3.5")
			all, some := filepath.Join(t.TempDir(), "a"), filepath.Join(t.TempDir(), "s")
			source, target, insert := args("--source-address", from.Address), args("--target-address", to.Address), args("--via", "insert")
			for _, step := range [][]string{
				args("plan", source, target), args("export", source, sink, some), args("import", target, insert, sink, some),
				args("verify", source, target, sink, some), args("verify", "--from", "export", target, sink, some), args("status", sink, some),
				args("run", source, target, insert, sink, some, "--listen", ""), args("jobs", "rm", "--force", sink, some),
			} {
				r := migrate(t, nil, args(step, c.selection)...)
				r.want(t, exitOK)
				wantNamed(t, step[0], r.stdout, c.meant)
			}
			migrate(t, nil, args("diff", source, target, c.selection)...).want(t, exitOK)

			migrate(t, nil, args("export", source, sink, all, "--all")...).want(t, exitOK, "3 done")
			broken := memory.Start(t, "v2.3.5")
			var failing atomic.Bool
			failing.Store(true)
			broken.Answer(func(method string) error {
				if failing.Load() && method == "CreateIndex" {
					return status.Error(codes.InvalidArgument, "broken on purpose")
				}
				return nil
			})
			onto := args("--target-address", broken.Address, sink, all)
			migrate(t, nil, args("import", onto, insert, "--all")...).want(t, exitFailed, "3 failed")
			local, err := sinks.NewLocal(all)
			if err != nil {
				t.Fatal(err)
			}
			for _, name := range everyName {
				database, collection, within := strings.Cut(name, ".")
				if !within {
					database, collection = "", name
				}
				job, err := checkpoint.ImportOf(t.Context(), local, name, database, collection)
				if err != nil {
					t.Fatal(err)
				}
				alter(t, filepath.Join(all, checkpoint.Object(job)), 100)
			}
			r := migrate(t, nil, args("jobs", "rebuild", sink, all, c.selection)...)
			r.want(t, exitOK, "have no checkpoint that is damaged or lost")
			wantNamed(t, "jobs rebuild", r.stdout, c.meant)
			migrate(t, nil, args("jobs", "rebuild", sink, all, "--all")...).want(t, exitOK, "made the checkpoint of")
			failing.Store(false)
			migrate(t, nil, args("resume", onto, c.selection)...).want(t, exitOK)
			r = migrate(t, nil, args("status", sink, all, "--json")...)
			var done []string
			for _, name := range everyName {
				if regexp.MustCompile(`"job": "` + regexp.QuoteMeta(name) + `",\s+"kind": "import",\s+"state": "done"`).MatchString(r.stdout) {
					done = append(done, name)
				}
			}
			if !slices.Equal(done, c.meant) {
				t.Errorf("resumed were %q, want %q", done, c.meant)
			}
		})
	}
}

// everyName is those of manyInMemory.
var everyName = []string{"docs", "shop.orders", "users"}

// wantNamed wants those collections named that are meant, and no others.
func wantNamed(t *testing.T, command, text string, meant []string) {
	t.Helper()
	text = regexp.MustCompile(`(?m)^users and rights.*$`).ReplaceAllString(text, "")
	for _, name := range everyName {
		named := regexp.MustCompile(`(^|[\s"])` + regexp.QuoteMeta(name) + `\b`).MatchString(text)
		if named != slices.Contains(meant, name) {
			t.Errorf("%s: %s is named: %t\n%s", command, name, named, text)
		}
	}
}
