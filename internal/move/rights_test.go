package move

import (
	"context"
	"errors"
	"slices"
	"strings"
	"testing"

	"github.com/milvus-io/milvus-proto/go-api/v2/schemapb"

	"migrate/internal/labtest"
	"migrate/internal/labtest/memory"
	"migrate/internal/milvus"
)

// wantRights checks which rights are told to be missing; nothing else may be.
func wantRights(t *testing.T, title string, found []Finding, missing []string) {
	t.Helper()
	var bad []string
	for _, f := range found {
		if !f.Bad {
			continue
		}
		_, right, named := strings.Cut(f.What, " right ")
		bad = append(bad, right)
		if !named || !strings.Contains(f.Found, "needs the privilege") || !errors.Is(f.Err, milvus.ErrPrivilege) || strings.Contains(f.Found, "password") {
			t.Errorf("%s: %+v", title, f)
		}
	}
	if !slices.Equal(bad, missing) {
		t.Errorf("%s: missing are %q, want %q of %+v", title, bad, missing, found)
	}
}

// TestDoctorOnLite tries no rights where there are no users, and makes nothing there.
func TestDoctorOnLite(t *testing.T) {
	t.Parallel()
	for _, version := range []string{memory.Lite25, memory.Lite3} {
		s, c := memory.Start(t, version), labtest.Collection(labtest.Schema(labtest.IntKey("id"), labtest.Vector("v", schemapb.DataType_FloatVector, 2)))
		s.Add(t, c)
		doctor := Doctor{Source: milvus.Config{Address: s.Address}, Collection: c.Name, As: "documents"}
		found := slices.Concat(tryServer(t.Context(), "source", doctor.Source, doctor.trySource), doctor.tryTarget(t.Context(), s.Client(t)))
		for _, f := range found {
			if f.Bad {
				t.Errorf("%s: %+v", version, f)
			}
		}
		if len(found) != 4 || !slices.Equal(s.Collections(), []string{c.Name}) {
			t.Errorf("%s: %+v, and there are %q", version, found, s.Collections())
		}
	}
}

// TestDoctorTriesRights names each that is missing on the target, and leaves nothing there.
func TestDoctorTriesRights(t *testing.T) {
	t.Parallel()
	all := []string{
		"DropCollection", "CreateCollection", "CreatePartition", "CreateIndex", "ShowPartitions", "IndexDetail", "GetLoadState", "Load", "Upsert",
		"Query", "Delete", "Flush", "GetFlushState", "GetStatistics", "Import", "Release",
	}
	for title, c := range map[string]struct{ denied, missing []string }{
		"none":           {nil, nil},
		"all":            {all, slices.DeleteFunc(slices.Clone(all), func(r string) bool { return r == "CreateCollection" })},
		"all but drop":   {all[1:], all[1:]},
		"index":          {[]string{"CreateIndex"}, []string{"CreateIndex"}},
		"load and write": {[]string{"Load", "Upsert"}, []string{"Load", "Upsert"}},
		"what is read":   {[]string{"IndexDetail", "Query"}, []string{"IndexDetail", "Query"}},
		"import":         {[]string{"Import"}, []string{"Import"}},
		"drop":           {[]string{"DropCollection"}, []string{"DropCollection"}},
	} {
		s := memory.Start(t, "v2.3.5")
		s.Deny(c.denied...)
		found := Doctor{Collection: "documents"}.tryTarget(t.Context(), s.Client(t))
		wantRights(t, title, found, c.missing)
		if left := s.Collections(); len(left) > 0 {
			t.Errorf("%s: left are %q", title, left)
		}
	}
}

// TestDoctorTriesRightsOfSource on the collection that is there, and names what keeps it from being exported.
func TestDoctorTriesRightsOfSource(t *testing.T) {
	t.Parallel()
	for title, denied := range map[string][]string{"none": nil, "some": {"Flush", "GetStatistics"}, "one": {"Query"}} {
		s := memory.Start(t, "v2.3.5")
		c := labtest.Collection(labtest.Schema(labtest.IntKey("id"), labtest.Vector("v", schemapb.DataType_FloatVector, 2)))
		s.Add(t, c)
		s.Deny(denied...)
		found := Doctor{Collection: c.Name}.trySource(t.Context(), s.Client(t))
		found = slices.DeleteFunc(found, func(f Finding) bool { return f.What == "source collection" && title == "one" })
		wantRights(t, title, found, denied)
	}
	s := memory.Start(t, "v2.3.5")
	c := labtest.Collection(labtest.Schema(labtest.IntKey("id"), labtest.Vector("v", schemapb.DataType_FloatVector, 2)))
	c.Indexes = nil
	s.Add(t, c)
	s.Sealed(t, c.Name, labtest.Rows{N: 1, Columns: []*schemapb.FieldData{labtest.Column(labtest.IntKey("id"), []int64{1}), labtest.Vectors("v", 2, 1, 1)}})
	found := Doctor{Collection: c.Name}.trySource(t.Context(), s.Client(t))
	if f := found[0]; f.What != "source collection" || !f.Bad || !strings.Contains(f.Found, "no vector index on v") || len(found) != 2 || found[1].Bad {
		t.Errorf("%+v", found)
	}
}

// TestDoctorLeavesOthersAlone: a collection that is there is not touched, and what was made goes also when doctor is interrupted.
func TestDoctorLeavesOthersAlone(t *testing.T) {
	t.Parallel()
	s := memory.Start(t, "v2.3.5")
	there := labtest.Collection(labtest.Schema(labtest.IntKey("id"), labtest.Vector("v", schemapb.DataType_FloatVector, 2)))
	s.Add(t, there)
	ctx, cancel := context.WithCancel(t.Context())
	made := false
	s.Moved = func() {
		made = slices.Contains(s.Collections(), "documents")
		cancel()
	}
	client := s.Client(t)
	for title, c := range map[string]Doctor{
		"no name":  {},
		"not free": {Collection: there.Name},
		"no alias": {Collection: "documents", As: there.Name},
	} {
		if found := c.tryTarget(t.Context(), client); len(found) != 1 || found[0].Bad || !strings.Contains(found[0].Found, "not tried") {
			t.Errorf("%s: %+v", title, found)
		}
	}
	Doctor{Collection: "documents"}.tryTarget(ctx, client)
	if left := s.Collections(); !made || !slices.Equal(left, []string{there.Name}) {
		t.Errorf("interrupted, having made one: %t, left are %q", made, left)
	}
}
