//go:build lab

package main

import (
	"context"
	"os"
	"path/filepath"
	"testing"

	"migrate/deploy/lab"
)

// TestClusterLab watches the lab's cluster, and scales its index nodes, which no client speaks to.
func TestClusterLab(t *testing.T) {
	l, err := lab.Running(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := l.Scale(context.WithoutCancel(t.Context()), "indexnode", 1); err != nil {
			t.Error(err)
		}
	})
	on := func(dir string, words ...string) result {
		cache := []string{"HOME=" + os.Getenv("HOME"), "XDG_CACHE_HOME=" + os.Getenv("XDG_CACHE_HOME"), "LAB_CACHE=" + os.Getenv("LAB_CACHE")}
		return migrate(t, cache, append(words, "--lab", dir)...)
	}
	on(l.Dir(), "cluster", "start", "--force").want(t, exitOK, "proxy-2: runs", "proxy answers at "+lab.Proxy2, "minio answers at "+lab.MinIO)
	for _, replicas := range []string{"2", "1"} {
		on(l.Dir(), "cluster", "scale", "indexnode", replicas).want(t, exitOK, replicas+" of indexnode are known")
		on(l.Dir(), "cluster", "monitor").want(t, exitOK, "proxy 2, querynode 2, datanode 2, indexnode "+replicas, "REQUEST")
	}
	on(l.Dir(), "cluster", "scale", "indexnode", "5").want(t, exitUsage, "ports for 1 to 4")
	on(l.Dir(), args("drill", "no-such", toTarget)...).want(t, exitFailed, "no such server runs", "migrate cluster monitor")

	nowhere := filepath.Join(t.TempDir(), "nowhere")
	on(nowhere, "cluster", "start", "--force").want(t, exitFailed, "MEND", "taken by another program")
	on(nowhere, "cluster", "scale", "indexnode", "2").want(t, exitFailed, "does not run", "migrate cluster start")
	on(nowhere, "cluster", "stop").want(t, exitFailed, "no such file or directory")
}
