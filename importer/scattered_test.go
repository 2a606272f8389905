package importer_test

import (
	"fmt"
	"io"
	"testing"

	"github.com/apache/arrow/go/v15/arrow"

	"migrate/internal/columns"
	"migrate/internal/export"
	"migrate/internal/labtest"
	"migrate/sinks"
)

// scattered deals the rows of an export out to as many parts as it has, one row to each in turn, so that each has keys from one end to the
// other.
func scattered(t *testing.T, m *export.Manifest, sink sinks.Sink) *export.Manifest {
	t.Helper()
	dealt, parts := *m, len(m.Parts)
	dealt.Job, dealt.Parts = m.Job+"_dealt", nil
	rows := make([][]arrow.Record, parts)
	n := 0
	for _, p := range m.Parts {
		stream, err := m.ReadPart(t.Context(), sink, p)
		for rec := range labtest.Batches(t, stream, err) {
			for i := range rec.NumRows() {
				rows[n%parts] = append(rows[n%parts], rec.NewSlice(i, i+1))
				n++
			}
		}
	}
	for i, some := range rows {
		p := export.Part{Partition: m.Parts[0].Partition, Scattered: true, Object: fmt.Sprintf("any/%d.parquet", i)}
		dealt.Parts = append(dealt.Parts, putRows(t, sink, &dealt, p, some))
	}
	return &dealt
}

// putRows writes the rows of a part.
func putRows(t *testing.T, sink sinks.Sink, m *export.Manifest, p export.Part, rows []arrow.Record) export.Part {
	t.Helper()
	layout, err := columns.NewLayout(m.Collection.Schema.CollectionSchema)
	if err != nil {
		t.Fatal(err)
	}
	_, err = sink.Put(t.Context(), m.ObjectName(p), func(w io.Writer) error {
		out, err := export.NewWriter(w, layout.Arrow)
		if err != nil {
			return err
		}
		for _, rec := range rows {
			hashes, err := columns.Hash(rec)
			if err != nil {
				return err
			}
			p.Rows.AddRows(hashes)
			key := layout.Keys(rec)[0].Clone()
			if p.Lowest == nil || key.Compare(*p.Lowest) < 0 {
				p.Lowest = &key
			}
			if p.Highest == nil || key.Compare(*p.Highest) > 0 {
				p.Highest = &key
			}
			if err := out.Write(layout.Pick(rec)); err != nil {
				return err
			}
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
