package columns

import (
	"cmp"
	"encoding/binary"
	"encoding/json"
	"errors"
	"fmt"
	"math"
	"slices"
	"strconv"

	"github.com/apache/arrow/go/v15/arrow"
	"github.com/apache/arrow/go/v15/arrow/array"
	"github.com/milvus-io/milvus-proto/go-api/v2/schemapb"
)

// mostElements is how many elements an ARRAY has at most, on any server.
const mostElements = 4096

// takesLists makes ARRAYs of lists.
func (f field) takesLists(typ arrow.DataType) taking {
	return takesElements(typ, f.element, func(n int) error {
		if n > mostElements {
			return fmt.Errorf("%d elements, where there are %d at most", n, mostElements)
		}
		return nil
	})
}

// takesVectors makes vectors of lists of numbers, none of which is NaN or infinite: no Milvus takes such a vector.
func (f field) takesVectors(typ arrow.DataType, element schemapb.DataType) taking {
	take := takesElements(typ, element, wide(f.dim))
	if take == nil || element != schemapb.DataType_Float {
		return take
	}
	return func(col arrow.Array) (arrow.Array, error) {
		col, err := take(col)
		if err == nil {
			err = checkFinite(col.(*array.List))
		}
		return col, err
	}
}

func checkFinite(col *array.List) error {
	for i, v := range col.ListValues().(*array.Float32).Float32Values() {
		if v-v != 0 {
			return ofList(col, inRow{i, fmt.Errorf("a value is %v", v)})
		}
	}
	return nil
}

// wide is the rule of lists that all have as many elements.
func wide(width int) func(int) error {
	return func(n int) error {
		if n != width {
			return fmt.Errorf("%d values, where all have %d", n, width)
		}
		return nil
	}
}

// takesElements makes lists of a kind of elements of others, where their number is as a rule wants it.
func takesElements(typ arrow.DataType, element schemapb.DataType, rule func(elements int) error) taking {
	of, ok := typ.(*arrow.ListType)
	if !ok {
		return nil
	}
	take := takesScalars(element, "", of.Elem())
	if take == nil {
		return nil
	}
	return func(col arrow.Array) (arrow.Array, error) {
		return eachElement(col.(*array.List), take, rule)
	}
}

// eachElement makes the elements of lists anew.
func eachElement(col *array.List, take taking, rule func(int) error) (arrow.Array, error) {
	if err := checkLists(col, rule); err != nil {
		return nil, err
	}
	elements, err := take(col.ListValues())
	if err != nil {
		return nil, ofList(col, err)
	}
	if elements == col.ListValues() {
		return col, nil
	}
	d := col.Data()
	return array.NewListData(array.NewData(arrow.ListOf(elements.DataType()), d.Len(), d.Buffers(), []arrow.ArrayData{elements.Data()}, d.NullN(), d.Offset())), nil
}

// checkLists wants no element to be NULL, and as many as a rule does.
func checkLists(col *array.List, rule func(int) error) error {
	values := col.ListValues()
	for i := range col.Len() {
		if col.IsNull(i) {
			continue
		}
		from, to := col.ValueOffsets(i)
		if err := rule(int(to - from)); err != nil {
			return inRow{i, err}
		}
		for j := from; values.NullN() > 0 && j < to; j++ {
			if values.IsNull(int(j)) {
				return inRow{i, errNullElement}
			}
		}
	}
	return nil
}

// ofList says of an error of an element in which row it is.
func ofList(col *array.List, err error) error {
	var in inRow
	if !errors.As(err, &in) {
		return err
	}
	for i := range col.Len() {
		if from, to := col.ValueOffsets(i); int64(in.row) >= from && int64(in.row) < to {
			return inRow{i, in.error}
		}
	}
	return err
}

// takesBytes makes vectors of bytes, of so many each, of lists of whole numbers, and of bytes themselves.
func (f field) takesBytes(typ arrow.DataType, width int) taking {
	switch t := typ.(type) {
	case *arrow.ListType:
		if t.Elem().ID() == arrow.UINT8 {
			return func(col arrow.Array) (arrow.Array, error) { return eachElement(col.(*array.List), as, wide(width)) }
		}
		if isWhole(t.Elem()) {
			return func(col arrow.Array) (arrow.Array, error) {
				return eachElement(col.(*array.List), bytesOf, wide(width))
			}
		}
	case *arrow.BinaryType:
		return func(col arrow.Array) (arrow.Array, error) {
			return bytesAsLists(col, col.(*array.Binary).Value, width)
		}
	case *arrow.FixedSizeBinaryType:
		return func(col arrow.Array) (arrow.Array, error) {
			return bytesAsLists(col, col.(*array.FixedSizeBinary).Value, width)
		}
	}
	return nil
}

// bytesOf makes bytes of whole numbers from 0 to 255, and of those from -128 on where they are of one byte with a sign.
func bytesOf(col arrow.Array) (arrow.Array, error) {
	if signed, ok := col.(*array.Int8); ok {
		return remade(col, arrow.PrimitiveTypes.Uint8, arrow.Int8Traits.CastToBytes(signed.Int8Values()), nil)
	}
	numbers, err := wholeNumbers(col)
	if err != nil {
		return nil, err
	}
	bytes, err := converted[int64, uint8](col, numbers)
	return remade(col, arrow.PrimitiveTypes.Uint8, bytes, err)
}

func bytesAsLists(col arrow.Array, value func(int) []byte, width int) (arrow.Array, error) {
	bytes, offsets := make([]byte, 0, col.Len()*width), make([]int32, col.Len()+1)
	for i := range col.Len() {
		if col.IsValid(i) {
			if err := wide(width)(len(value(i))); err != nil {
				return nil, inRow{i, err}
			}
			bytes = append(bytes, value(i)...)
		}
		offsets[i+1] = int32(len(bytes))
	}
	return withNullsOf(lists(fixed(arrow.PrimitiveTypes.Uint8, len(bytes), bytes), offsets), col), nil
}

// takesHalves makes vectors of half precision of lists of floats, rounded to the nearest where they are not infinite only there; nil where
// they are none.
func (f field) takesHalves(typ arrow.DataType) taking {
	half, infinite := halfOf, uint16(infiniteHalf)
	if f.kind == schemapb.DataType_BFloat16Vector {
		half, infinite = brainHalfOf, infiniteBrainHalf
	}
	if of, ok := typ.(*arrow.ListType); !ok || of.Elem().ID() != arrow.FLOAT32 && of.Elem().ID() != arrow.FLOAT64 {
		return nil
	}
	return func(col arrow.Array) (arrow.Array, error) {
		floats := col.(*array.List)
		if err := checkLists(floats, wide(f.dim)); err != nil {
			return nil, err
		}
		values, err := rounded[float32](floats.ListValues())
		if err != nil {
			return nil, ofList(floats, err)
		}
		bytes, offsets := make([]byte, 0, 2*len(values)), make([]int32, col.Len()+1)
		for i := range col.Len() {
			from, to := floats.ValueOffsets(i)
			for _, v := range values[from:to] {
				h := half(v)
				if h&^signOfHalf == infinite && !math.IsInf(float64(v), 0) {
					return nil, inRow{i, fmt.Errorf("%v does not fit", v)}
				}
				bytes = binary.LittleEndian.AppendUint16(bytes, h)
			}
			offsets[i+1] = int32(len(bytes))
		}
		return withNullsOf(lists(fixed(arrow.PrimitiveTypes.Uint8, len(bytes), bytes), offsets), col), nil
	}
}

// The bits of halves.
const (
	signOfHalf        = 0x8000
	infiniteHalf      = 0x7C00
	infiniteBrainHalf = 0x7F80
)

// brainHalfOf is a float's upper half, rounded to the nearest, and of two to the even one.
func brainHalfOf(v float32) uint16 {
	bits := math.Float32bits(v)
	if v != v {
		return uint16(bits>>16) | 0x40
	}
	return uint16((bits + 0x7FFF + bits>>16&1) >> 16)
}

// halfOf is a float in half precision (IEEE 754), rounded to the nearest, and of two to the even one.
func halfOf(v float32) uint16 {
	bits := math.Float32bits(v)
	sign, rest := uint16(bits>>16)&signOfHalf, bits&0x7FFFFFFF
	const infinite, tooLarge, smallestNormal = 0x7F800000, 0x477FF000, 0x38800000
	switch {
	case rest > infinite:
		return sign | 0x7E00
	case rest >= tooLarge:
		return sign | infiniteHalf
	case rest < smallestNormal: // a multiple of 2^-24
		return sign | uint16(math.RoundToEven(math.Abs(float64(v))*(1<<24)))
	}
	rest -= (127 - 15) << 23
	return sign | uint16((rest+0xFFF+rest>>13&1)>>13)
}

// takesSparse makes sparse vectors of JSON, as {"index":weight,…} or {"indices":[…],"values":[…]}, and of structs of the latter's members.
func takesSparse(typ arrow.DataType) taking {
	switch t := typ.(type) {
	case *arrow.StringType, *arrow.BinaryType:
		return takesTexts(typ, sparseText)
	case *arrow.StructType:
		indices, values := listAt(t, "indices"), listAt(t, "values")
		if t.NumFields() != 2 || indices == nil || values == nil || !isWhole(indices) || takesScalars(schemapb.DataType_Float, "", values) == nil {
			return nil
		}
		return sparseStructs
	}
	return nil
}

// listAt is the type of the elements of a list in a struct; nil where there is none.
func listAt(t *arrow.StructType, name string) arrow.DataType {
	f, _ := t.FieldByName(name)
	if of, ok := f.Type.(*arrow.ListType); ok {
		return of.Elem()
	}
	return nil
}

// sparseText brings a text into the one that is told from others' by its pairs.
func sparseText(text string) (string, error) {
	var members map[string]json.RawMessage
	if err := json.Unmarshal([]byte(text), &members); err != nil || members == nil {
		return "", fmt.Errorf("%.40q: %w", text, errSparseText)
	}
	var indices []uint32
	var values []float64
	if members["indices"] != nil && members["values"] != nil && len(members) == 2 {
		if err := errors.Join(json.Unmarshal(members["indices"], &indices), json.Unmarshal(members["values"], &values)); err != nil {
			return "", fmt.Errorf("%.40q: %w", text, errSparseText)
		}
	} else {
		for name, weight := range members {
			index, err := strconv.ParseUint(name, 10, 32)
			var value float64
			if err := errors.Join(err, json.Unmarshal(weight, &value)); err != nil {
				return "", fmt.Errorf("%.40q: %w", text, errSparseText)
			}
			indices, values = append(indices, uint32(index)), append(values, value)
		}
	}
	pairs, err := pairsOf(indices, values)
	return string(appendPairsText(nil, pairs)), err
}

// pairsOf are the pairs of a sparse vector, in the order of the indices.
func pairsOf(indices []uint32, values []float64) ([]byte, error) {
	if len(indices) != len(values) {
		return nil, fmt.Errorf("%d indices and %d values", len(indices), len(values))
	}
	order := make([]int, len(indices))
	for i := range order {
		order[i] = i
	}
	slices.SortFunc(order, func(a, b int) int { return cmp.Compare(indices[a], indices[b]) })
	pairs := make([]byte, 0, len(order)*pairBytes)
	for _, i := range order {
		pairs = binary.LittleEndian.AppendUint32(pairs, indices[i])
		pairs = binary.LittleEndian.AppendUint32(pairs, math.Float32bits(float32(values[i])))
	}
	return pairs, checkPairs(pairs)
}

func sparseStructs(col arrow.Array) (arrow.Array, error) {
	s := col.(*array.Struct)
	t := s.DataType().(*arrow.StructType)
	at := func(name string) *array.List {
		i, _ := t.FieldIdx(name)
		return s.Field(i).(*array.List)
	}
	indices, values := at("indices"), at("values")
	numbers, err := wholeNumbers(indices.ListValues())
	if err != nil {
		return nil, ofList(indices, err)
	}
	weights, err := takesFloats[float64](values.ListValues().DataType(), arrow.PrimitiveTypes.Float64)(values.ListValues())
	if err != nil {
		return nil, ofList(values, err)
	}
	rows := make([][]byte, col.Len())
	for i := range rows {
		if col.IsNull(i) {
			continue
		}
		if rows[i], err = pairsAt(i, indices, values, numbers, weights.(*array.Float64)); err != nil {
			return nil, inRow{i, err}
		}
	}
	texts, err := sparseTexts(rows)
	if err != nil {
		return nil, err
	}
	return withNullsOf(texts, col), nil
}

// pairsAt are the pairs of one row.
func pairsAt(row int, indices, values *array.List, numbers []int64, weights *array.Float64) ([]byte, error) {
	var index []uint32
	for from, to := indices.ValueOffsets(row); from < to; from++ {
		if n := numbers[from]; n < 0 || n > math.MaxUint32 || indices.ListValues().IsNull(int(from)) {
			return nil, fmt.Errorf("%d is no index of a sparse vector", n)
		}
		index = append(index, uint32(numbers[from]))
	}
	var value []float64
	for from, to := values.ValueOffsets(row); from < to; from++ {
		if weights.IsNull(int(from)) {
			return nil, errNullElement
		}
		value = append(value, weights.Value(int(from)))
	}
	return pairsOf(index, value)
}
