package milvus_test

import (
	"errors"
	"strings"
	"testing"

	"migrate/internal/labtest"
	"migrate/internal/labtest/memory"
	"migrate/internal/milvus"
)

// TestDescribeAlias says whose alias a name is, and takes it for no collection: a copy of that name would be made otherwise.
func TestDescribeAlias(t *testing.T) {
	s, c := memory.Start(t, "v2.3.5"), labtest.Collection(labtest.Schema(labtest.IntKey("id")))
	c.Aliases = []string{"docs"}
	s.Add(t, c)
	server := s.Client(t)
	if _, err := server.Describe(t.Context(), "docs"); !errors.Is(err, milvus.ErrAlias) || !strings.Contains(err.Error(), c.Name) {
		t.Errorf("describing an alias: %v", err)
	}
	if named, err := server.Aliased(t.Context(), "docs"); err != nil || named != c.Name {
		t.Errorf("the alias names %q, %v", named, err)
	}
	if described, err := server.Describe(t.Context(), c.Name); err != nil || described.Name != c.Name {
		t.Errorf("describing the collection: %v, %v", described, err)
	}
}
