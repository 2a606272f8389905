package columns

import (
	"encoding/binary"
	"errors"
	"fmt"
	"math"
	"math/rand/v2"
	"strconv"
	"strings"

	"github.com/apache/arrow/go/v15/arrow"
	"github.com/apache/arrow/go/v15/arrow/array"
	"github.com/apache/arrow/go/v15/arrow/memory"
	"github.com/milvus-io/milvus-proto/go-api/v2/schemapb"

	"migrate/internal/model"
)

// sparseVectors is the family of SPARSE_FLOAT_VECTOR. The protocol has a row as pairs of an index and a weight, four bytes each, in
// the order of the indices. Its column has it as JSON, {"index":weight,…}, in the same order and with the shortest text of each weight, so
// that texts are the same where the pairs are, bit for bit.
type sparseVectors struct{}

const (
	pairBytes = 8
	pairText  = 24 // about as many bytes of JSON
	manyPairs = 100
)

func (sparseVectors) arrow(field) (arrow.DataType, error) { return arrow.BinaryTypes.String, nil }

func (sparseVectors) rowBytes(field) int { return manyPairs * pairBytes }

func (sparseVectors) decode(_ field, d *schemapb.FieldData) (arrow.Array, error) {
	return sparseTexts(d.GetVectors().GetSparseFloatVector().GetContents())
}

// sparseTexts makes a string array of rows of pairs.
func sparseTexts(rows [][]byte) (arrow.Array, error) {
	total := 0
	for _, row := range rows {
		total += 2 + len(row)/pairBytes*pairText
	}
	offsets, text := make([]int32, len(rows)+1), make([]byte, 0, total)
	for i, row := range rows {
		if err := checkPairs(row); err != nil {
			return nil, fmt.Errorf("row %d: %w", i, err)
		}
		text = appendPairsText(text, row)
		if len(text) > math.MaxInt32 {
			return nil, fmt.Errorf("%d bytes of text in one batch: more than an Arrow string array holds", len(text))
		}
		offsets[i+1] = int32(len(text))
	}
	buffers := []*memory.Buffer{nil, memory.NewBufferBytes(arrow.Int32Traits.CastToBytes(offsets)), memory.NewBufferBytes(text)}
	return array.MakeFromData(array.NewData(arrow.BinaryTypes.String, len(rows), buffers, nil, 0, 0)), nil
}

// checkPairs refuses what is no sparse vector.
func checkPairs(row []byte) error {
	if len(row)%pairBytes != 0 {
		return fmt.Errorf("a sparse vector of %d bytes, which are not pairs of %d", len(row), pairBytes)
	}
	last := int64(-1)
	for ; len(row) > 0; row = row[pairBytes:] {
		index, weight := pair(row)
		if int64(index) <= last {
			return fmt.Errorf("a sparse vector with index %d after %d", index, last)
		}
		if w := float64(weight); math.IsNaN(w) || math.IsInf(w, 0) {
			return fmt.Errorf("a sparse vector with the weight %v of index %d", weight, index)
		}
		last = int64(index)
	}
	return nil
}

// pair is the first one of a row.
func pair(row []byte) (index uint32, weight float32) {
	return binary.LittleEndian.Uint32(row), math.Float32frombits(binary.LittleEndian.Uint32(row[4:]))
}

func appendPairsText(text, row []byte) []byte {
	text = append(text, '{')
	for first := true; len(row) > 0; row, first = row[pairBytes:], false {
		index, weight := pair(row)
		if !first {
			text = append(text, ',')
		}
		text = append(strconv.AppendUint(append(text, '"'), uint64(index), 10), '"', ':')
		text = strconv.AppendFloat(text, float64(weight), 'g', -1, bitsOf(weight))
	}
	return append(text, '}')
}

// bitsOf is by how many bits the shortest text of a weight is told from that of others. Milvus' bulk insert, and most others, read it as a
// float64: of all float32s there is one whose text is then taken for its neighbour, and that of the greatest is above it.
func bitsOf(weight float32) int {
	const sign, mistaken, greatest = 1 << 31, 0x15AE43FD, 0x7F7FFFFF
	switch math.Float32bits(weight) &^ sign {
	case mistaken, greatest:
		return 64
	}
	return 32
}

func (sparseVectors) encode(_ field, col arrow.Array, rows []int, d *schemapb.FieldData) error {
	texts, total := col.(*array.String), 0
	for _, r := range rows {
		total += strings.Count(texts.Value(r), ":") * pairBytes
	}
	contents, all := make([][]byte, len(rows)), make([]byte, 0, total)
	vectors := &schemapb.SparseFloatArray{Contents: contents}
	for i, r := range rows {
		from := len(all)
		var err error
		if all, err = appendPairs(all, texts.Value(r)); err == nil {
			err = checkPairs(all[from:])
		}
		if err != nil {
			return fmt.Errorf("row %d: %w", r, err)
		}
		contents[i] = all[from:len(all):len(all)]
		if n := len(contents[i]); n > 0 {
			last, _ := pair(contents[i][n-pairBytes:])
			vectors.Dim = max(vectors.Dim, int64(last)+1)
		}
	}
	d.Field = &schemapb.FieldData_Vectors{Vectors: &schemapb.VectorField{
		Dim: vectors.Dim, Data: &schemapb.VectorField_SparseFloatVector{SparseFloatVector: vectors},
	}}
	return nil
}

var errSparseText = errors.New(`a sparse vector that is not as {"index":weight,…}`)

// appendPairs reads a text as appendPairsText writes it.
func appendPairs(pairs []byte, text string) ([]byte, error) {
	if len(text) < 2 || text[0] != '{' || text[len(text)-1] != '}' {
		return nil, errSparseText
	}
	if text == "{}" {
		return pairs, nil
	}
	for one := range strings.SplitSeq(text[1:len(text)-1], ",") {
		index, weight, ok := strings.Cut(one, `":`)
		if index == "" || index[0] != '"' || !ok {
			return nil, errSparseText
		}
		i, err := strconv.ParseUint(index[1:], 10, 32)
		if err != nil {
			return nil, fmt.Errorf("%w: %w", errSparseText, err)
		}
		w, err := strconv.ParseFloat(weight, 32)
		if err != nil {
			return nil, fmt.Errorf("%w: %w", errSparseText, err)
		}
		pairs = binary.LittleEndian.AppendUint32(pairs, uint32(i))
		pairs = binary.LittleEndian.AppendUint32(pairs, math.Float32bits(float32(w)))
	}
	return pairs, nil
}

func (sparseVectors) measure(col arrow.Array, keys []model.Key) Stats {
	texts := col.(*array.String)
	return Stats{Empty: count(keys, func(i int) bool { return texts.IsValid(i) && texts.ValueLen(i) == len("{}") })}
}

func (sparseVectors) sample(_ field, r *rand.Rand, n int) arrow.Array {
	rows := make([][]byte, n)
	for i := range rows {
		index := uint32(0)
		for range 1 + r.IntN(20) {
			index += 1 + r.Uint32N(1<<20)
			rows[i] = binary.LittleEndian.AppendUint32(rows[i], index)
			rows[i] = binary.LittleEndian.AppendUint32(rows[i], math.Float32bits(r.Float32()+0.5))
		}
	}
	col, _ := sparseTexts(rows) // in order
	return col
}
