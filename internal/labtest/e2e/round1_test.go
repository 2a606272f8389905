package e2e

import (
	"os"
	"testing"
	"testing/synctest"

	"migrate/checkpoint"
	"migrate/internal/columns"
	"migrate/internal/cutover"
	"migrate/internal/export"
	"migrate/internal/labtest"
	"migrate/internal/model"
	"migrate/sinks"
)

// round1 is a copy of what the migrate of round 1 wrote, on Milvus 2.3.5: a folder of testdata/round1.
func round1(t *testing.T, folder string) *sinks.Local {
	t.Helper()
	copied := t.TempDir()
	if err := os.CopyFS(copied, os.DirFS("testdata/round1/"+folder)); err != nil {
		t.Fatal(err)
	}
	s, err := sinks.NewLocal(copied)
	if err != nil {
		t.Fatal(err)
	}
	return s
}

// TestRound1Export reads an export of round 1: each part by its SHA-256, the rows by their checksum, and what was found.
func TestRound1Export(t *testing.T) {
	t.Parallel()
	sink := round1(t, "sink")
	m, err := export.Read(t.Context(), sink, "complete")
	if err != nil {
		t.Fatal(err)
	}
	var sum model.Sum
	for _, p := range m.Parts {
		stream, err := m.ReadPart(t.Context(), sink, p)
		for rec := range labtest.Batches(t, stream, err) {
			hashes, err := columns.Hash(rec)
			if err != nil {
				t.Error(err)
			}
			sum.AddRows(hashes)
		}
	}
	if sum != m.Total || sum.Rows != 90 {
		t.Errorf("its rows sum up to %+v, the manifest says %+v", sum, m.Total)
	}
	if d := m.Findings.Duplicates; d.Keys != 2 || d.Rows != 2 || d.Sample[0] != (model.Copies{Key: model.IntKey(5), Copies: 2}) {
		t.Errorf("duplicate keys: %+v", d)
	}
}

// TestRound1Jobs takes up the jobs of round 1 where they were: one that failed, one whose process was killed, and those that are done.
func TestRound1Jobs(t *testing.T) {
	t.Parallel()
	for name, job := range map[string]struct {
		folder, document string
		resumed          bool
		done             int
	}{
		"a failed export":  {"sink", "interrupted/export", true, 1},
		"a done export":    {"sink", "complete/export", false, 2},
		"a killed import":  {"killed", "complete/import-fixture2", true, 0},
		"a done import":    {"staging", "complete/import-fixture", false, 2},
		"a sync":           {"synced", "sync-fixture", true, 0},
		"a switched  sync": {"sink", "complete/sync-fixture", true, 0},
	} {
		synctest.Test(t, func(t *testing.T) {
			sink := round1(t, job.folder)
			was, err := checkpoint.Read(t.Context(), sink, job.document)
			if err != nil {
				t.Fatalf("%s: %v", name, err)
			}
			if was.Done.Parts != job.done {
				t.Errorf("%s: %d parts are done, want %d", name, was.Done.Parts, job.done)
			}
			_, h, err := checkpoint.Acquire(t.Context(), sink, job.document, checkpoint.Fresh{Kind: was.Kind, Name: was.Name, Params: was.Params})
			if err != nil {
				t.Fatalf("%s: %v", name, err)
			}
			if h.Resumed != job.resumed || h.Epoch() != was.Lease.Epoch+1 {
				t.Errorf("%s: resumed %t, epoch %d after %d", name, h.Resumed, h.Epoch(), was.Lease.Epoch)
			}
			if body := h.Job().Body; was.Kind == checkpoint.Sync && string(body) != string(was.Body) {
				t.Errorf("%s: position %s, was %s", name, body, was.Body)
			}
			if err := h.Release(t.Context(), checkpoint.Interrupted, nil); err != nil {
				t.Errorf("%s: %v", name, err)
			}
		})
	}
}

// TestRound1Certificate reads a certificate of round 1, and makes its page.
func TestRound1Certificate(t *testing.T) {
	t.Parallel()
	c, err := cutover.LatestCertificate(t.Context(), round1(t, "sink"), "complete", "fixture")
	if err != nil || c == nil {
		t.Fatal(c, err)
	}
	if c.Serves.Role != "target" || !c.Report.Equal || !c.Report.SameRows() || c.Report.LeftFound.Duplicates.Rows != 2 {
		t.Errorf("%+v", c.Report)
	}
	if _, err := c.HTML(); err != nil {
		t.Error(err)
	}
}
