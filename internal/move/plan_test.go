package move

import (
	"strings"
	"testing"

	"github.com/milvus-io/milvus-proto/go-api/v2/commonpb"
	"github.com/milvus-io/milvus-proto/go-api/v2/schemapb"

	"migrate/exporter"
	"migrate/importer"
	"migrate/internal/columns"
	"migrate/internal/export"
	"migrate/internal/labtest"
	"migrate/internal/labtest/memory"
	"migrate/internal/model"
)

// TestPlanTellsRoom holds what a collection takes against the memory, the quota and the number of collections that a target tells of.
func TestPlanTellsRoom(t *testing.T) {
	property := func(key, value string) *commonpb.KeyValuePair { return &commonpb.KeyValuePair{Key: key, Value: value} }
	for title, c := range map[string]struct {
		room  memory.Room
		want  []string
		never string
	}{
		"enough": {memory.Room{Memory: 8 << 20, Used: 1 << 20, Properties: []*commonpb.KeyValuePair{property("database.diskQuota.mb", "100"), property("database.max.collections", "9")}},
			[]string{"7.0 MiB of memory is free on its 1 query nodes, which is enough for the 5.0 MiB"}, "LESS"},
		"memory":      {memory.Room{Memory: 4 << 20}, []string{"IS LESS THAN the 5.0 MiB that a load takes"}, "quota"},
		"disk":        {memory.Room{Properties: []*commonpb.KeyValuePair{property("database.diskQuota.mb", "2")}}, []string{"the disk quota of its database is 2.0 MiB, LESS THAN"}, "memory"},
		"collections": {memory.Room{Properties: []*commonpb.KeyValuePair{property("database.max.collections", "1")}}, []string{"its database has 1 collections and may have 1"}, "quota"},
	} {
		s := memory.Start(t, "v2.4.15")
		s.Room = c.room
		coll := labtest.Collection(labtest.Schema(labtest.IntKey("id")))
		s.Add(t, coll)
		told := strings.Join(roomLacks(t.Context(), s.Client(t), &exporter.Plan{Collection: coll, Bytes: 5 << 20}), "\n")
		for _, want := range c.want {
			if !strings.Contains(told, want) {
				t.Errorf("%s: told %q, want %q", title, told, want)
			}
		}
		if strings.Contains(told, c.never) {
			t.Errorf("%s: told %q", title, told)
		}
	}
}

// TestPlanOffersIndexTypes names the indexes that a target does not build, and what to say to have others in their place.
func TestPlanOffersIndexTypes(t *testing.T) {
	t.Parallel()
	coll := labtest.Collection(labtest.Schema(labtest.IntKey("id"), labtest.Field("title", schemapb.DataType_VarChar)))
	coll.Indexes = []model.Index{{Name: "by_title", Field: "title", Params: []*commonpb.KeyValuePair{{Key: "index_type", Value: "NGRAM"}}}}
	for version, test := range map[string]struct{ types, want string }{
		"v2.6.1": {"", ""},
		"v2.3.5": {"", "it does not build index \"by_title\" of type NGRAM on field title, and import will refuse that; with --index 'title=TRIE'"},
		"v2.4.9": {"title=INVERTED", ""},
	} {
		types, err := model.ParseIndexTypes(test.types)
		if err != nil {
			t.Fatal(err)
		}
		lacks, err := Target{Server: memory.Start(t, version).Client(t), Options: importer.Options{IndexTypes: types}}.Lacks(t.Context(), &exporter.Plan{Collection: coll})
		if err != nil {
			t.Fatal(err)
		}
		if told := strings.Join(lacks.Told, "\n"); !strings.Contains(told, test.want) || test.want == "" && strings.Contains(told, "does not build") {
			t.Errorf("%s: %q, want %q", version, told, test.want)
		}
	}
}

// TestPlanForLite says how rows come to a Milvus Lite, and what becomes of them there.
func TestPlanForLite(t *testing.T) {
	t.Parallel()
	coll := labtest.Collection(labtest.Schema(labtest.IntKey("id"), labtest.Field("doc", schemapb.DataType_JSON)), "_default", "a", "b")
	coll.Schema.EnableDynamicField = true
	for version, want := range map[string][]string{
		memory.Lite3:  {"it has no bulk insert: import inserts the rows", "verify and sync compare doc, $meta by value", "it drops _seq and _partition of the dynamic field"},
		memory.Lite25: {"it has no bulk insert: import inserts the rows", "it has no partitions but the default one, and there are 2 others"},
		"v2.3.5":      nil,
	} {
		lacks, err := Target{Server: memory.Start(t, version).Client(t)}.Lacks(t.Context(), &exporter.Plan{Collection: coll})
		if err != nil {
			t.Fatal(err)
		}
		told := strings.Join(lacks.Told, "\n")
		for _, text := range want {
			if !strings.Contains(told, text) {
				t.Errorf("%s: %q, want %q", version, told, text)
			}
		}
		if strings.Contains(told, "inserts the rows") != (want != nil) {
			t.Errorf("%s: %q", version, told)
		}
	}
}

// TestPlanNamesWhatImportRefuses tells of a target that loses statistics before anything is exported for it.
func TestPlanNamesWhatImportRefuses(t *testing.T) {
	t.Parallel()
	for version, want := range map[string]bool{"v2.4.3": true, "v2.4.4": false} {
		lacks, err := Target{Server: memory.Start(t, version).Client(t)}.Lacks(t.Context(), &exporter.Plan{Collection: labtest.Collection(labtest.Schema(labtest.IntKey("id")))})
		if err != nil {
			t.Fatal(err)
		}
		if got := strings.Contains(strings.Join(lacks.Told, "\n"), "loses the statistics"); got != want {
			t.Errorf("%s: %q", version, lacks.Told)
		}
	}
}

// TestPlanTellsOfNulls says which fields a target has no NULL in, and of an export which NULLs and empty lists will not be the same.
func TestPlanTellsOfNulls(t *testing.T) {
	t.Parallel()
	coll := labtest.Collection(labtest.NullableSchema(labtest.Vector("v", schemapb.DataType_FloatVector, 2)))
	m := &export.Manifest{Collection: export.Describe(coll), Columns: map[string]columns.Stats{
		"size": {Nulls: &columns.Count{Rows: 3, Key: model.IntKey(5)}}, "tags": {Empty: &columns.Count{Rows: 2, Key: model.IntKey(4)}, Nulls: &columns.Count{Rows: 1, Key: model.IntKey(9)}},
	}}
	const defaults, lists = `field "size" is NULL in 3 rows, key 5 the first: that becomes its default`, `field "tags" is an empty list in 2 rows, key 4 the first`
	for version, test := range map[string]struct{ want, never string }{
		"v2.4.15": {"number (nullable), title (nullable), doc (nullable), tags (nullable), size (nullable)", lists},
		"v2.5.10": {defaults + "\n", "(nullable)"},
		"v3.0.0":  {lists, "(nullable)"},
	} {
		lacks, err := Target{Server: memory.Start(t, version).Client(t), Exported: m}.Lacks(t.Context(), &exporter.Plan{Collection: coll})
		if err != nil {
			t.Fatal(err)
		}
		if told := strings.Join(lacks.Told, "\n"); !strings.Contains(told, test.want) || strings.Contains(told, test.never) {
			t.Errorf("%s: %q, want %q", version, told, test.want)
		}
	}
}
