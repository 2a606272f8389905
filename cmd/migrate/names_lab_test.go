//go:build lab

package main

import (
	"os"
	"testing"

	"migrate/internal/labtest/memory"
)

// TestOtherCollection refuses an export of another collection than the one that is named, in import and verify alike.
func TestOtherCollection(t *testing.T) {
	folder := t.TempDir()
	if err := os.CopyFS(folder, os.DirFS("../../internal/labtest/e2e/testdata/round1/sink")); err != nil {
		t.Fatal(err)
	}
	target := memory.Start(t, "v2.3.5").Address
	for _, command := range [][]string{{"import"}, {"verify", "--from", "export"}} {
		migrate(t, nil, args(command, "--target-address", target, "--sink-url", folder, "--job", "complete", "--collection", "other")...).
			want(t, exitUsage, `export "complete"`, `is of collection "fixture", and not of "other"`, "--as")
	}
}
