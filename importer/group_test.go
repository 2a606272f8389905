package importer

import (
	"fmt"
	"slices"
	"testing"

	"pgregory.net/rapid"

	"migrate/internal/export"
)

// parts are some of partition a and some of b, of a size each.
func parts(a, b int, bytes int64) []export.Part {
	all := make([]export.Part, a+b)
	for i := range all {
		all[i].Object, all[i].Bytes, all[i].Partition = fmt.Sprint(i), bytes, "a"
		if i >= a {
			all[i].Partition = "b"
		}
	}
	return all
}

// objects are those of groups.
func objects(groups [][]export.Part) (all [][]string) {
	for _, g := range groups {
		var names []string
		for _, p := range g {
			names = append(names, p.Object)
		}
		all = append(all, names)
	}
	return all
}

func TestGroups(t *testing.T) {
	for title, c := range map[string]struct {
		parts             []export.Part
		filesPerJob, jobs int
		want              string
	}{
		"none":                      {nil, 1024, 4, "[]"},
		"a file a job":              {parts(2, 1, 1), 1, 2, "[[0] [1] [2]]"},
		"one job a partition":       {parts(3, 2, 1), 1024, 1, "[[0 1 2] [3 4]]"},
		"a fair share for each job": {parts(4, 2, 1), 1024, 2, "[[0 1 2] [3] [4 5]]"},
		"fewer parts than jobs":     {parts(2, 0, 1), 1024, 4, "[[0] [1]]"},
		"as many as a job takes":    {parts(5, 0, 1), 2, 1, "[[0 1] [2 3] [4]]"},
		"large ones apart":          {parts(3, 0, jobBytes/2), 1024, 1, "[[0 1] [2]]"},
		"a part larger than that":   {parts(2, 0, 2*jobBytes), 1024, 1, "[[0] [1]]"},
	} {
		if got := fmt.Sprint(objects(groups(c.parts, c.filesPerJob, c.jobs))); got != c.want {
			t.Errorf("%s: %v, want %v", title, got, c.want)
		}
	}
}

// TestGroupsAreWhole: each part is in one group, with none of another partition.
func TestGroupsAreWhole(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		all := parts(rapid.IntRange(0, 30).Draw(t, "a"), rapid.IntRange(0, 30).Draw(t, "b"), rapid.Int64Range(1, jobBytes).Draw(t, "bytes"))
		most := rapid.IntRange(1, 10).Draw(t, "files per job")
		var seen, want []string
		for _, g := range groups(all, most, rapid.IntRange(1, 8).Draw(t, "jobs")) {
			for _, p := range g {
				if p.Partition != g[0].Partition || len(g) > most {
					t.Fatalf("no job takes %v", g)
				}
				seen = append(seen, p.Object)
			}
		}
		for _, p := range all {
			want = append(want, p.Object)
		}
		slices.Sort(seen)
		slices.Sort(want)
		if !slices.Equal(seen, want) {
			t.Fatalf("grouped %v, want %v", seen, want)
		}
	})
}
