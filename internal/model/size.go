package model

import (
	"strconv"

	"github.com/milvus-io/milvus-proto/go-api/v2/schemapb"
)

// What a value of no known length is taken for, in bytes.
const (
	estimatedText = 256  // at most: a text may be declared to be much longer than any is
	estimatedJSON = 1024 // and an array of them
	rowOverhead   = 24   // its key's place in the indexes, and its timestamps
)

// EstimatedRow is about how many bytes a loaded row takes: vectors twice, for themselves and for their index.
func EstimatedRow(schema *schemapb.CollectionSchema) int64 {
	bytes := int64(rowOverhead)
	for _, f := range schema.GetFields() {
		bytes += estimatedValue(f)
	}
	if schema.GetEnableDynamicField() {
		bytes += estimatedJSON
	}
	return bytes
}

func estimatedValue(f *schemapb.FieldSchema) int64 {
	param := func(key string) int64 {
		n, err := strconv.ParseInt(TypeParam(f, key), 10, 64)
		if err != nil {
			return 0
		}
		return n
	}
	switch f.GetDataType() {
	case schemapb.DataType_FloatVector:
		return 2 * 4 * param("dim")
	case schemapb.DataType_Float16Vector, schemapb.DataType_BFloat16Vector:
		return 2 * 2 * param("dim")
	case schemapb.DataType_Int8Vector:
		return 2 * param("dim")
	case schemapb.DataType_BinaryVector:
		return 2 * param("dim") / 8
	case schemapb.DataType_VarChar:
		return min(param("max_length"), estimatedText)
	case schemapb.DataType_Bool, schemapb.DataType_Int8, schemapb.DataType_Int16, schemapb.DataType_Int32, schemapb.DataType_Int64,
		schemapb.DataType_Float, schemapb.DataType_Double, schemapb.DataType_Timestamptz:
		return 8
	}
	return estimatedJSON
}
