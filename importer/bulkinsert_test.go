package importer

import "testing"

// TestJobStateInWords gives what servers of all versions say one name each.
func TestJobStateInWords(t *testing.T) {
	for title, c := range map[string]struct {
		state jobState
		want  JobState
	}{
		"2.3, waiting":          {jobState{name: "ImportPending"}, JobPending},
		"2.3, reading":          {jobState{name: "ImportStarted"}, JobImporting},
		"2.3, written":          {jobState{name: "ImportPersisted"}, JobImporting},
		"2.3, done":             {jobState{name: "ImportCompleted", completed: true}, JobCompleted},
		"2.3, failed":           {jobState{name: "ImportFailed", failed: "no such file"}, JobFailed},
		"2.4, waiting":          {jobState{name: "Pending"}, JobPending},
		"2.4, under way":        {jobState{name: "Importing"}, JobImporting},
		"2.4, done":             {jobState{name: "Completed", completed: true}, JobCompleted},
		"3.0, to be committed":  {jobState{name: "Uncommitted", uncommitted: true}, JobUncommitted},
		"a state not known yet": {jobState{name: "Sorting"}, JobImporting},
	} {
		if got := c.state.inWords(); got != c.want {
			t.Errorf("%s: %s, want %s", title, got, c.want)
		}
	}
}
