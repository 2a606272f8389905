package ingesttest

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"testing"
	"time"

	"migrate/internal/ingest"
	"migrate/internal/milvus"
)

// Subject is a dialect that is held to the contract, and the server behind it.
type Subject struct {
	ingest.Dialect
	Collection string
	Put        func(file string, rows int64) // has the bucket hold a file
	Rows       func() int64                  // that the collection has, as anybody sees them
	LoseAnswer func()                        // of the next Submit
}

// Contract holds a dialect to what the importer leans on; open makes a new one of no job, and an empty collection.
func Contract(t *testing.T, open func(t *testing.T) Subject) {
	hold(t, open, map[string]func(*testing.T, Subject){
		"a job brings its rows once":        bringsOnce,
		"a job that fails brings none":      failsWhole,
		"jobs are found by their files":     findsByFile,
		"a lost answer is found":            findsLostAnswer,
		"a job that never was is gone":      tellsGone,
		"calls end with their context":      endsWithContext,
		"as many files as the limits allow": takesFiles,
	})
}

// CommitContract holds one whose jobs wait to be committed to what the importer leans on beside.
func CommitContract(t *testing.T, open func(t *testing.T) Subject) {
	hold(t, open, map[string]func(*testing.T, Subject){
		"a commit makes rows visible": commits,
		"an abort leaves none":        aborts,
	})
}

func hold(t *testing.T, open func(t *testing.T) Subject, all map[string]func(*testing.T, Subject)) {
	for name, holds := range all {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			holds(t, open(t))
		})
	}
}

// submit makes a job of files of ten rows each.
func (s Subject) submit(t *testing.T, files ...string) int64 {
	t.Helper()
	for _, f := range files {
		s.Put(f, 10)
	}
	id, err := s.Submit(t.Context(), ingest.Order{Collection: s.Collection, Files: files})
	if err != nil {
		t.Fatal(err)
	}
	return id
}

// await follows a job until it is in one of some states.
func (s Subject) await(t *testing.T, id int64, states ...ingest.State) ingest.Status {
	t.Helper()
	for began := time.Now(); time.Since(began) < 10*time.Second; time.Sleep(time.Millisecond) {
		status, err := s.Poll(t.Context(), s.Collection, id)
		if err != nil {
			t.Fatal(err)
		}
		for _, state := range states {
			if status.State == state {
				return status
			}
		}
	}
	t.Fatalf("job %d never came to %v", id, states)
	return ingest.Status{}
}

// end follows a job to its end, and commits it where it waits for that.
func (s Subject) end(t *testing.T, id int64) ingest.Status {
	t.Helper()
	status := s.await(t, id, ingest.Uncommitted, ingest.Completed, ingest.Failed)
	if status.State != ingest.Uncommitted {
		return status
	}
	if err := s.Dialect.(ingest.Committer).Commit(t.Context(), id); err != nil {
		t.Fatal(err)
	}
	return s.await(t, id, ingest.Completed, ingest.Failed)
}

func (s Subject) wantRows(t *testing.T, want int64) {
	t.Helper()
	if rows := s.Rows(); rows != want {
		t.Errorf("the collection has %d rows, want %d", rows, want)
	}
}

func bringsOnce(t *testing.T, s Subject) {
	id := s.submit(t, "a.parquet")
	for range 3 {
		status := s.end(t, id)
		if status.State != ingest.Completed || status.Rows != 10 && status.Rows != ingest.UnknownRows || status.Err() != nil {
			t.Errorf("it ended as %+v", status)
		}
	}
	s.wantRows(t, 10)
}

func failsWhole(t *testing.T, s Subject) {
	id, err := s.Submit(t.Context(), ingest.Order{Collection: s.Collection, Files: []string{"nowhere.parquet"}})
	if err != nil {
		t.Fatal(err)
	}
	status := s.end(t, id)
	if status.State != ingest.Failed || status.Reason == "" || !errors.Is(status.Err(), ingest.ErrFailed) {
		t.Errorf("a job without its file ended as %+v", status)
	}
	s.wantRows(t, 0)
}

// find looks for files until the server has decided.
func (s Subject) find(t *testing.T, files ...string) map[string]int64 {
	t.Helper()
	for began := time.Now(); time.Since(began) < 10*time.Second; time.Sleep(time.Millisecond) {
		found, decided, err := s.Find(t.Context(), s.Collection, files)
		if err != nil {
			t.Fatal(err)
		}
		if decided {
			return found
		}
	}
	t.Fatal("the server never decided")
	return nil
}

func findsByFile(t *testing.T, s Subject) {
	if found := s.find(t, "a.parquet"); len(found) > 0 {
		t.Errorf("found %v where no job is", found)
	}
	a, b := s.submit(t, "a.parquet"), s.submit(t, "b.parquet")
	for range 2 { // as they go on, and when they have ended
		want := map[string]int64{"a.parquet": a, "b.parquet": b}
		if found := s.find(t, "a.parquet", "b.parquet", "c.parquet"); a == b || !maps.Equal(found, want) {
			t.Errorf("found %v, want %v", found, want)
		}
		s.end(t, a)
		s.end(t, b)
	}
	if found, _, err := s.Find(t.Context(), "other", []string{"a.parquet"}); err != nil || len(found) > 0 {
		t.Errorf("in another collection: %v, %v", found, err)
	}
}

func findsLostAnswer(t *testing.T, s Subject) {
	s.LoseAnswer()
	s.Put("a.parquet", 10)
	if id, err := s.Submit(t.Context(), ingest.Order{Collection: s.Collection, Files: []string{"a.parquet"}}); !milvus.CanPass(err) {
		t.Fatalf("submitting to a server that breaks off: job %d, %v", id, err)
	}
	id := s.find(t, "a.parquet")["a.parquet"]
	if status := s.end(t, id); status.State != ingest.Completed {
		t.Errorf("it ended as %+v", status)
	}
	s.wantRows(t, 10) // the call was not repeated
}

func tellsGone(t *testing.T, s Subject) {
	if status, err := s.Poll(t.Context(), s.Collection, 4711); !errors.Is(err, ingest.ErrGone) {
		t.Errorf("a job that nobody made: %+v, %v", status, err)
	}
}

func endsWithContext(t *testing.T, s Subject) {
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	began := time.Now()
	_, submitted := s.Submit(ctx, ingest.Order{Collection: s.Collection, Files: []string{"a.parquet"}})
	_, polled := s.Poll(ctx, s.Collection, 1)
	_, _, found := s.Find(ctx, s.Collection, []string{"a.parquet"})
	for _, err := range []error{submitted, polled, found} {
		if !errors.Is(err, context.Canceled) {
			t.Errorf("a call that was cancelled before: %v", err)
		}
	}
	if took := time.Since(began); took > 3*time.Second {
		t.Errorf("they took %v", took)
	}
}

func commits(t *testing.T, s Subject) {
	id := s.submit(t, "a.parquet")
	if status := s.await(t, id, ingest.Uncommitted); status.Rows != 10 {
		t.Errorf("it is to bring ten rows, and says %d", status.Rows)
	}
	s.wantRows(t, 0)
	committer := s.Dialect.(ingest.Committer)
	if err := committer.Commit(t.Context(), id); err != nil {
		t.Fatal(err)
	}
	s.await(t, id, ingest.Completed)
	if err := committer.Commit(t.Context(), id); milvus.CanPass(err) { // heard twice, it changes nothing, and may be refused
		t.Errorf("committed twice: %v", err)
	}
	s.await(t, id, ingest.Completed)
	s.wantRows(t, 10)
}

func aborts(t *testing.T, s Subject) {
	id := s.submit(t, "a.parquet")
	s.await(t, id, ingest.Uncommitted)
	if err := s.Dialect.(ingest.Committer).Abort(t.Context(), id); err != nil {
		t.Fatal(err)
	}
	if status := s.await(t, id, ingest.Failed); !errors.Is(status.Err(), ingest.ErrFailed) {
		t.Errorf("it ended as %+v", status)
	}
	s.wantRows(t, 0)
}

func takesFiles(t *testing.T, s Subject) {
	var files []string
	for i := range min(s.Limits().Files, 20) {
		files = append(files, fmt.Sprintf("%d.parquet", i))
	}
	if status := s.end(t, s.submit(t, files...)); status.State != ingest.Completed {
		t.Errorf("a job of %d files ended as %+v", len(files), status)
	}
	s.wantRows(t, int64(10*len(files)))
	if s.Limits().KnownFor < time.Hour {
		t.Errorf("a job is known for %v only: no interrupted import could be resumed", s.Limits().KnownFor)
	}
}
