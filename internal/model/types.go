package model

import (
	"maps"
	"slices"

	"github.com/milvus-io/milvus-proto/go-api/v2/schemapb"
)

// Version is a version of Milvus, such as {2, 5, 10}. The zero Version is that of the oldest servers and of those that don't tell.
type Version [3]int

// carried has the types that migrate carries. The family of a type is in package columns.
var carried = map[schemapb.DataType]support{
	schemapb.DataType_Bool: {}, schemapb.DataType_Int8: {}, schemapb.DataType_Int16: {}, schemapb.DataType_Int32: {},
	schemapb.DataType_Int64: {}, schemapb.DataType_Float: {}, schemapb.DataType_Double: {}, schemapb.DataType_VarChar: {},
	schemapb.DataType_JSON: {}, schemapb.DataType_Array: {}, schemapb.DataType_FloatVector: {}, schemapb.DataType_BinaryVector: {},
	schemapb.DataType_Float16Vector:     {since: []Version{{2, 4, 0}}, imported: Version{2, 4, 1}},
	schemapb.DataType_BFloat16Vector:    {since: []Version{{2, 4, 0}}, imported: Version{2, 4, 1}},
	schemapb.DataType_SparseFloatVector: {since: []Version{{2, 4, 0}}, imported: Version{2, 4, 4}},
	schemapb.DataType_Geometry:          {since: []Version{{2, 5, 18}, {2, 6, 3}}},
	schemapb.DataType_Timestamptz:       {since: []Version{{2, 6, 1}}},
	schemapb.DataType_Int8Vector:        {since: []Version{{2, 6, 0}}},
}

// support says from when on servers have a type.
type support struct {
	since    []Version // the first version that has it, of each line of versions where it came to several; none: all have it
	imported Version   // the first whose bulk insert takes it as migrate writes it, where that is a later one
}

// TypesOf are the types that migrate carries from and to servers of a version.
func TypesOf(v Version) []schemapb.DataType {
	return typesThat(func(s support) bool { return v.has(s.since) })
}

// NotImportedBy are those of them that the version's bulk insert does not take.
func NotImportedBy(v Version) []schemapb.DataType {
	return typesThat(func(s support) bool { return v.has(s.since) && v.before(s.imported) })
}

func typesThat(are func(support) bool) []schemapb.DataType {
	types := slices.Sorted(maps.Keys(carried))
	return slices.DeleteFunc(types, func(t schemapb.DataType) bool { return !are(carried[t]) })
}

// has reports whether a version has what came with the first of these, or, within its own line, with a later one.
func (v Version) has(since []Version) bool {
	for _, s := range slices.Backward(since) {
		if slices.Compare(v[:2], s[:2]) >= 0 {
			return !v.before(s)
		}
	}
	return len(since) == 0
}

func (v Version) before(other Version) bool { return slices.Compare(v[:], other[:]) < 0 }
