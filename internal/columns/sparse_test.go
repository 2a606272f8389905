package columns_test

import (
	"encoding/json"
	"errors"
	"math"
	"math/rand/v2"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/apache/arrow/go/v15/arrow/array"
	"github.com/apache/arrow/go/v15/arrow/memory"
	"github.com/milvus-io/milvus-proto/go-api/v2/schemapb"

	"migrate/internal/columns"
	"migrate/internal/labtest"
)

func sparseLayout(t testing.TB) *columns.Layout {
	t.Helper()
	return layoutOf(t, labtest.Schema(labtest.IntKey("id"), labtest.Field("s", schemapb.DataType_SparseFloatVector)))
}

// sparseRow decodes one row.
func sparseRow(layout *columns.Layout, pairs []byte) (string, error) {
	rec, err := layout.Decode([]*schemapb.FieldData{labtest.Column(labtest.IntKey("id"), []int64{1}), labtest.SparseVectors("s", pairs)})
	if err != nil {
		return "", err
	}
	return rec.Column(1).(*array.String).Value(0), nil
}

// A sparse vector is JSON, which whoever reads JSON's numbers as 64 bits, as Milvus' bulk insert does, takes for the same weights, and
// which bulk insert does not find too large.
func TestSparseText(t *testing.T) {
	layout := sparseLayout(t)
	for _, test := range []struct {
		weights map[uint32]float32
		want    string
	}{
		{map[uint32]float32{}, `{}`},
		{map[uint32]float32{0: 0}, `{"0":0}`},
		{map[uint32]float32{70000: 0.1, 7: 2, math.MaxUint32 - 1: 1e-7}, `{"7":2,"70000":0.1,"4294967294":1e-07}`},
		{map[uint32]float32{1: math.SmallestNonzeroFloat32, 2: math.MaxFloat32}, `{"1":1e-45,"2":3.4028234663852886e+38}`},
		{map[uint32]float32{1: math.Float32frombits(0x15ae43fd), 2: math.Float32frombits(0x15ae43fe)}, `{"1":7.038530691851209e-26,"2":7.0385313e-26}`},
		{map[uint32]float32{1: float32(math.Copysign(0, -1))}, `{"1":-0}`},
	} {
		text, err := sparseRow(layout, labtest.Pairs(test.weights))
		if err != nil || text != test.want {
			t.Errorf("%v: %s, %v; want %s", test.weights, text, err, test.want)
		}
		var parsed map[string]float64
		if err := json.Unmarshal([]byte(text), &parsed); err != nil || len(parsed) != len(test.weights) {
			t.Fatalf("%s: %v, %v", text, parsed, err)
		}
		for index, weight := range test.weights {
			got := parsed[strconv.FormatUint(uint64(index), 10)]
			if math.Float32bits(float32(got)) != math.Float32bits(weight) || got > math.MaxFloat32 {
				t.Errorf("%s: index %d has %v, want %v", text, index, got, weight)
			}
		}
	}
}

// What is no sparse vector in a column is refused by the row that has it.
func TestSparseTextRefused(t *testing.T) {
	layout := sparseLayout(t)
	for _, text := range []string{
		``, `{`, `null`, `[]`, `{"1":}`, `{"1"}`, `{1:0.5}`, `{"1":0.5,}`, `{,}`, `{"-1":1}`, `{"4294967296":1}`, `{"1":x}`, `{"1":NaN}`,
		`{"1":1e39}`, `{"2":1,"1":1}`, `{"1":1,"1":1}`, `{"1":1}}`, `{"1":"2"}`, `{"":1}`,
	} {
		b := array.NewStringBuilder(memory.DefaultAllocator)
		b.AppendValues([]string{`{}`, text, `{"1":1}`}, nil)
		ids, err := layout.Decode([]*schemapb.FieldData{labtest.Column(labtest.IntKey("id"), []int64{1, 2, 3}), labtest.SparseVectors("s", nil, nil, nil)})
		if err != nil {
			t.Fatal(err)
		}
		rec := batch("id", ids.Column(0), "s", b.NewArray())
		if _, err := layout.Encode(rec, []int{2, 0, 1}); err == nil || !strings.Contains(err.Error(), `column "s": row 1: a sparse vector `) {
			t.Errorf("%s: %v", text, err)
		}
	}
}

// Rows without a weight are counted, since some servers' bulk insert fails over them.
func TestSparseMeasure(t *testing.T) {
	layout := sparseLayout(t)
	rec, err := layout.Decode([]*schemapb.FieldData{
		labtest.Column(labtest.IntKey("id"), []int64{3, 2, 1}), labtest.SparseVectors("s", nil, nil, labtest.Pairs(map[uint32]float32{1: 0})),
	})
	if err != nil {
		t.Fatal(err)
	}
	if empty := layout.Measure(rec)["s"].Empty; empty == nil || empty.Rows != 2 || empty.Key.Int != 2 {
		t.Errorf("empty rows: %+v, want 2, the first of them 2", empty)
	}
}

// A batch is converted by as many allocations, however many rows it has.
func TestSparseAllocatesPerBatch(t *testing.T) {
	layout := sparseLayout(t)
	allocations := func(rows int) (decode, encode float64) {
		rec := layout.Sample(rand.New(rand.NewPCG(1, 2)), rows)
		numbers := labtest.Each(rows, func(i int) int { return i })
		data, err := layout.Encode(rec, numbers)
		if err != nil {
			t.Fatal(err)
		}
		decode = testing.AllocsPerRun(5, func() { _, err = layout.Decode(data) })
		encode = testing.AllocsPerRun(5, func() { _, err = layout.Encode(rec, numbers) })
		return decode, encode
	}
	decodeFew, encodeFew := allocations(10)
	decodeMany, encodeMany := allocations(2000)
	if decodeMany > decodeFew || encodeMany > encodeFew {
		t.Errorf("%v and %v allocations for 10 rows, %v and %v for 2000", decodeFew, encodeFew, decodeMany, encodeMany)
	}
}

// FuzzSparse decodes any bytes: to a text that is encoded to the same bytes, or to an error that names the row.
func FuzzSparse(f *testing.F) {
	f.Add([]byte{})
	f.Add(make([]byte, 8))
	f.Add(make([]byte, 12))
	f.Add(labtest.Pairs(map[uint32]float32{1: 0.5, 70000: 2}))
	f.Add(labtest.Pairs(map[uint32]float32{1: float32(math.Inf(1))}))
	layout := sparseLayout(f)
	f.Fuzz(func(t *testing.T, pairs []byte) {
		rec, err := layout.Decode([]*schemapb.FieldData{labtest.Column(labtest.IntKey("id"), []int64{1}), labtest.SparseVectors("s", pairs)})
		if err != nil {
			if !strings.Contains(err.Error(), "row 0") || errors.Unwrap(err) == nil {
				t.Errorf("%x: %v", pairs, err)
			}
			return
		}
		data, err := layout.Encode(rec, []int{0})
		if err != nil {
			t.Fatalf("%x: %v", pairs, err)
		}
		if back := data[1].GetVectors().GetSparseFloatVector().GetContents(); len(back) != 1 || !slices.Equal(back[0], pairs) {
			t.Errorf("%x came back as %x", pairs, back)
		}
	})
}
