package columns

import (
	"encoding/json"
	"errors"
	"fmt"
	"math"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/apache/arrow/go/v15/arrow"
	"github.com/apache/arrow/go/v15/arrow/array"
	"github.com/milvus-io/milvus-proto/go-api/v2/schemapb"
)

// takesScalars is how a scalar field, or an element, is made of a column of a type.
func takesScalars(kind schemapb.DataType, name string, typ arrow.DataType) taking {
	switch kind {
	case schemapb.DataType_Bool:
		if typ.ID() == arrow.BOOL {
			return as
		}
	case schemapb.DataType_Int8:
		return takesWhole[int8](typ, arrow.PrimitiveTypes.Int8)
	case schemapb.DataType_Int16:
		return takesWhole[int16](typ, arrow.PrimitiveTypes.Int16)
	case schemapb.DataType_Int32:
		return takesWhole[int32](typ, arrow.PrimitiveTypes.Int32)
	case schemapb.DataType_Int64:
		return takesWhole[int64](typ, arrow.PrimitiveTypes.Int64)
	case schemapb.DataType_Float:
		return takesFloats[float32](typ, arrow.PrimitiveTypes.Float32)
	case schemapb.DataType_Double:
		return takesFloats[float64](typ, arrow.PrimitiveTypes.Float64)
	case schemapb.DataType_VarChar:
		return takesTexts(typ, sameText)
	case schemapb.DataType_JSON:
		return takesTexts(typ, document(name))
	case schemapb.DataType_Geometry:
		return takesTexts(typ, canonicalWKT)
	case schemapb.DataType_Timestamptz:
		if instants, ok := typ.(*arrow.TimestampType); ok && instants.TimeZone != "" {
			return takesInstants
		}
		return takesTexts(typ, canonicalTime)
	}
	return nil
}

// as takes a column as it is.
func as(col arrow.Array) (arrow.Array, error) { return col, nil }

// number is one of the types that numbers are read from.
type number interface {
	int8 | int16 | int32 | int64 | uint8 | uint16 | uint32 | uint64 | float32 | float64
}

// wholeNumbers are the values of a column of whole numbers; nil where it is none. What does not fit is told by its row.
func wholeNumbers(col arrow.Array) ([]int64, error) {
	switch c := col.(type) {
	case *array.Int8:
		return converted[int8, int64](col, c.Int8Values())
	case *array.Int16:
		return converted[int16, int64](col, c.Int16Values())
	case *array.Int32:
		return converted[int32, int64](col, c.Int32Values())
	case *array.Int64:
		return c.Int64Values(), nil
	case *array.Uint8:
		return converted[uint8, int64](col, c.Uint8Values())
	case *array.Uint16:
		return converted[uint16, int64](col, c.Uint16Values())
	case *array.Uint32:
		return converted[uint32, int64](col, c.Uint32Values())
	case *array.Uint64:
		return converted[uint64, int64](col, c.Uint64Values())
	}
	return nil, nil
}

// converted converts numbers that are the same in the other type; of the others the first is told by its row.
func converted[F, T number](col arrow.Array, values []F) ([]T, error) {
	out := make([]T, len(values))
	for i, v := range values {
		out[i] = T(v)
		if (F(out[i]) != v || (out[i] < 0) != (v < 0)) && col.IsValid(i) {
			return nil, inRow{i, fmt.Errorf("%v does not fit", v)}
		}
	}
	return out, nil
}

func isWhole(typ arrow.DataType) bool {
	return typ.ID() >= arrow.UINT8 && typ.ID() <= arrow.INT64
}

// takesWhole makes whole numbers of others that fit.
func takesWhole[T int8 | int16 | int32 | int64](from, to arrow.DataType) taking {
	switch {
	case from.ID() == to.ID():
		return as
	case !isWhole(from):
		return nil
	}
	return func(col arrow.Array) (arrow.Array, error) {
		wide, err := wholeNumbers(col)
		if err != nil {
			return nil, err
		}
		narrow, err := converted[int64, T](col, wide)
		return remade(col, to, narrow, err)
	}
}

// takesFloats makes floats of others, rounded as Milvus rounds them, and of whole numbers that they hold.
func takesFloats[T float32 | float64](from, to arrow.DataType) taking {
	switch {
	case from.ID() == to.ID():
		return as
	case isWhole(from):
		return func(col arrow.Array) (arrow.Array, error) {
			wide, err := wholeNumbers(col)
			if err != nil {
				return nil, err
			}
			floats, err := converted[int64, T](col, wide)
			return remade(col, to, floats, err)
		}
	case from.ID() == arrow.FLOAT32 || from.ID() == arrow.FLOAT64:
		return func(col arrow.Array) (arrow.Array, error) {
			floats, err := rounded[T](col)
			return remade(col, to, floats, err)
		}
	}
	return nil
}

// rounded are the values of a column of floats in another type; one that is infinite only there is told by its row.
func rounded[T float32 | float64](col arrow.Array) ([]T, error) {
	out := make([]T, col.Len())
	for i := range out {
		var v float64
		switch c := col.(type) {
		case *array.Float32:
			v = float64(c.Value(i))
		case *array.Float64:
			v = c.Value(i)
		}
		out[i] = T(v)
		if math.IsInf(float64(out[i]), 0) && !math.IsInf(v, 0) && col.IsValid(i) {
			return nil, inRow{i, fmt.Errorf("%v does not fit", v)}
		}
	}
	return out, nil
}

// takesTexts makes texts, each by a rule, of texts or bytes.
func takesTexts(typ arrow.DataType, rule func(string) (string, error)) taking {
	if typ.ID() != arrow.STRING && typ.ID() != arrow.BINARY {
		return nil
	}
	return func(col arrow.Array) (arrow.Array, error) {
		if bytes, ok := col.(*array.Binary); ok {
			d := bytes.Data()
			col = array.MakeFromData(array.NewData(arrow.BinaryTypes.String, d.Len(), d.Buffers(), nil, d.NullN(), d.Offset()))
		}
		return eachText(col.(*array.String), rule)
	}
}

// eachText makes each text anew by a rule, and is the same column where all stay as they are.
func eachText(col *array.String, rule func(string) (string, error)) (arrow.Array, error) {
	texts, same := make([]string, col.Len()), true
	for i := range texts {
		if col.IsNull(i) {
			continue
		}
		is := col.Value(i)
		text, err := rule(is)
		if err != nil {
			return nil, inRow{i, err}
		}
		texts[i], same = text, same && text == is
	}
	if same {
		return col, nil
	}
	packed, err := packTexts(texts)
	if err != nil {
		return nil, err
	}
	return withNullsOf(packed, col), nil
}

func sameText(text string) (string, error) {
	if !utf8.ValidString(text) {
		return "", fmt.Errorf("%.40q is not UTF-8", text)
	}
	return text, nil
}

// document is the rule of a JSON field; the dynamic one has objects.
func document(name string) func(string) (string, error) {
	return func(text string) (string, error) {
		switch {
		case !json.Valid([]byte(text)):
			return "", fmt.Errorf("%.40q is not JSON", text)
		case name == Meta && !strings.HasPrefix(strings.TrimLeft(text, " \t\r\n"), "{"):
			return "", fmt.Errorf("%.40q is not a JSON object", text)
		}
		return text, nil
	}
}

// takesInstants makes texts of instants.
func takesInstants(col arrow.Array) (arrow.Array, error) {
	instants, unit := col.(*array.Timestamp), col.DataType().(*arrow.TimestampType).Unit
	texts := make([]string, col.Len())
	for i := range texts {
		if col.IsNull(i) {
			continue
		}
		t := instants.Value(i).ToTime(unit)
		if t.Nanosecond()%1000 != 0 {
			return nil, inRow{i, fmt.Errorf("%s is finer than a microsecond", t)}
		}
		texts[i] = t.UTC().Format(time.RFC3339Nano)
	}
	packed, err := packTexts(texts)
	if err != nil {
		return nil, err
	}
	return withNullsOf(packed, col), nil
}

// remade is a column with other values where it is not NULL, unless there are none for an error.
func remade[T number](of arrow.Array, typ arrow.DataType, values []T, err error) (arrow.Array, error) {
	if err != nil {
		return nil, err
	}
	return withNullsOf(fixed(typ, of.Len(), arrow.GetBytes(values)), of), nil
}

// withNullsOf is a column that is NULL where another one is.
func withNullsOf(col, of arrow.Array) arrow.Array {
	if of.NullN() == 0 {
		return col
	}
	return masked(col.Data(), col.Data().Buffers(), validIn(of))
}

func validIn(col arrow.Array) []bool {
	valid := make([]bool, col.Len())
	for i := range valid {
		valid[i] = col.IsValid(i)
	}
	return valid
}

var errNullElement = errors.New("an element is NULL")
