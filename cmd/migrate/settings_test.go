package main

import (
	"slices"
	"testing"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"
)

// TestEveryFlagIsRead: a flag that is no setting of the list would be taken, and do nothing.
func TestEveryFlagIsRead(t *testing.T) {
	known := []string{"config", "help", "version"}
	for _, s := range allSettings() {
		known = append(known, flagName(s.key))
	}
	var look func(*cobra.Command)
	look = func(cmd *cobra.Command) {
		cmd.Flags().VisitAll(func(f *pflag.Flag) {
			if !slices.Contains(known, f.Name) {
				t.Errorf("%s takes --%s, and it is not read", cmd.CommandPath(), f.Name)
			}
		})
		for _, c := range cmd.Commands() {
			look(c)
		}
	}
	look(newRoot())
}

// TestWiden reaches the import, which it did not for a time.
func TestWiden(t *testing.T) {
	cmd := newImport()
	if err := cmd.ParseFlags([]string{"--widen"}); err != nil {
		t.Fatal(err)
	}
	if c, err := loadConfig(cmd.Flags()); err != nil || !c.Widen {
		t.Errorf("--widen is read as %t, %v", c.Widen, err)
	}
}

// TestOneCollection refuses several collections, and patterns, where a command is about one.
func TestOneCollection(t *testing.T) {
	t.Parallel()
	for _, command := range []string{"sync", "cutover", "doctor", "describe"} {
		migrate(t, nil, command, "--collection", "a", "--collection", "b").want(t, exitUsage, "about one collection")
		migrate(t, nil, command, "--collection", "a*").want(t, exitUsage, "about one collection")
	}
}
