package syncer_test

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/milvus-io/milvus-proto/go-api/v2/commonpb"
	"github.com/milvus-io/milvus-proto/go-api/v2/schemapb"

	"migrate/internal/labtest"
	"migrate/internal/labtest/memory"
	"migrate/internal/labtest/pairs"
	"migrate/internal/model"
	"migrate/internal/syncer"
)

// creating starts a source with rows that have documents, and a target without the collection.
func creating(t *testing.T, source, target string, rows int) (pairs.Servers, syncer.Options) {
	t.Helper()
	c := labtest.Collection(labtest.Schema(labtest.IntKey("id"), labtest.Field("doc", schemapb.DataType_JSON), labtest.Vector("v", schemapb.DataType_FloatVector, 2)))
	m := pairs.Servers{From: memory.Start(t, source), To: memory.Start(t, target)}
	m.From.Add(t, c)
	m.From.Sealed(t, c.Name, documents(0, rows))
	m.Pair = pairs.Pair{Source: m.From.Client(t), Target: m.To.Client(t), Name: c.Name, Sink: labtest.Local(t)}
	opts := m.Options()
	opts.BaseDone, opts.Create = false, true
	return m, opts
}

func documents(from, to int) labtest.Rows {
	rows := pairs.NumberedRows(from, to, 1)
	doc := labtest.Field("doc", schemapb.DataType_JSON)
	texts := labtest.Each(to-from, func(i int) []byte { return fmt.Appendf(nil, `{"b":"ä","a":[%d,1.50]}`, from+i) })
	rows.Columns = append(rows.Columns, &schemapb.FieldData{
		Type: doc.DataType, FieldName: doc.Name,
		Field: &schemapb.FieldData_Scalars{Scalars: &schemapb.ScalarField{Data: &schemapb.ScalarField_JsonData{JsonData: &schemapb.JSONArray{Data: texts}}}},
	})
	return rows
}

// TestCreate makes the collection on a target without bulk insert, with the index that it has, and brings all rows; a second pass writes
// none again, also where the target spells documents anew.
func TestCreate(t *testing.T) {
	t.Parallel()
	for _, c := range []struct{ source, target string }{
		{"v2.3.5", memory.Lite25}, {"v2.5.10", memory.Lite3}, {memory.Lite3, memory.Lite3}, {memory.Lite25, "v2.3.5"},
	} {
		t.Run(c.source+" to "+c.target, func(t *testing.T) {
			t.Parallel()
			m, opts := creating(t, c.source, c.target, 1200)
			reports, err := m.Sync(t, opts)
			if err != nil || reports[0].Inserted != 1200 {
				t.Fatalf("%+v, %v", reports, err)
			}
			made := labtest.Describe(t, m.Target, m.Name)
			if len(made.Indexes) != 1 || made.Indexes[0].Field != "v" || !made.Loaded {
				t.Errorf("made %+v", made)
			}
			report := m.Compare(t)
			if spelled := c.source == memory.Lite3 || c.target == memory.Lite3; !report.SameRows() || report.Right.Rows != 1200 || slices.Equal(report.ByValue, []string{"doc"}) != spelled {
				t.Errorf("%+v", report)
			}
			reports, err = m.Sync(t, opts)
			if err != nil || reports[0].Applied()+reports[0].Passed > 0 {
				t.Errorf("a second pass: %+v, %v", reports[0], err)
			}
			labtest.Upsert(t, m.Source, m.Name, documents(1190, 1210))
			labtest.Delete(t, m.Source, m.Name, "id in [7, 8]")
			if _, err = m.Sync(t, opts); err != nil || !m.Compare(t).SameRows() {
				t.Errorf("after changes: %v", err)
			}
		})
	}
}

// TestCreateGoesOn fills a collection that an earlier try has made and not filled, and leaves alone one that has rows.
func TestCreateGoesOn(t *testing.T) {
	t.Parallel()
	for rows, want := range map[int]error{0: nil, 1: syncer.ErrBase} {
		m, opts := creating(t, "v2.3.5", memory.Lite25, 10)
		there := labtest.Describe(t, m.Source, m.Name)
		there.Indexes, there.Loaded = nil, false
		m.To.Add(t, there)
		m.To.Sealed(t, m.Name, documents(100, 100+rows))
		if _, err := m.Sync(t, opts); !errors.Is(err, want) {
			t.Errorf("%d rows: %v, want %v", rows, err, want)
		}
		if want == nil && !m.Compare(t).SameRows() {
			t.Error("it was not filled")
		}
	}
}

func hnsw(c *model.Collection) {
	c.Indexes[0].Params = []*commonpb.KeyValuePair{{Key: "index_type", Value: "HNSW"}, {Key: "metric_type", Value: "L2"}}
}

// TestCreateRefuses a collection that the target can't make, before anything is made.
func TestCreateRefuses(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		target string
		change func(*model.Collection)
		types  map[string]string
		want   string
	}{
		"a type": {memory.Lite3, func(c *model.Collection) {
			c.Schema.Fields = append(c.Schema.Fields, labtest.Vector("bits", schemapb.DataType_BinaryVector, 8))
		}, nil, "it does not take the types of bits (BinaryVector)"},
		"partitions":          {memory.Lite25, func(c *model.Collection) { c.Partitions = []string{"_default", "a", "b"} }, nil, "it has no partitions but the default one, and there are 2 others"},
		"an index":            {memory.Lite25, hnsw, nil, "does not build index \"v\" of type HNSW on field v; --index 'v=AUTOINDEX'"},
		"the index of a type": {memory.Lite25, hnsw, map[string]string{"v": "FLAT"}, ""},
		"a partition key":     {memory.Lite25, func(c *model.Collection) { c.Schema.Fields[1].IsPartitionKey = true }, nil, model.ErrNoFilters.Error()},
		"a reserved word":     {memory.Lite3, func(c *model.Collection) { c.Schema.Fields[0].Name = "is" }, nil, "reserved word"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			m := pairs.Servers{From: memory.Start(t, "v2.3.5"), To: memory.Start(t, c.target)}
			coll := labtest.Collection(labtest.Schema(labtest.IntKey("id"), labtest.Field("n", schemapb.DataType_Int64), labtest.Vector("v", schemapb.DataType_FloatVector, 2)))
			c.change(coll)
			m.From.Add(t, coll)
			m.Pair = pairs.Pair{Source: m.From.Client(t), Target: m.To.Client(t), Name: coll.Name, Sink: labtest.Local(t)}
			opts := m.Options()
			opts.BaseDone, opts.Create, opts.IndexTypes = false, true, c.types
			_, err := m.Sync(t, opts)
			if c.want == "" && err != nil || c.want != "" && (!errors.Is(err, syncer.ErrTarget) || !strings.Contains(err.Error(), c.want)) {
				t.Errorf("%v, want %q", err, c.want)
			}
			if made := m.To.Collections(); (len(made) > 0) != (c.want == "") {
				t.Errorf("made %v", made)
			}
		})
	}
}
