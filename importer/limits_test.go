package importer

import (
	"errors"
	"strings"
	"testing"

	"github.com/milvus-io/milvus-proto/go-api/v2/commonpb"
	"github.com/milvus-io/milvus-proto/go-api/v2/schemapb"

	"migrate/internal/columns"
	"migrate/internal/export"
	"migrate/internal/ingest"
	"migrate/internal/model"
)

func params(keysAndValues ...string) []*commonpb.KeyValuePair {
	var all []*commonpb.KeyValuePair
	for i := 0; i < len(keysAndValues); i += 2 {
		all = append(all, &commonpb.KeyValuePair{Key: keysAndValues[i], Value: keysAndValues[i+1]})
	}
	return all
}

func most(n int64) *columns.Most { return &columns.Most{N: n, Key: model.IntKey(17)} }

// TestRefused says which values a target's bulk insert would refuse, and that it takes them once its fields are wide enough.
func TestRefused(t *testing.T) {
	nan := model.IntKey(4)
	checks := model.Capabilities{ChecksLengths: true}
	for name, test := range map[string]struct {
		can      model.Capabilities
		stats    map[string]columns.Stats
		want     error
		says     string
		widening bool // helps
	}{
		"all fit":                          {checks, map[string]columns.Stats{"title": {Longest: most(8)}, "tags": {Longest: most(40), Elements: most(4)}}, nil, "", true},
		"nothing known":                    {checks, nil, nil, "", true},
		"a text":                           {checks, map[string]columns.Stats{"title": {Longest: most(9)}}, ErrLimits, `field "title" has 9 bytes at key 17, and its max_length is 8`, true},
		"an element":                       {checks, map[string]columns.Stats{"tags": {Longest: most(80)}}, ErrLimits, `field "tags" has 80 bytes at key 17, and its max_length is 40`, true},
		"an array":                         {checks, map[string]columns.Stats{"tags": {Elements: most(5)}}, ErrLimits, `field "tags" has 5 elements at key 17, and its max_capacity is 4`, true},
		"longer than any":                  {checks, map[string]columns.Stats{"title": {Longest: most(65_536)}}, ErrLimits, `65536 bytes`, false},
		"a server of no checks":            {model.Capabilities{}, map[string]columns.Stats{"title": {Longest: most(9)}}, nil, "", true},
		"NaN, whose rows are upserted":     {model.Capabilities{}, map[string]columns.Stats{"price": {NotFinite: &nan}}, nil, "", true},
		"a sparse vector without a weight": {checks, map[string]columns.Stats{"sparse": {Empty: &columns.Count{Rows: 3, Key: nan}}}, ErrTarget, `field "sparse" has 3, the first at key 4`, false},
		"and a server that takes it":       {model.Capabilities{EmptySparse: true}, map[string]columns.Stats{"sparse": {Empty: &columns.Count{Rows: 3, Key: nan}}}, nil, "", true},
	} {
		schema := &schemapb.CollectionSchema{Fields: []*schemapb.FieldSchema{
			{Name: "title", DataType: schemapb.DataType_VarChar, TypeParams: params("max_length", "8")},
			{Name: "tags", DataType: schemapb.DataType_Array, TypeParams: params("max_length", "40", "max_capacity", "4")},
			{Name: "price", DataType: schemapb.DataType_Double}, {Name: "sparse", DataType: schemapb.DataType_SparseFloatVector},
		}}
		schema.Fields = append(schema.Fields, &schemapb.FieldSchema{Name: "id", IsPrimaryKey: true})
		m := &export.Manifest{Columns: test.stats}
		err := Refused(test.can, Bulk, false, schema, m)
		if !errors.Is(err, test.want) || test.want == nil && err != nil || err != nil && !strings.Contains(err.Error(), test.says) {
			t.Errorf("%s: %v", name, err)
		}
		Widen(schema, m.Columns)
		if err := Refused(test.can, Bulk, false, schema, m); (err == nil) != test.widening {
			t.Errorf("%s, widened: %v", name, err)
		}
	}
}

// TestRefusedNaN: what can't be upserted, since it gets a new key, is refused by what it is.
func TestRefusedNaN(t *testing.T) {
	nan := model.IntKey(4)
	schema := &schemapb.CollectionSchema{Fields: []*schemapb.FieldSchema{{Name: "id", IsPrimaryKey: true, AutoID: true}, {Name: "price", DataType: schemapb.DataType_Double}}}
	m := &export.Manifest{Columns: map[string]columns.Stats{"price": {NotFinite: &nan}}}
	if err := Refused(model.Capabilities{}, Bulk, false, schema, m); err != nil {
		t.Errorf("with its own key: %v", err)
	}
	err := Refused(model.Capabilities{}, Bulk, true, schema, m)
	if !errors.Is(err, ingest.ErrValue) || !strings.Contains(err.Error(), `field "price" of key 4 is NaN or infinite`) {
		t.Error(err)
	}
}

// TestRefusedInserts: an insert takes NaN, and no text, array or document that is too long, whatever bulk insert does.
func TestRefusedInserts(t *testing.T) {
	nan := model.IntKey(4)
	schema := &schemapb.CollectionSchema{Fields: []*schemapb.FieldSchema{
		{Name: "title", DataType: schemapb.DataType_VarChar, TypeParams: params("max_length", "8")},
		{Name: "doc", DataType: schemapb.DataType_JSON}, {Name: "price", DataType: schemapb.DataType_Double},
	}}
	for says, stats := range map[string]map[string]columns.Stats{
		"": {"price": {NotFinite: &nan}, "title": {Longest: most(8)}, "doc": {Longest: most(65_536)}},
		`field "title" has 9 bytes at key 17, and its max_length is 8`: {"title": {Longest: most(9)}},
		`field "doc" has 70000 bytes of JSON at key 17`:                {"doc": {Longest: most(70_000)}},
	} {
		m := &export.Manifest{Columns: stats, Collection: export.Collection{Schema: export.Schema{CollectionSchema: schema}}}
		err := Refused(model.Capabilities{}, Insert, false, schema, m)
		if (err == nil) != (says == "") || err != nil && (!errors.Is(err, ErrLimits) || !strings.Contains(err.Error(), says)) {
			t.Errorf("%v, want it to say %q", err, says)
		}
	}
}

// TestLongJSON names documents that a sync could not write.
func TestLongJSON(t *testing.T) {
	m := &export.Manifest{Columns: map[string]columns.Stats{"doc": {Longest: most(70_000)}, "small": {Longest: most(65_536)}, "title": {Longest: most(70_000)}}}
	m.Collection.Schema = export.Schema{CollectionSchema: &schemapb.CollectionSchema{Fields: []*schemapb.FieldSchema{
		{Name: "doc", DataType: schemapb.DataType_JSON}, {Name: "small", DataType: schemapb.DataType_JSON}, {Name: "title", DataType: schemapb.DataType_VarChar},
	}}}
	if got := LongJSON(m); len(got) != 1 || got[0] != `field "doc" has 70000 bytes of JSON at key 17` {
		t.Errorf("%q", got)
	}
}
