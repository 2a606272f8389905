package importer

import (
	"fmt"
	"slices"
	"testing"

	"pgregory.net/rapid"

	"migrate/checkpoint"
)

// parts are some of partition a and some of b, of a size each.
func parts(a, b int, bytes int64) []checkpoint.Part {
	all := make([]checkpoint.Part, a+b)
	for i := range all {
		all[i].Bytes, all[i].Partition = bytes, "a"
		if i >= a {
			all[i].Partition = "b"
		}
	}
	return all
}

func TestGroups(t *testing.T) {
	adopted := parts(4, 0, 1)
	adopted[0].State, adopted[0].Task = checkpoint.Submitted, 7
	adopted[1].State = checkpoint.Finished
	adopted[2].State, adopted[2].Task = checkpoint.Submitted, 7
	for title, c := range map[string]struct {
		parts             []checkpoint.Part
		filesPerJob, jobs int
		want              []group
	}{
		"none":                          {nil, 1024, 4, nil},
		"a file a job":                  {parts(2, 1, 1), 1, 2, []group{{0}, {1}, {2}}},
		"one job a partition":           {parts(3, 2, 1), 1024, 1, []group{{0, 1, 2}, {3, 4}}},
		"a fair share for each job":     {parts(4, 2, 1), 1024, 2, []group{{0, 1, 2}, {3}, {4, 5}}},
		"fewer parts than jobs":         {parts(2, 0, 1), 1024, 4, []group{{0}, {1}}},
		"as many as a job takes":        {parts(5, 0, 1), 2, 1, []group{{0, 1}, {2, 3}, {4}}},
		"large ones apart":              {parts(3, 0, jobBytes/2), 1024, 1, []group{{0, 1}, {2}}},
		"a part larger than that":       {parts(2, 0, 2*jobBytes), 1024, 1, []group{{0}, {1}}},
		"those of one job stay as they": {adopted, 1, 4, []group{{0, 2}, {3}}},
	} {
		got := groups(c.parts, c.filesPerJob, c.jobs)
		if fmt.Sprint(got) != fmt.Sprint(c.want) {
			t.Errorf("%s: %v, want %v", title, got, c.want)
		}
	}
}

// TestGroupsAreWhole: each part that is not finished is in one group, with none of another partition or job.
func TestGroupsAreWhole(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		all := parts(rapid.IntRange(0, 30).Draw(t, "a"), rapid.IntRange(0, 30).Draw(t, "b"), rapid.Int64Range(1, jobBytes).Draw(t, "bytes"))
		for i := range all {
			all[i].State = rapid.SampledFrom([]checkpoint.PartState{checkpoint.Todo, checkpoint.Submitted, checkpoint.Finished}).Draw(t, "state")
			if all[i].State == checkpoint.Submitted {
				all[i].Task = int64(len(all[i].Partition)) + rapid.Int64Range(1, 3).Draw(t, "task")
			}
		}
		most := rapid.IntRange(1, 10).Draw(t, "files per job")
		var seen []int
		for _, g := range groups(all, most, rapid.IntRange(1, 8).Draw(t, "jobs")) {
			for _, i := range g {
				if all[i].State != all[g[0]].State || all[i].Task != all[g[0]].Task {
					t.Fatalf("parts %d and %d are of different jobs: %v", g[0], i, g)
				}
				if all[i].State == checkpoint.Todo && (all[i].Partition != all[g[0]].Partition || len(g) > most) {
					t.Fatalf("no job takes %v", g)
				}
				seen = append(seen, i)
			}
		}
		slices.Sort(seen)
		want := append(inState(all, checkpoint.Todo), inState(all, checkpoint.Submitted)...)
		slices.Sort(want)
		if !slices.Equal(seen, want) {
			t.Fatalf("grouped %v, want %v", seen, want)
		}
	})
}
