package columns_test

import (
	"strings"
	"testing"

	"github.com/apache/arrow/go/v15/arrow/array"
	"github.com/milvus-io/milvus-proto/go-api/v2/schemapb"

	"migrate/internal/columns"
	"migrate/internal/labtest"
)

// canonical decodes one text of a field.
func canonical(layout *columns.Layout, f *schemapb.FieldSchema, text string) (string, error) {
	rec, err := layout.Decode([]*schemapb.FieldData{labtest.Column(labtest.IntKey("id"), []int64{1}), labtest.Column(f, []string{text})})
	if err != nil {
		return "", err
	}
	return rec.Column(1).(*array.String).Value(0), nil
}

// Servers write the same value in several ways, and a column has it in one.
func TestCanonical(t *testing.T) {
	place, clock := labtest.Field("x", schemapb.DataType_Geometry), labtest.Field("x", schemapb.DataType_Timestamptz)
	for want, test := range map[string]struct {
		field   *schemapb.FieldSchema
		written []string
	}{
		"POINT (10000000000 -0.1)":                 {place, []string{"POINT(1e10 -0.1)", "point ( 10000000000.0  -.1 )", "POINT (10000000000 -0.1)"}},
		"POLYGON ((0 0, 0 1, 1 1, 0 0))":           {place, []string{"POLYGON((0 0,0 1,1 1,0 0))"}},
		"MULTIPOINT (1 2, 3 4)":                    {place, []string{"MULTIPOINT ((1 2), (3 4))"}},
		"LINESTRING Z (1 2 3, 4 5 6)":              {place, []string{"LINESTRING(1 2 3, 4 5 6)", "LineStringZ (1 2 3, 4 5 6)"}},
		"POINT EMPTY":                              {place, []string{"point empty"}},
		"POINT (0.30000000000000004 0.0000000001)": {place, []string{"POINT (0.30000000000000004 1e-10)"}},
		"2025-01-01T00:00:00Z":                     {clock, []string{"2025-01-01T08:00:00+08:00", "2024-12-31T19:00:00.000000-05:00", "2025-01-01T00:00:00+00:00"}},
		"1969-12-31T23:59:59.5Z":                   {clock, []string{"1969-12-31T23:59:59.500000Z", "1969-12-31T23:59:59.5Z"}},
		"9999-12-31T23:59:59.999999Z":              {clock, []string{"9999-12-31T23:59:59.999999Z"}},
	} {
		layout := layoutOf(t, labtest.Schema(labtest.IntKey("id"), test.field))
		for _, text := range append(test.written, want) {
			if got, err := canonical(layout, test.field, text); err != nil || got != want {
				t.Errorf("%q: %q, %v; want %q", text, got, err, want)
			}
		}
	}
}

// What is no geometry, or no instant, is refused, however near to one it is.
func TestCanonicalRefuses(t *testing.T) {
	place, clock := labtest.Field("x", schemapb.DataType_Geometry), labtest.Field("x", schemapb.DataType_Timestamptz)
	for field, texts := range map[*schemapb.FieldSchema][]string{
		place: {"", "POINT", "POINT (", "POINT (1 2", "POINT (1 2))", "POINT (1)", "POINT (1 2, 3 4)", "POLYGON (0 0, 1 1)", "CIRCLE (1 2)", "LINESTRING ((1 2))", "LINESTRING (1 2, )"},
		clock: {"", "now", "2025-01-01", "2025-01-01T00:00:00", "2025-13-01T00:00:00Z", "20250-01-01T00:00:00Z"},
	} {
		layout := layoutOf(t, labtest.Schema(labtest.IntKey("id"), field))
		for _, text := range texts {
			if got, err := canonical(layout, field, text); err == nil || !strings.Contains(err.Error(), `column "x": row 0: a `) {
				t.Errorf("%q is %q, %v", text, got, err)
			}
		}
	}
}

// FuzzCanonical finds no text that panics, or whose canonical one has another.
func FuzzCanonical(f *testing.F) {
	for _, text := range []string{"POINT(1 2)", "POLYGON Z EMPTY", "2025-01-01T08:00:00+08:00", "0001-01-01T00:00:00+23:59", "POLYGON ((0 0, 1.50 1, 1 0, 0 0))"} {
		f.Add(text)
	}
	fields := []*schemapb.FieldSchema{labtest.Field("x", schemapb.DataType_Geometry), labtest.Field("x", schemapb.DataType_Timestamptz)}
	f.Fuzz(func(t *testing.T, text string) {
		for _, field := range fields {
			layout := layoutOf(t, labtest.Schema(labtest.IntKey("id"), field))
			once, err := canonical(layout, field, text)
			if err != nil {
				continue
			}
			if twice, err := canonical(layout, field, once); err != nil || twice != once {
				t.Errorf("%q is %q, and that is %q, %v", text, once, twice, err)
			}
		}
	})
}
