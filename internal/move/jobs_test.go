package move

import (
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"migrate/checkpoint"
	"migrate/internal/syncer"
	"migrate/sinks"
)

// round1 are stores with jobs that the migrate of round 1 left: a sink with a complete export that was cut over and an interrupted one,
// and a staging store with its import.
func round1(t *testing.T) (stores []sinks.Sink) {
	t.Helper()
	for _, folder := range []string{"sink", "staging"} {
		copied := t.TempDir()
		if err := os.CopyFS(copied, os.DirFS("../labtest/e2e/testdata/round1/"+folder)); err != nil {
			t.Fatal(err)
		}
		store, err := sinks.NewLocal(copied)
		if err != nil {
			t.Fatal(err)
		}
		stores = append(stores, store)
	}
	return stores
}

// damage flips a bit of a document.
func damage(t *testing.T, store sinks.Sink, name string) {
	t.Helper()
	local := store.(*sinks.Local)
	text, version, err := local.Load(t.Context(), name)
	if err != nil {
		t.Fatal(err)
	}
	text[len(text)/2] ^= 1
	if _, err := local.Swap(t.Context(), name, version, text); err != nil {
		t.Fatal(err)
	}
}

// TestStatuses shows the jobs of all stores together: an export knows that it was imported, a sync which side serves.
func TestStatuses(t *testing.T) {
	stores := round1(t)
	all, err := Statuses(t.Context(), stores, "")
	if err != nil {
		t.Fatal(err)
	}
	var shown []string
	for _, s := range all {
		shown = append(shown, strings.Join([]string{s.Job, string(s.Kind), string(s.State)}, " "))
	}
	slices.Sort(shown)
	if want := []string{"complete export done", "complete import done", "complete sync paused", "interrupted export failed"}; !slices.Equal(shown, want) {
		t.Errorf("shown are %q, want %q", shown, want)
	}
	for _, s := range all {
		switch {
		case s.Kind == checkpoint.Export && s.Imported != (s.Job == "complete"):
			t.Errorf("%s was imported: %t", s.Job, s.Imported)
		case s.Kind == checkpoint.Export && s.State == checkpoint.Done && (s.Done != 2 || s.Parts != 2 || s.RowsDone != 90 || s.Found.Duplicates.Keys != 2):
			t.Errorf("of a complete export: %+v", s)
		case s.Kind == checkpoint.Sync && s.Sync.Serving != string(syncer.Target):
			t.Errorf("the %s serves", s.Sync.Serving)
		}
	}
	if one, err := Statuses(t.Context(), stores, "interrupted"); err != nil || len(one) != 1 {
		t.Errorf("of one job: %+v, %v", one, err)
	}
	if none, err := Statuses(t.Context(), stores, "nobody"); err != nil || none == nil || len(none) > 0 {
		t.Errorf("of none: %+v, %v", none, err)
	}
}

// TestUnfinished are exports and imports, and no syncs; a job that nobody knows is told from one that is done.
func TestUnfinished(t *testing.T) {
	stores := round1(t)
	left, err := Unfinished(t.Context(), stores, "interrupted")
	if err != nil || len(left) != 1 || left[0].Kind != checkpoint.Export {
		t.Errorf("%+v, %v", left, err)
	}
	for name, want := range map[string]string{"complete": "nothing of job", "nobody": "there is no job"} {
		if _, err := Unfinished(t.Context(), stores, name); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: %v, want %q", name, err, want)
		}
	}
}

// TestRemove removes nothing that would be missed, unless it is said.
func TestRemove(t *testing.T) {
	for title, c := range map[string]struct {
		job    string
		alter  func(sink sinks.Sink)
		refuse string // unless forced
	}{
		"an interrupted export": {"interrupted", func(sinks.Sink) {}, ""},
		"a complete export":     {"complete", func(sinks.Sink) {}, "it is a complete export"},
		"cut over": {"complete", func(s sinks.Sink) {
			if err := s.Delete(t.Context(), "complete/export.checkpoint.json"); err != nil {
				t.Fatal(err)
			}
		}, "which side serves (the target)"},
		"a certificate alone": {"complete", func(s sinks.Sink) {
			for _, name := range []string{"complete/export.checkpoint.json", "complete/sync-fixture.checkpoint.json"} {
				if err := s.Delete(t.Context(), name); err != nil {
					t.Fatal(err)
				}
			}
		}, "certificates of a cutover"},
		"what can't be read": {"interrupted", func(s sinks.Sink) { damage(t, s, "interrupted/export.checkpoint.json") }, "can't be read"},
		"nobody's":           {"nobody", func(sinks.Sink) {}, "there is no job"},
	} {
		stores := round1(t)
		c.alter(stores[0])
		err := Remove(t.Context(), stores, Removal{Job: c.job})
		if (err == nil) != (c.refuse == "") || err != nil && !strings.Contains(err.Error(), c.refuse) {
			t.Errorf("%s: %v, want %q", title, err, c.refuse)
		}
		if err := Remove(t.Context(), stores, Removal{Job: c.job, Force: true}); (err == nil) != (c.refuse != "" && c.job != "nobody") {
			t.Errorf("%s, forced: %v", title, err)
		}
		if left, err := Statuses(t.Context(), stores, c.job); err != nil || len(left) > 0 {
			t.Errorf("%s: left are %+v, %v", title, left, err)
		}
	}
}

// TestRebuild makes a sync anew by its certificate, one that is damaged and one that is lost, and nothing that can be read.
func TestRebuild(t *testing.T) {
	const sync = "complete/sync-fixture.checkpoint.json"
	for title, lose := range map[string]func(*testing.T, sinks.Sink){
		"damaged": func(t *testing.T, s sinks.Sink) { damage(t, s, sync) },
		"lost": func(t *testing.T, s sinks.Sink) {
			if err := s.Delete(t.Context(), sync); err != nil {
				t.Fatal(err)
			}
		},
	} {
		stores := round1(t)
		if _, err := Rebuild(t.Context(), stores, "complete"); err == nil || !strings.Contains(err.Error(), "no checkpoint that is damaged") {
			t.Errorf("%s, before: %v", title, err)
		}
		lose(t, stores[0])
		rebuilt, err := Rebuild(t.Context(), stores, "complete")
		if err != nil || len(rebuilt) != 1 || !rebuilt[0].Certified || rebuilt[0].Serving != syncer.Target {
			t.Errorf("%s: %+v, %v", title, rebuilt, err)
		}
		s, err := Statuses(t.Context(), stores[:1], "complete")
		if i := slices.IndexFunc(s, func(s Status) bool { return s.Kind == checkpoint.Sync }); err != nil || i < 0 || s[i].Sync.Serving != "target" {
			t.Errorf("%s: %+v, %v", title, s, err)
		}
	}
}

// TestDoctorTellsUnfit of a sink that is a file, and tries nothing that is not given.
func TestDoctorTellsUnfit(t *testing.T) {
	file := filepath.Join(t.TempDir(), "file")
	if err := os.WriteFile(file, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	for _, f := range (Doctor{Sink: Store{URL: file}}).Examine(t.Context()) {
		switch {
		case strings.HasPrefix(f.What, "sink") != f.Bad, f.Bad && (f.Err == nil || f.Found != f.Err.Error()):
			t.Errorf("%+v", f)
		case (f.What == "source" || f.What == "target") && !strings.Contains(f.Found, "not tried"):
			t.Errorf("%+v", f)
		}
	}
}
