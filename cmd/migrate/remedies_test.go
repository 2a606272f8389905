package main

import (
	"go/ast"
	"go/parser"
	gotoken "go/token"
	"io/fs"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"
)

var (
	flagPattern    = regexp.MustCompile(`--[a-z][a-z-]+`)
	commandPattern = regexp.MustCompile("`migrate ([^`]*)`")
)

// othersFlags are flags of docker, docker compose, kubectl and milvus-lite.
var othersFlags = []string{
	"--all", "--data-dir", "--detach", "--format", "--host", "--no-recreate", "--no-stream", "--port", "--profile", "--progress",
	"--remove-orphans", "--replicas", "--scale", "--short", "--volumes", "--wait",
}

// flagsOf are the flags that a command takes, with those of all commands.
func flagsOf(cmd *cobra.Command) []string {
	names := []string{"--help", "--version"}
	note := func(f *pflag.Flag) { names = append(names, "--"+f.Name) }
	cmd.Flags().VisitAll(note)
	cmd.InheritedFlags().VisitAll(note)
	return names
}

// everyFlag are the flags of a command and of those below it.
func everyFlag(cmd *cobra.Command) []string {
	names := flagsOf(cmd)
	for _, sub := range cmd.Commands() {
		names = append(names, everyFlag(sub)...)
	}
	return names
}

// unknownFlags are those that a text names and that are not known; where it gives a command with flags, those that it has not.
func unknownFlags(root *cobra.Command, known []string, text string) (unknown []string) {
	for _, f := range flagPattern.FindAllString(text, -1) {
		if !slices.Contains(known, f) {
			unknown = append(unknown, f)
		}
	}
	for _, given := range commandPattern.FindAllStringSubmatch(text, -1) {
		cmd, rest, err := root.Find(strings.Fields(given[1]))
		if err != nil || cmd.HasSubCommands() && len(rest) > 0 && !strings.HasPrefix(rest[0], "-") {
			unknown = append(unknown, given[0])
			continue
		}
		for _, f := range flagPattern.FindAllString(given[1], -1) {
			if !slices.Contains(flagsOf(cmd), f) {
				unknown = append(unknown, f+" of "+cmd.CommandPath())
			}
		}
	}
	return unknown
}

// TestRemedies: each flag and each command that a message or a hint names is there. A remedy that is none sends people in circles.
func TestRemedies(t *testing.T) {
	root := newRoot()
	root.InitDefaultHelpCmd()
	known := append(everyFlag(root), othersFlags...)
	for _, h := range hints {
		if unknown := unknownFlags(root, known, h.hint); len(unknown) > 0 {
			t.Errorf("the hint on %v names %q", h.err, unknown)
		}
	}
	literals := 0
	eachLiteral(t, func(at gotoken.Position, text string) {
		literals++
		if unknown := unknownFlags(root, known, text); len(unknown) > 0 {
			t.Errorf("%s names %q", at, unknown)
		}
	})
	if literals < 1000 {
		t.Errorf("%d texts were looked at", literals)
	}
	for text, want := range map[string]int{
		"say --overwrite":                       0,
		"say --over-write":                      1,
		"`migrate export --overwrite` does":     0,
		"`migrate plan --overwrite` does":       1,
		"`migrate repair` does":                 1,
		"`migrate cluster start --lab X` does":  0,
		"`migrate jobs rebuild`, then --nobody": 1,
	} {
		if unknown := unknownFlags(root, known, text); len(unknown) != want {
			t.Errorf("%s: unknown are %q", text, unknown)
		}
	}
}

// notTheProduct are folders whose texts are of tests and of the lab's servers.
var notTheProduct = []string{"deploy", "labtest", "e2e", "faulttable", "testdata", "lab", ".git", ".lab"}

// eachLiteral gives the texts in the product's source.
func eachLiteral(t *testing.T, visit func(at gotoken.Position, text string)) {
	t.Helper()
	err := filepath.WalkDir("../..", func(path string, d fs.DirEntry, err error) error {
		switch {
		case err != nil:
			return err
		case d.IsDir() && slices.Contains(notTheProduct, d.Name()):
			return filepath.SkipDir
		case filepath.Ext(path) != ".go" || strings.HasSuffix(path, "_test.go"):
			return nil
		}
		files := gotoken.NewFileSet()
		parsed, err := parser.ParseFile(files, path, nil, 0)
		if err != nil {
			return err
		}
		ast.Inspect(parsed, func(n ast.Node) bool {
			if lit, ok := n.(*ast.BasicLit); ok && lit.Kind == gotoken.STRING {
				if text, err := strconv.Unquote(lit.Value); err == nil {
					visit(files.Position(lit.Pos()), text)
				}
			}
			return true
		})
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
}
