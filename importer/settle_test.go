package importer_test

import (
	"bytes"
	"errors"
	"strings"
	"testing"
	"time"

	"migrate/checkpoint"
	"migrate/importer"
	"migrate/internal/export"
	"migrate/internal/ingest/ingesttest"
	"migrate/internal/labtest"
	"migrate/internal/labtest/faulttable"
	"migrate/sinks"
)

// TestResume interrupts an import after its first call, and has something happen before it is called again.
func TestResume(t *testing.T) {
	t.Parallel()
	m, sink := exported(t, schema())
	keyless := schema()
	keyless.Fields[0].AutoID = true
	auto, autoSink := exported(t, keyless)
	dealt := scattered(t, m, sink)
	parts := len(m.Parts)
	unheard := func(to target) { // of the first job nobody knows the number
		to.Queue(ingesttest.Submit, ingesttest.LoseAnswer())
		to.Queue(ingesttest.Find, ingesttest.Refuse(errBroken))
	}
	unseen := func(to target) { to.Queue(ingesttest.Poll, ingesttest.Refuse(errBroken)) }
	gone := func(t *testing.T, to target) { to.Forget() }
	doneAndGone := func(t *testing.T, to target) { to.Finish(t.Context()); to.Forget() }
	soon, long := 20*time.Hour, time.Duration(0)
	for title, c := range map[string]struct {
		interrupt func(target)
		meanwhile func(*testing.T, target)
		known     time.Duration
		newKeys   bool
		want      error // of the next call
		jobs      int   // then
	}{
		"unheard, and there":              {unheard, func(*testing.T, target) {}, soon, false, nil, parts},
		"unheard, and done":               {unheard, func(t *testing.T, to target) { to.Finish(t.Context()) }, soon, false, nil, parts},
		"unheard, done, and forgotten":    {unheard, doneAndGone, long, false, nil, parts},
		"unheard, and lost":               {unheard, gone, long, false, nil, parts + 1},
		"new keys, unheard, and there":    {unheard, func(*testing.T, target) {}, soon, true, nil, parts},
		"new keys, unheard and forgotten": {unheard, doneAndGone, long, true, importer.ErrUncertain, 1},
		"unseen, and there":               {unseen, func(*testing.T, target) {}, soon, false, nil, parts},
		"unseen, done, and gone":          {unseen, doneAndGone, soon, false, nil, parts},
		"unseen, and gone too early":      {unseen, gone, soon, false, importer.ErrUncertain, 1},
		"unseen, and long gone":           {unseen, gone, long, false, nil, parts + 1},
		"new keys, unseen, done and gone": {unseen, doneAndGone, long, true, importer.ErrUncertain, 1},
		"the target dropped":              {unseen, func(t *testing.T, to target) { drop(t, to) }, soon, false, nil, parts + 1},
		"the target made anew": {unseen, func(t *testing.T, to target) {
			drop(t, to)
			c := labtest.Collection(schema())
			c.Name = "t"
			to.Add(t, c)
		}, soon, false, checkpoint.ErrOther, 1},
	} {
		resumed := func(t *testing.T, m *export.Manifest, sink sinks.Sink) {
			to := newTarget(t)
			c.interrupt(to)
			to.Most.KnownFor, to.Lags = c.known, true
			do := func() error {
				_, err := importer.Import(t.Context(), to.client, sink, m, bucket{to.staging}, to.patient())
				return err
			}
			err := do()
			if kept := new(checkpoint.ResumableError); !errors.Is(err, errBroken) || !errors.As(err, &kept) || kept.Parts != parts {
				t.Fatalf("interrupted: %v", err)
			}
			c.meanwhile(t, to)
			if err := do(); !errors.Is(err, c.want) || c.want == nil && err != nil {
				t.Errorf("resumed: %v, want %v", err, c.want)
			}
			if jobs := to.Jobs(); len(jobs) != c.jobs {
				t.Errorf("%d jobs, want %d: %v", len(jobs), c.jobs, jobs)
			}
			if n, err := to.client.RowCount(t.Context(), "t"); c.want == nil && (err != nil || n != rows) {
				t.Errorf("%d rows, %v", n, err)
			}
			if c.want == nil && !c.newKeys {
				to.wantOnce(t, m, sink)
			}
		}
		t.Run(title, func(t *testing.T) {
			t.Parallel()
			outcome := "the same command ends it: every row once"
			if c.want != nil {
				outcome = "refused, with the reason"
			}
			faulttable.Tried(t, "import, interrupted; its job "+title, 1, outcome)
			if c.newKeys {
				resumed(t, auto, autoSink)
				return
			}
			resumed(t, m, sink)
			resumed(t, dealt, sink)
		})
	}
}

func drop(t *testing.T, to target) {
	t.Helper()
	if err := to.client.Drop(t.Context(), "t"); err != nil {
		t.Fatal(err)
	}
}

// TestDamaged refuses a part that was altered, before an import and between two calls of one.
func TestDamaged(t *testing.T) {
	t.Parallel()
	faulttable.Tried(t, "import: a part altered, cut off, longer or missing, before it or since it was interrupted", 5, "refused; the same command ends it with the part as it was")
	m, sink := exported(t, schema())
	to := newTarget(t)
	to.Queue(ingesttest.Poll, ingesttest.Refuse(errBroken))
	do := func() error {
		_, err := importer.Import(t.Context(), to.client, sink, m, bucket{to.staging}, to.patient())
		return err
	}
	part := m.ObjectName(m.Parts[len(m.Parts)-1])
	whole := read(t, sink, part)
	altered := append([]byte{whole[0] ^ 1}, whole[1:]...)
	write(t, sink, part, altered)
	if err := do(); !errors.Is(err, importer.ErrDamaged) || !strings.Contains(err.Error(), "was altered") || len(to.Collections()) > 0 {
		t.Errorf("an altered part: %v, collections %v", err, to.Collections())
	}
	write(t, sink, part, whole[:len(whole)-1])
	if err := do(); !errors.Is(err, importer.ErrDamaged) || !strings.Contains(err.Error(), "bytes instead of") {
		t.Errorf("a part that is cut off: %v", err)
	}
	write(t, sink, part, append(bytes.Clone(whole), 0))
	if err := do(); !errors.Is(err, importer.ErrDamaged) || !strings.Contains(err.Error(), "bytes instead of") {
		t.Errorf("a part that is longer: %v", err)
	}
	if err := sink.Delete(t.Context(), part); err != nil {
		t.Fatal(err)
	}
	if err := do(); !errors.Is(err, importer.ErrDamaged) || len(to.Collections()) > 0 {
		t.Errorf("a part that is missing: %v, collections %v", err, to.Collections())
	}
	write(t, sink, part, whole)
	if err := do(); !errors.Is(err, errBroken) {
		t.Fatalf("interrupted: %v", err)
	}
	write(t, sink, part, altered)
	if err := do(); !errors.Is(err, importer.ErrDamaged) {
		t.Errorf("a part that was altered since: %v", err)
	}
	write(t, sink, part, whole)
	if err := do(); err != nil {
		t.Fatal(err)
	}
	to.wantOnce(t, m, sink)
}
