package export_test

import (
	"encoding/json"
	"io"
	"testing"

	"migrate/internal/columns"
	"migrate/internal/export"
	"migrate/internal/labtest"
	"migrate/internal/model"
	"migrate/internal/source"
	"migrate/internal/source/sourcetest"
	"migrate/sinks"
)

// TestContract holds an export against what every source keeps.
func TestContract(t *testing.T) {
	sink := labtest.Local(t)
	m := &export.Manifest{Job: "j", Collection: export.Describe(sourcetest.Collection())}
	for _, name := range m.Collection.Partitions {
		after := model.IntKey(5)
		first := model.Range{UpTo: &after}
		m.Add(putPart(t, sink, m, export.Part{Partition: name, Range: first}, 0), model.Findings{}, nil)
		m.Add(putPart(t, sink, m, export.Part{Partition: name, Range: model.Range{After: &after}}, 1), model.Findings{}, nil)
	}
	sourcetest.Run(t, func(*testing.T, json.RawMessage) source.Source { return export.Source{Sink: sink, Manifest: m} })
}

// putPart writes the rows of a part's range; none where there are none.
func putPart(t *testing.T, sink sinks.Sink, m *export.Manifest, p export.Part, n int) export.Part {
	t.Helper()
	layout, err := columns.NewLayout(m.Collection.Schema.CollectionSchema)
	if err != nil {
		t.Fatal(err)
	}
	rec, err := layout.Decode(sourcetest.Rows(p.Partition).Columns)
	if err != nil {
		t.Fatal(err)
	}
	from, to := min(6, rec.NumRows()), rec.NumRows()
	if p.After == nil {
		from, to = 0, from
	}
	if from == to {
		return p
	}
	some := rec.NewSlice(from, to)
	hashes, err := columns.Hash(some)
	if err != nil {
		t.Fatal(err)
	}
	p.Rows.AddRows(hashes)
	p.Object = export.PartName(p.Partition, n, 1)
	_, err = sink.Put(t.Context(), m.ObjectName(p), func(w io.Writer) error {
		out, err := export.NewWriter(w, layout.Arrow)
		if err != nil {
			return err
		}
		if err := out.Write(some); err != nil {
			return err
		}
		err = out.Close()
		p.Bytes, p.SHA256 = out.Bytes(), out.SHA256()
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return p
}
