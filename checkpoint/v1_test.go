package checkpoint

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path"
	"slices"
	"strings"
	"testing"
	"testing/synctest"

	"pgregory.net/rapid"

	"migrate/internal/document"
	"migrate/sinks"
	"migrate/sinks/faults"
	"migrate/sinks/memory"
)

const round1 = "../internal/labtest/e2e/testdata/round1/"

// fixture is a copy of what the migrate of round 1 wrote.
func fixture(t *testing.T, folder string) *sinks.Local {
	t.Helper()
	copied := t.TempDir()
	if err := os.CopyFS(copied, os.DirFS(round1+folder)); err != nil {
		t.Fatal(err)
	}
	sink, err := sinks.NewLocal(copied)
	if err != nil {
		t.Fatal(err)
	}
	return sink
}

// format1 reads a document by the rules of format 1's program.
func format1(text []byte) (state string, err error) {
	var head struct{ Format int }
	if err := json.Unmarshal(text, &head); err != nil {
		return "", fmt.Errorf("%w: %w", ErrDamaged, err)
	}
	if head.Format > 1 {
		return "", fmt.Errorf("%w: %d, and this migrate reads up to 1", ErrVersion, head.Format)
	}
	var job struct {
		Name  string `json:"name"`
		Kind  string `json:"kind"`
		State string `json:"state"`
	}
	if err := document.Unmarshal(text, &job); err != nil || head.Format < 1 || job.Name == "" || job.Kind == "" {
		return "", ErrDamaged
	}
	return job.State, nil
}

// TestFormat1 reads, lists and resumes what format 1 wrote; its program is refused from then on, by the newer format's name.
func TestFormat1(t *testing.T) {
	for title, c := range map[string]struct {
		folder, name string
		state        State
		resumed      bool
		done, chunks int
	}{
		"a failed export": {"sink", "interrupted/export", Failed, true, 1, 2},
		"a done export":   {"sink", "complete/export", Done, false, 2, 0},
		"a killed import": {"killed", "complete/import-fixture2", Running, true, 0, 2},
		"a done import":   {"staging", "complete/import-fixture", Done, false, 2, 0},
		"a sync":          {"synced", "sync-fixture", Paused, true, 0, 0},
		"a switched sync": {"sink", "complete/sync-fixture", Paused, true, 0, 0},
	} {
		synctest.Test(t, func(t *testing.T) {
			sink := fixture(t, c.folder)
			was, err := Read(t.Context(), sink, c.name)
			if err != nil || was.State != c.state || was.Done.Parts != c.done {
				t.Fatalf("%s: read %+v, %v", title, was, err)
			}
			wantListed(t, sink, c.name, was.Error)
			_, h, err := Acquire(t.Context(), sink, c.name, Fresh{Kind: was.Kind, Name: was.Name, Params: was.Params})
			if err != nil {
				t.Fatalf("%s: %v", title, err)
			}
			job := h.Job()
			if h.Resumed != c.resumed || h.Epoch() != was.Lease.Epoch+1 || job.Plan.Chunks != c.chunks || c.resumed && (string(job.Body) != string(was.Body) || job.Done != was.Done) {
				t.Errorf("%s: resumed %t, %+v\nwas %+v", title, h.Resumed, job, was)
			}
			text, _, err := sink.Load(t.Context(), oldObject(c.name))
			if err != nil {
				t.Fatal(err)
			}
			if _, err := format1(text); !errors.Is(err, ErrVersion) || string(text) != bareSign {
				t.Errorf("%s: the program of format 1 reads %s: %v", title, text, err)
			}
			release(t, h, Interrupted)
			wantListed(t, sink, c.name, "")
		})
	}
}

// wantListed finds a job in the list.
func wantListed(t *testing.T, sink sinks.Sink, name, err string) {
	t.Helper()
	if path.Dir(name) == "." { // the folder is the store itself, as no command has it
		return
	}
	jobs, listErr := List(t.Context(), sink)
	names, namesErr := Names(t.Context(), sink, path.Dir(name))
	if listErr != nil || namesErr != nil || !slices.Contains(names, name) {
		t.Errorf("%s is not among %q: %v, %v", name, names, listErr, namesErr)
	}
	kind, _, _ := strings.Cut(path.Base(name), "-")
	if !slices.ContainsFunc(jobs, func(j Job) bool { return j.Name == path.Dir(name) && string(j.Kind) == kind && j.Error == err }) {
		t.Errorf("%s is not among %+v", name, jobs)
	}
}

// TestFormat1Parts become chunks, with all that is known of them.
func TestFormat1Parts(t *testing.T) {
	exported, err := ReadChunks(t.Context(), fixture(t, "sink"), "interrupted/export")
	if err != nil || len(exported) != 2 {
		t.Fatal(exported, err)
	}
	if c := exported[0]; c.State != Done || c.Size != (Tally{1, 62}) || c.Done != (Tally{1, 60}) ||
		string(c.Spec) != `{"number":0,"partition":"_default","planned":62}` || !strings.Contains(string(c.Result), `"object":"_default/part-00000.parquet"`) {
		t.Errorf("a part that is finished: %+v, %s, %s", c, c.Spec, c.Result)
	}
	if c := exported[1]; c.State != Todo || c.Size != (Tally{1, 30}) || c.Result != nil {
		t.Errorf("a part that is not: %+v", c)
	}
	imported, err := ReadChunks(t.Context(), fixture(t, "killed"), "complete/import-fixture2")
	if err != nil || len(imported) != 2 {
		t.Fatal(imported, err)
	}
	for _, c := range imported {
		var does struct{ Parts []struct{ SHA256 string } }
		var known struct {
			Staged []string
			Job    int64
		}
		if err := errors.Join(json.Unmarshal(c.Spec, &does), json.Unmarshal(c.Result, &known)); err != nil {
			t.Fatal(err)
		}
		if len(does.Parts) != 1 || does.Parts[0].SHA256 == "" || len(known.Staged) != 1 || known.Staged[0] == "" || c.State == "submitted" && known.Job == 0 {
			t.Errorf("a part of an import: %s, %s, %s", c.State, c.Spec, c.Result)
		}
	}
}

// TestFormat1Groups: the parts of one bulk-insert job are one chunk, unless they are done.
func TestFormat1Groups(t *testing.T) {
	var j oldJob
	err := json.Unmarshal([]byte(`{"kind":"import","parts":[{"state":"submitted","task":7,"content":{"rows":1}},{"state":"finished","task":7,"content":{"rows":2}},
		{"state":"submitted","task":8,"content":{"rows":4}},{"state":"submitted","task":7,"content":{"rows":8}},{"content":{"rows":16}},{"content":{"rows":32}}]}`), &j)
	if err != nil {
		t.Fatal(err)
	}
	var got []string
	for _, c := range j.chunks() {
		got = append(got, fmt.Sprintf("%s %v %v", c.State, c.Size, c.Done))
	}
	if want := "[submitted {2 9} {0 0} done {1 2} {1 2} submitted {1 4} {0 0}  {1 16} {0 0}  {1 32} {0 0}]"; fmt.Sprint(got) != want {
		t.Errorf("%v\nwant %s", got, want)
	}
}

// TestConversionBroken breaks each write of a conversion in turn, as a crash or with its answer lost: who comes next converts it again, and at
// any time the job is read as it was.
func TestConversionBroken(t *testing.T) {
	for _, fault := range []faults.Fault{faults.Error(errBroken), faults.LoseAnswer(errBroken)} {
		broke := 0
		for nth := 0; ; nth++ {
			local := fixture(t, "sink")
			sink := faults.Wrap(local)
			nothing := faults.Call(func(context.Context) error { return nil })
			sink.Queue(faults.Swap, append(slices.Repeat([]faults.Fault{nothing}, nth), fault)...)
			was, err := Read(t.Context(), local, "interrupted/export")
			if err != nil {
				t.Fatal(err)
			}
			order := Fresh{Kind: Export, Name: "interrupted", Params: was.Params}
			_, h, err := Acquire(t.Context(), sink, "interrupted/export", order)
			if err == nil {
				h.Release(t.Context(), Interrupted, nil) // whose write may be the one
				break
			}
			broke++
			chunks, readErr := ReadChunks(t.Context(), local, "interrupted/export")
			if !errors.Is(err, errBroken) || readErr != nil || len(chunks) != 2 || chunks[0].State != Done || chunks[1].State != Todo {
				t.Errorf("write %d, %v: %+v, %v", nth, err, chunks, readErr)
			}
			_, h, err = Acquire(t.Context(), local, "interrupted/export", order)
			if err != nil || !h.Resumed || h.Job().Done != (Tally{1, 60}) || h.chunk(0).State != Done {
				t.Fatalf("write %d, and again: %+v, %v", nth, h, err)
			}
			release(t, h, Interrupted)
		}
		if broke < 6 { // the sign, a page, the plan's job, a chunk, the job, the sign again
			t.Errorf("%d writes were broken", broke)
		}
	}
}

// TestFormat1IsFenced: an owner of format 1 that wakes late finds a document that it may not write over.
func TestFormat1IsFenced(t *testing.T) {
	sink := fixture(t, "sink")
	const job = "interrupted/export"
	text, version, err := sink.Load(t.Context(), oldObject(job))
	if err != nil {
		t.Fatal(err)
	}
	was, err := Read(t.Context(), sink, job)
	if err != nil {
		t.Fatal(err)
	}
	_, h, err := Acquire(t.Context(), sink, job, Fresh{Kind: Export, Name: "interrupted", Params: was.Params})
	if err != nil {
		t.Fatal(err)
	}
	defer h.Release(t.Context(), Interrupted, nil)
	if _, err := sink.Swap(t.Context(), oldObject(job), version, append(text, ' ')); !errors.Is(err, sinks.ErrChanged) {
		t.Errorf("a late write of format 1: %v", err)
	}
}

// TestFormat1Again: a job of an old program that was begun after the newer one was removed is the one that counts.
func TestFormat1Again(t *testing.T) {
	sink := fixture(t, "sink")
	const job = "interrupted/export"
	text, _, err := sink.Load(t.Context(), oldObject(job))
	if err != nil {
		t.Fatal(err)
	}
	was, err := Read(t.Context(), sink, job)
	if err != nil {
		t.Fatal(err)
	}
	order := Fresh{Kind: Export, Name: "interrupted", Params: was.Params}
	for range 2 {
		_, h, err := Acquire(t.Context(), sink, job, order)
		if err != nil {
			t.Fatal(err)
		}
		release(t, h, Interrupted)
	}
	if err := sink.Delete(t.Context(), oldObject(job)); err != nil { // as `jobs rm` of an old program does
		t.Fatal(err)
	}
	if _, err := Read(t.Context(), sink, job); !errors.Is(err, sinks.ErrNotExist) {
		t.Errorf("a job whose folder was removed: %v", err)
	}
	if _, err := sink.Swap(t.Context(), oldObject(job), "", text); err != nil {
		t.Fatal(err)
	}
	_, h, err := Acquire(t.Context(), sink, job, order)
	if err != nil || !h.Resumed || h.Epoch() != 4 || h.Job().Done.Parts != 1 {
		t.Errorf("begun anew by an old program: %+v, %v", h, err)
	}
	release(t, h, Interrupted)
}

// begunAnew is a job that this format had and did all of, whose folder an old program removed, and which that has begun anew.
func begunAnew(t *testing.T) (*sinks.Local, Fresh) {
	sink := fixture(t, "sink")
	const job = "interrupted/export"
	text, _, err := sink.Load(t.Context(), oldObject(job))
	if err != nil {
		t.Fatal(err)
	}
	was, err := Read(t.Context(), sink, job)
	if err != nil {
		t.Fatal(err)
	}
	order := Fresh{Kind: Export, Name: "interrupted", Params: was.Params}
	_, h, err := Acquire(t.Context(), sink, job, order)
	if err != nil {
		t.Fatal(err)
	}
	do(t, h, 1) // the second of two, the first was done
	release(t, h, Failed)
	if err := sink.Delete(t.Context(), oldObject(job)); err != nil {
		t.Fatal(err)
	}
	if _, err := sink.Swap(t.Context(), oldObject(job), "", text); err != nil {
		t.Fatal(err)
	}
	return sink, order
}

// TestFormat1AgainParts: what the removed job had done is not done of the one that was begun anew.
func TestFormat1AgainParts(t *testing.T) {
	sink, order := begunAnew(t)
	_, h, err := Acquire(t.Context(), sink, "interrupted/export", order)
	if err != nil {
		t.Fatal(err)
	}
	if got := h.Job().Done; got.Parts != 1 {
		t.Errorf("done: %+v", got)
	}
	release(t, h, Interrupted)
}

// TestFormat1AgainBroken: nor is it where a write of its conversion broke.
func TestFormat1AgainBroken(t *testing.T) {
	for nth := 0; ; nth++ {
		local, order := begunAnew(t)
		sink := faults.Wrap(local)
		sink.Queue(faults.Swap, append(slices.Repeat([]faults.Fault{faults.Call(func(context.Context) error { return nil })}, nth), faults.Error(errBroken))...)
		_, h, err := Acquire(t.Context(), sink, "interrupted/export", order)
		if err == nil {
			h.Release(t.Context(), Interrupted, nil)
			break
		}
		_, h, err = Acquire(t.Context(), local, "interrupted/export", order)
		if err != nil {
			t.Fatalf("write %d: %v", nth, err)
		}
		if got := h.Job().Done; got.Parts != 1 {
			t.Errorf("write %d: done: %+v", nth, got)
		}
		release(t, h, Interrupted)
	}
}

// TestFormat1Rebuilt from the records that lie beside the document.
func TestFormat1Rebuilt(t *testing.T) {
	for _, c := range []struct {
		folder, name string
		done         int
		states       []State
	}{
		{"sink", "interrupted/export", 1, []State{Done, Todo}},
		{"killed", "complete/import-fixture2", 0, nil},
	} {
		sink := fixture(t, c.folder)
		want, err := ReadChunks(t.Context(), sink, c.name)
		if err != nil {
			t.Fatal(err)
		}
		was, err := Read(t.Context(), sink, c.name)
		if err != nil {
			t.Fatal(err)
		}
		damage(t, sink, oldObject(c.name))
		order := Fresh{Kind: was.Kind, Name: was.Name, Params: was.Params}
		if _, _, err := Acquire(t.Context(), sink, c.name, order); !errors.Is(err, ErrDamaged) || !strings.Contains(err.Error(), "can be made anew") {
			t.Errorf("%s, damaged: %v", c.name, err)
		}
		if job, err := Rebuild(t.Context(), sink, c.name, nil); err != nil || job.Done.Parts != c.done {
			t.Fatalf("%s, made anew: %+v, %v", c.name, job, err)
		}
		_, h, err := Acquire(t.Context(), sink, c.name, order)
		if err != nil || !h.Resumed {
			t.Fatalf("%s, resumed: %v", c.name, err)
		}
		for i, chunk := range slices.Collect(h.Chunks()) {
			if chunk.State != want[i].State || string(chunk.Spec) != string(want[i].Spec) || string(chunk.Result) != string(want[i].Result) {
				t.Errorf("%s: chunk %d is %+v, was %+v", c.name, i, chunk, want[i])
			}
		}
		release(t, h, Done)
		for info := range sink.List(t.Context(), oldRecords(c.name)) {
			t.Errorf("left: %s", info.Name)
		}
	}
}

// TestLoginInADocument: early versions wrote the source's address as it was given. Its login is not shown, nor written again, and
// the document goes on being that of the same server.
func TestLoginInADocument(t *testing.T) {
	for _, address := range []string{"root:hunter2@a:1", "http://root:hunter2@a:1", "https://a:1/library"} {
		sink := newSink(t)
		old := map[string]any{
			"format": 1, "kind": "export", "name": "docs", "state": "failed", "params": map[string]string{"source": address, "collection": "docs"},
			"error": fmt.Sprintf("counting the rows of \"docs\" on %s: gone", address), "parts": []map[string]any{{"state": "finished"}},
		}
		text, err := document.Marshal(old)
		if err == nil {
			_, err = sink.Swap(t.Context(), oldObject(name), "", text)
		}
		if err != nil {
			t.Fatal(err)
		}
		read, err := Read(t.Context(), sink, name)
		if err != nil || texts(read.Params)["source"] != "a:1" || strings.Contains(fmt.Sprintf("%s %+v", read.Params, read), "hunter2") {
			t.Errorf("%s: %v, %+v", address, err, read)
		}
		order := fresh()
		order.Params = map[string]string{"source": "a:1", "collection": "docs"}
		_, h := acquire(t, sink, order)
		if !h.Resumed {
			t.Errorf("%s: the job began anew", address)
		}
		for info, err := range sink.List(t.Context(), "") {
			text, _, loadErr := sink.Load(t.Context(), info.Name)
			if err != nil || loadErr != nil || strings.Contains(string(text), "hunter2") {
				t.Errorf("%s: %s: %v, %v: %s", address, info.Name, err, loadErr, text)
			}
		}
		release(t, h, Done)
	}
}

// TestAnyFormat1 survives the conversion: every state of every part, as it was.
func TestAnyFormat1(t *testing.T) {
	quiet(t)
	rapid.Check(t, func(t *rapid.T) {
		sink := &memory.Sink{}
		states := rapid.SliceOfN(rapid.SampledFrom([]string{"", "intended", "submitted", "finished"}), 1, 5).Draw(t, "states")
		var parts []map[string]any
		for i, state := range states {
			parts = append(parts, map[string]any{"state": state, "task": i + 1, "staged": fmt.Sprint(i), "content": map[string]int{"rows": 10}})
		}
		text, err := document.Marshal(map[string]any{"format": 1, "kind": "import", "name": "docs", "state": "failed", "parts": parts})
		if err == nil {
			_, err = sink.Swap(context.Background(), oldObject(name), "", text)
		}
		if err != nil {
			t.Fatal(err)
		}
		_, h, err := Acquire(context.Background(), sink, name, Fresh{Kind: Import, Name: "docs"})
		if err != nil {
			t.Fatal(err)
		}
		defer h.Release(context.Background(), Done, nil)
		for c := range h.Chunks() {
			want := State(states[c.ID])
			if want == "finished" {
				want = Done
			}
			if c.State != want || c.Size != (Tally{1, 10}) {
				t.Errorf("part %d was %q and is %+v", c.ID, states[c.ID], c)
			}
		}
	})
}

func TestMaskLogins(t *testing.T) {
	for text, want := range map[string]string{
		"counting the rows of \"c\" on root:hunter2@host:1: gone":        "counting the rows of \"c\" on host:1: gone",
		"at https://root:p@hunter2@host:1/db, source was \"a:b@c:1\": x": "at https://host:1/db, source was \"c:1\": x",
		"part 3: rows 1:2, at 10:11":                                     "part 3: rows 1:2, at 10:11",
	} {
		if got := maskLogins(text); got != want {
			t.Errorf("%q: %q", text, got)
		}
	}
}

func TestHostPort(t *testing.T) {
	for address, want := range map[string]string{
		"host:1": "host:1", "https://host/db": "host:443", "http://root:hunter2@host": "host:19530", "root:1/2@host:1": "host:1", "root:h@u@host:1/db": "host:1",
	} {
		if got := hostPort(address); got != want {
			t.Errorf("%q: %q", address, got)
		}
	}
}
