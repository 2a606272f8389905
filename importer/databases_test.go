package importer_test

import (
	"errors"
	"strings"
	"sync/atomic"
	"testing"

	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	"migrate/checkpoint"
	"migrate/importer"
	"migrate/internal/export"
	"migrate/internal/milvus"
	"migrate/internal/model"
	"migrate/internal/source/query"
	"migrate/internal/verify"
	"migrate/sinks"
	store "migrate/sinks/memory"
)

// twoDatabases are those of a target, and an export. The target refuses to flush while it fails.
type twoDatabases struct {
	target
	failing  *atomic.Bool
	manifest *export.Manifest
	export   sinks.Sink
}

func newTwoDatabases(t *testing.T) twoDatabases {
	t.Helper()
	m, sink := exported(t, schema())
	s := twoDatabases{newTarget(t), &atomic.Bool{}, m, sink}
	s.Answer(func(method string) error {
		if method == "Flush" && s.failing.Load() {
			return status.Error(codes.InvalidArgument, "broken on purpose")
		}
		return nil
	})
	if err := s.client.CreateDatabase(t.Context(), model.Database{Name: "news"}); err != nil {
		t.Fatal(err)
	}
	return s
}

// into imports the export into a database.
func (s twoDatabases) into(t *testing.T, database string) error {
	t.Helper()
	_, err := importer.Import(t.Context(), s.client.In(database), s.export, s.manifest, nil, s.inserting())
	return err
}

// interrupted begins an import that is not done.
func (s twoDatabases) interrupted(t *testing.T, database string) {
	t.Helper()
	s.failing.Store(true)
	if err := s.into(t, database); err == nil || !errors.As(err, new(*checkpoint.ResumableError)) {
		t.Fatalf("into %q, interrupted: %v", database, err)
	}
	s.failing.Store(false)
}

// wantDone wants all rows in a database, no alias left, and the same import refused.
func (s twoDatabases) wantDone(t *testing.T, database string) {
	t.Helper()
	server := s.client.In(database)
	wantEqual(t, server, s.manifest, s.export)
	plain, within := checkpoint.ImportNames(s.manifest.Job, database, "t")
	for _, name := range []string{plain, within} {
		if fences, err := server.Fences(t.Context(), "t", name); err != nil || len(fences) > 0 {
			t.Errorf("aliases left in %q: %v, %v", database, fences, err)
		}
	}
	if err := s.into(t, database); !errors.Is(err, importer.ErrImported) {
		t.Errorf("into %q, again: %v", database, err)
	}
}

func wantEqual(t *testing.T, server *milvus.Server, m *export.Manifest, sink sinks.Sink) {
	t.Helper()
	side, err := query.OpenByName(t.Context(), server, "t")
	if err != nil {
		t.Fatal(err)
	}
	report, err := verify.Compare(t.Context(), export.Source{Sink: sink, Manifest: m}, side, verify.Options{})
	if err != nil || !report.Equal || report.Right.Rows != m.Total.Rows {
		t.Errorf("in %q: %+v, %v", server.Database(), report, err)
	}
}

// TestTwoDatabases imports one export into two databases at a time: neither knows of the other, and each is resumed.
func TestTwoDatabases(t *testing.T) {
	t.Parallel()
	for _, order := range [][]string{{"", "news"}, {"news", ""}} {
		s := newTwoDatabases(t)
		for _, database := range order {
			s.interrupted(t, database)
		}
		for _, database := range order {
			if err := s.into(t, database); err != nil {
				t.Fatalf("into %q, resumed: %v", database, err)
			}
		}
		for _, database := range order {
			s.wantDone(t, database)
		}
	}
}

// TestPlainlyNamed resumes an import into another database than the default one that an earlier migrate began, under a name without that database, and has
// others go beside it.
func TestPlainlyNamed(t *testing.T) {
	t.Parallel()
	s := newTwoDatabases(t)
	s.interrupted(t, "news")
	plain, within := checkpoint.ImportNames(s.manifest.Job, "news", "t")
	s.rename(t, within, plain)
	s.interrupted(t, "")
	for _, database := range []string{"news", ""} {
		if err := s.into(t, database); err != nil {
			t.Fatalf("into %q, resumed: %v", database, err)
		}
		s.wantDone(t, database)
	}
	if _, err := checkpoint.Read(t.Context(), s.export, within); !errors.Is(err, sinks.ErrNotExist) {
		t.Errorf("under another name: %v", err)
	}
	if job, err := checkpoint.Read(t.Context(), s.export, plain); err != nil || job.State != checkpoint.Done || job.Param("database") != "news" {
		t.Errorf("%+v, %v", job, err)
	}
}

// rename moves all that there is of a job to another name.
func (s twoDatabases) rename(t *testing.T, from, to string) {
	t.Helper()
	moved := 0
	for info, err := range s.export.List(t.Context(), "") {
		if err != nil {
			t.Fatal(err)
		}
		if at := strings.Replace(info.Name, from, to, 1); at != info.Name {
			write(t, s.export.(*store.Sink), at, read(t, s.export, info.Name))
			if err := s.export.Delete(t.Context(), info.Name); err != nil {
				t.Fatal(err)
			}
			moved++
		}
	}
	if moved < 2 {
		t.Fatalf("%d objects were renamed", moved)
	}
}
