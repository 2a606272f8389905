package lab

import (
	"context"
	"errors"
	"os"
	"strings"
	"sync/atomic"
	"testing"

	"golang.org/x/sync/errgroup"
)

func TestInstallBuildsOnce(t *testing.T) {
	l := aLab(t)
	var builds atomic.Int32
	p := pack{name: "thing-1", build: func(_ context.Context, b *build) error {
		builds.Add(1)
		return os.WriteFile(b.path("thing"), []byte("whole"), 0o644)
	}}
	group, ctx := errgroup.WithContext(t.Context())
	for range 3 {
		group.Go(func() error { return l.install(ctx, p) })
	}
	if err := group.Wait(); err != nil {
		t.Fatal(err)
	}
	if got := builds.Load(); got != 1 {
		t.Errorf("built %d times", got)
	}
	if text, err := os.ReadFile(l.installed(p, "thing")); err != nil || string(text) != "whole" {
		t.Errorf("installed %q, %v", text, err)
	}
}

func TestFailedInstallLeavesNothingAndShowsItsLog(t *testing.T) {
	l := aLab(t)
	p := pack{name: "thing-1", build: func(ctx context.Context, b *build) error {
		return b.run(ctx, nil, "sh", "-c", "touch half; echo no such release >&2; exit 3")
	}}
	err := l.install(t.Context(), p)
	for _, want := range []string{"installing thing-1", "exit status 3", "no such release"} {
		if !matches(err, want) {
			t.Errorf("error %v; want it to say %q", err, want)
		}
	}
	if l.isInstalled(p) {
		t.Error("half a pack is taken for a whole one")
	}
	if _, err := os.Stat(l.installed(p) + ".partial"); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("the half pack is still there: %v", err)
	}
}

func TestMissingToolsAreAllNamed(t *testing.T) {
	l := aLab(t)
	t.Setenv("PATH", t.TempDir())
	_, err := l.Software(t.Context())
	err = errors.Join(err, l.Install(t.Context()))
	for tool, hint := range prerequisites {
		if !matches(err, tool+" is not on the PATH: "+hint) {
			t.Errorf("error %v; want it to name %s", err, tool)
		}
	}
}

func TestInstalledPacksNeedNoTools(t *testing.T) {
	l := aLab(t)
	withPack(t, l, etcdPack, map[string]string{"etcd": "#!/bin/sh"})
	t.Setenv("PATH", t.TempDir())
	if err := l.install(t.Context(), etcdPack); err != nil {
		t.Error(err)
	}
}

func TestTail(t *testing.T) {
	path := t.TempDir() + "/log"
	if err := os.WriteFile(path, []byte(strings.Repeat("x\n", 50000)+"last but one\nlast\n"), 0o644); err != nil {
		t.Fatal(err)
	}
	got, err := tail(path, 2)
	if err != nil || got != "last but one\nlast" {
		t.Errorf("tail = %q, %v", got, err)
	}
}
