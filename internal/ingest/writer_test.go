package ingest_test

import (
	"context"
	"errors"
	"slices"
	"testing"
	"time"

	"github.com/apache/arrow/go/v15/arrow"
	"github.com/milvus-io/milvus-proto/go-api/v2/commonpb"
	"github.com/milvus-io/milvus-proto/go-api/v2/schemapb"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	"migrate/internal/columns"
	"migrate/internal/ingest"
	"migrate/internal/labtest"
	"migrate/internal/labtest/memory"
	"migrate/internal/milvus"
	"migrate/internal/model"
	"migrate/internal/source/query"
)

// written is a collection on a server in memory, a client of that, and a writer to it.
type written struct {
	server *memory.Server
	client *milvus.Server
	ingest.Writer
}

func newWritten(t *testing.T, width int) written {
	t.Helper()
	return newWrittenOf(t, "v2.3.5", width, func(*model.Collection) {})
}

func newWrittenOf(t *testing.T, version string, width int, change func(*model.Collection)) written {
	t.Helper()
	c, s := labtest.Collection(labtest.Schema(labtest.IntKey("id"), labtest.Vector("v", schemapb.DataType_FloatVector, width))), memory.Start(t, version)
	change(c)
	s.Add(t, c)
	layout, err := columns.NewLayout(c.Schema)
	if err != nil {
		t.Fatal(err)
	}
	client := s.Client(t)
	return written{s, client, ingest.Writer{Rows: client, Collection: c.Name, Layout: layout, Key: milvus.KeyOf(c.Schema), Again: client.Again}}
}

func (w written) rows(t *testing.T, n, width int) (arrow.Record, []int) {
	t.Helper()
	rec, err := w.Layout.Decode([]*schemapb.FieldData{
		labtest.Column(labtest.IntKey("id"), labtest.Each(n, func(i int) int64 { return int64(i) })), labtest.Vectors("v", width, n, 1),
	})
	if err != nil {
		t.Fatal(err)
	}
	return rec, labtest.Each(n, func(i int) int { return i })
}

func (w written) count(t *testing.T) int64 {
	t.Helper()
	n, err := w.client.RowCount(t.Context(), w.Collection)
	if err != nil {
		t.Fatal(err)
	}
	return n
}

// TestWriter cuts rows into calls of one size, asks before each, and deletes what it is told.
func TestWriter(t *testing.T) {
	t.Parallel()
	const n, width = 3000, 1000 // 12 MB
	w := newWritten(t, width)
	rec, all := w.rows(t, n, width)
	if at := ingest.AtOnce(rec); at != n/3 {
		t.Errorf("%d rows a call", at)
	}
	asked, calls := 0, 0
	w.server.Watch(func(_ context.Context, method string) {
		if method == "Upsert" || method == "Delete" {
			if calls++; calls > asked {
				t.Errorf("call %d was not asked for", calls)
			}
		}
	})
	w.May = func(context.Context) error { asked++; return nil }
	if err := w.Upsert(t.Context(), "", rec, all); err != nil {
		t.Fatal(err)
	}
	if err := w.Delete(t.Context(), "", slices.Repeat([]model.Key{model.IntKey(1), model.IntKey(2)}, 1001)); err != nil {
		t.Fatal(err)
	}
	if asked != 5 || calls != 5 {
		t.Errorf("asked %d times for %d calls, want 3 upserts and 2 deletes", asked, calls)
	}
}

// TestWriterRefused makes no call that it may not make.
func TestWriterRefused(t *testing.T) {
	t.Parallel()
	w := newWritten(t, 2)
	rec, all := w.rows(t, 10, 2)
	lost := errors.New("the job is another's")
	w.May = func(context.Context) error { return lost }
	for what, err := range map[string]error{
		"upsert": w.Upsert(t.Context(), "", rec, all), "insert": w.Insert(t.Context(), "", rec, all), "delete": w.Delete(t.Context(), "", []model.Key{model.IntKey(1)}),
	} {
		if !errors.Is(err, lost) || errors.Is(err, ingest.ErrUnanswered) {
			t.Errorf("%s: %v", what, err)
		}
	}
	if n := w.count(t); n != 0 {
		t.Errorf("%d rows are there", n)
	}
}

// TestWriterAgain: an upsert is made again while its error can pass. An insert is only where the server says that it did nothing.
func TestWriterAgain(t *testing.T) {
	t.Parallel()
	for title, c := range map[string]struct {
		code     codes.Code
		insert   bool
		rows     int64
		want     error
		attempts int
	}{
		"upsert, server away":       {codes.Unavailable, false, 10, nil, 2},
		"upsert, wrong":             {codes.InvalidArgument, false, 10, errAny, 1}, // the answer alone was lost here
		"insert, nobody can tell":   {codes.Unavailable, true, 10, ingest.ErrUnanswered, 1},
		"insert, nobody told twice": {codes.ResourceExhausted, true, 20, nil, 2}, // the server here says so after it has done it
	} {
		t.Run(title, func(t *testing.T) {
			t.Parallel()
			w := newWritten(t, 2)
			rec, all := w.rows(t, 10, 2)
			attempts := 0
			w.server.Answer(func(method string) error {
				if method != "Upsert" && method != "Insert" {
					return nil
				}
				if attempts++; attempts > 1 {
					return nil
				}
				return status.Error(c.code, "broken on purpose")
			})
			write := w.Upsert
			if c.insert {
				write = w.Insert
			}
			err := write(t.Context(), "", rec, all)
			if (err == nil) != (c.want == nil) || c.want != nil && c.want != errAny && !errors.Is(err, c.want) {
				t.Errorf("%v, want %v", err, c.want)
			}
			if attempts != c.attempts {
				t.Errorf("%d calls, want %d", attempts, c.attempts)
			}
			if c.insert && milvus.CanPass(err) {
				t.Errorf("it seems that this can pass: %v", err)
			}
			if n := w.count(t); c.insert && n != c.rows {
				t.Errorf("%d rows, want %d", n, c.rows)
			}
		})
	}
}

var errAny = errors.New("any")

// TestWriterInterrupted: an insert whose answer comes soon after its context has ended was made, and is known to be.
func TestWriterInterrupted(t *testing.T) {
	t.Parallel()
	w := newWritten(t, 2)
	rec, all := w.rows(t, 10, 2)
	ctx, cancel := context.WithCancel(t.Context())
	w.server.Watch(func(_ context.Context, method string) {
		if method == "Insert" {
			cancel()
		}
	})
	if err := w.Insert(ctx, "", rec, all); err != nil {
		t.Errorf("interrupted: %v", err)
	}
}

// TestWriterWithin gives up a call that is held for longer than it may take.
func TestWriterWithin(t *testing.T) {
	t.Parallel()
	w := newWritten(t, 2)
	rec, all := w.rows(t, 10, 2)
	gate := w.server.Hold(func(method string) bool { return method == "Upsert" })
	defer gate.Open()
	w.Within = 50 * time.Millisecond
	if err := w.Upsert(t.Context(), "", rec, all); !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("held: %v", err)
	}
}

// TestWriterAutoIDs: rows with auto ids are deleted and inserted, since an upsert would give them others: asked for before each, and from the
// delete on again where one of them failed, so that no row is there twice.
func TestWriterAutoIDs(t *testing.T) {
	t.Parallel()
	lost, busy := errors.New("the job is another's"), status.Error(codes.Unavailable, "away on purpose")
	for name, test := range map[string]struct {
		leaves int // that are given; all where 0
		fails  map[string]int
		want   error
		calls  []string
		there  int
	}{
		"at once":                 {0, nil, nil, []string{"Delete", "Insert"}, 10},
		"lost before":             {-1, nil, lost, nil, 10},
		"lost between":            {1, nil, lost, []string{"Delete"}, 0},
		"the delete's answer":     {0, map[string]int{"Delete": 1}, nil, []string{"Delete", "Delete", "Insert"}, 10},
		"the insert's answer":     {0, map[string]int{"Insert": 1}, nil, []string{"Delete", "Insert", "Delete", "Insert"}, 10},
		"the insert's, and again": {0, map[string]int{"Insert": 2}, nil, []string{"Delete", "Insert", "Delete", "Insert", "Delete", "Insert"}, 10},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w := newWrittenOf(t, "v2.6.4", 2, func(c *model.Collection) {
				c.Schema.Fields[0].AutoID = true
				c.Properties = []*commonpb.KeyValuePair{{Key: "allow_insert_auto_id", Value: "true"}}
			})
			rec, all := w.rows(t, 10, 2)
			if err := w.Insert(t.Context(), "", rec, all); err != nil {
				t.Fatal(err)
			}
			var calls []string
			leaves := test.leaves
			w.server.Answer(func(method string) error {
				if method != "Delete" && method != "Insert" && method != "Upsert" {
					return nil
				}
				calls = append(calls, method)
				if test.fails[method] > 0 {
					test.fails[method]--
					return busy
				}
				return nil
			})
			w.AutoIDs, w.May = true, func(context.Context) error {
				if leaves--; test.leaves != 0 && leaves < 0 {
					return lost
				}
				return nil
			}
			if err := w.Upsert(t.Context(), "", rec, all); !errors.Is(err, test.want) {
				t.Errorf("%v, want %v", err, test.want)
			}
			if !slices.Equal(calls, test.calls) {
				t.Errorf("calls %v, want %v", calls, test.calls)
			}
			side, err := query.OpenByName(t.Context(), w.client, w.Collection)
			if err != nil {
				t.Fatal(err)
			}
			keys := labtest.Each(10, func(i int) model.Key { return model.IntKey(int64(i)) })
			kept, err := side.CountKeys(t.Context(), model.AllPartitions, keys)
			if n, countErr := side.Count(t.Context(), model.AllPartitions, model.Range{}); err != nil || countErr != nil || n != int64(test.there) || kept != n {
				t.Errorf("%d rows, %d of them with their keys, want %d; %v, %v", n, kept, test.there, err, countErr)
			}
		})
	}
}
