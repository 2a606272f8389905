package main

import (
	"encoding/json"
	"strings"
	"testing"

	"github.com/milvus-io/milvus-proto/go-api/v2/schemapb"

	"migrate/internal/labtest"
	"migrate/internal/labtest/memory"
)

// TestDiffCommand compares two servers, by its lines and by its exit codes.
func TestDiffCommand(t *testing.T) {
	source, target := memory.Start(t, "v2.5.10"), memory.Start(t, "v2.5.10")
	for _, name := range []string{"docs", "old_docs"} {
		coll := labtest.Collection(labtest.Schema(labtest.IntKey("id"), labtest.Vector("v", schemapb.DataType_FloatVector, 2)))
		coll.Name = name
		source.Add(t, coll)
		if name == "docs" {
			target.Add(t, coll)
		}
	}
	both := []string{"--source-address", source.Address, "--target-address", target.Address}
	diff := func(args ...string) result {
		return migrate(t, nil, append(append([]string{"diff"}, both...), args...)...)
	}

	r := diff()
	if r.code != exitDiffers || r.stdout != "collection old_docs: it is missing on the target\n" {
		t.Errorf("%+v", r)
	}
	if r := diff("--all", "--exclude", "old_*"); r.code != exitOK || r.stdout != "" {
		t.Errorf("without what differs: %+v", r)
	}
	if r := diff("--collection", "docs"); r.code != exitOK || r.stdout != "" {
		t.Errorf("one collection: %+v", r)
	}
	if r := diff("--collection", "old_docs", "--as", "docs"); r.code != exitOK || r.stdout != "" {
		t.Errorf("one collection under another name: %+v", r)
	}
	var told struct {
		Differences []struct{ Where, Text string }
		Collections int
	}
	if r := diff("--json"); r.code != exitDiffers || json.Unmarshal([]byte(r.stdout), &told) != nil || len(told.Differences) != 1 || told.Collections != 1 {
		t.Errorf("as JSON: %+v", r)
	}
	if r := diff("--database", "nothing*"); r.code != exitFailed || !strings.Contains(r.stderr, "next: see how it is spelled") {
		t.Errorf("a pattern that nothing meets: %+v", r)
	}
	for _, wrong := range [][]string{{"--all", "--source-database", "news"}, {"--all", "--as", "x"}, {"--database", "[", "--all"}} {
		if r := diff(wrong...); r.code != exitUsage {
			t.Errorf("%v: %+v", wrong, r)
		}
	}
	target.Deny("IndexDetail")
	if r := diff("--collection", "docs"); r.code != exitFailed || !strings.Contains(r.stderr, "not compared: collection docs") {
		t.Errorf("without a right: %+v", r)
	}
}
