package ingest

import "testing"

// TestUnended gives what servers of all versions say of a job that goes on one name each.
func TestUnended(t *testing.T) {
	for named, want := range map[string]State{
		"ImportPending": Pending, "ImportStarted": Importing, "ImportPersisted": Importing, // 2.3
		"Pending": Pending, "Importing": Importing, "Sorting": Importing, // 2.4 and later
	} {
		if got := unended(named); got != want {
			t.Errorf("%s: %s, want %s", named, got, want)
		}
	}
}
