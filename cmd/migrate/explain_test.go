package main

import (
	"errors"
	"fmt"
	"strings"
	"testing"

	"migrate/checkpoint"
)

// TestExplainLost tells a job that another process has from one that nobody has: who waits for the first waits for ever with
// the second.
func TestExplainLost(t *testing.T) {
	const again, other = "give the same command again", "the other process goes on"
	kept := func(err error) error {
		return &checkpoint.ResumableError{Kind: checkpoint.Export, Job: "docs", Err: err}
	}
	for _, c := range []struct {
		name        string
		err         error
		says, never string
	}{
		{"taken over", kept(checkpoint.ErrLost), other, again},
		{"the store was away", kept(fmt.Errorf("export: %w", checkpoint.ErrExpired)), again, other},
		{"the store was away before a part was done", checkpoint.ErrExpired, again, other},
		{"the store was away, and another came first", kept(errors.Join(checkpoint.ErrExpired, checkpoint.ErrLost)), other, again},
	} {
		if got := explain(c.err); !strings.Contains(got, c.says) || strings.Contains(got, c.never) {
			t.Errorf("%s: %s", c.name, got)
		}
	}
}
