package model

import (
	"maps"
	"slices"

	"github.com/milvus-io/milvus-proto/go-api/v2/schemapb"
)

// Line is a line of Milvus' versions, such as {2, 4}. The zero Line is that of the oldest servers and of those that don't tell.
type Line [2]int

// carried has the types that migrate carries, and the first line of servers that has each. The family of a type is in package columns.
var carried = map[schemapb.DataType]Line{
	schemapb.DataType_Bool: {}, schemapb.DataType_Int8: {}, schemapb.DataType_Int16: {}, schemapb.DataType_Int32: {},
	schemapb.DataType_Int64: {}, schemapb.DataType_Float: {}, schemapb.DataType_Double: {}, schemapb.DataType_VarChar: {},
	schemapb.DataType_JSON: {}, schemapb.DataType_Array: {}, schemapb.DataType_FloatVector: {}, schemapb.DataType_BinaryVector: {},
}

// TypesOf are the types that migrate carries from and to servers of a line.
func TypesOf(line Line) []schemapb.DataType {
	types := slices.Sorted(maps.Keys(carried))
	return slices.DeleteFunc(types, func(t schemapb.DataType) bool {
		since := carried[t]
		return slices.Compare(line[:], since[:]) < 0
	})
}
