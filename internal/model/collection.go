// Package model is the words that all of migrate shares: a collection and its description, keys and their ranges, checksums of rows,
// what a read found, what a server can do. It knows of Milvus' protocol no more than its schemas, and calls nobody.
package model

import (
	"slices"

	"github.com/milvus-io/milvus-proto/go-api/v2/commonpb"
	"github.com/milvus-io/milvus-proto/go-api/v2/schemapb"
)

// Collection is everything about a collection but its rows.
type Collection struct {
	ID               int64 // given by the server; a collection that is dropped and made anew has another
	Name             string
	Database         string
	Schema           *schemapb.CollectionSchema // as the server gives it
	Shards           int32
	ConsistencyLevel commonpb.ConsistencyLevel
	Properties       []*commonpb.KeyValuePair
	Partitions       []string // names, sorted; those a partition key made included
	Indexes          []Index
	Aliases          []string
	Loaded           bool  // as a whole
	Load             *Load // nil where only that was asked for
}

// DefaultPartition is the partition that every collection has.
const DefaultPartition = "_default"

// PrimaryKey returns the schema's primary key field.
func PrimaryKey(schema *schemapb.CollectionSchema) *schemapb.FieldSchema {
	for _, f := range schema.GetFields() {
		if f.GetIsPrimaryKey() {
			return f
		}
	}
	return nil
}

// AutoID reports whether the server gives the keys.
func AutoID(schema *schemapb.CollectionSchema) bool {
	return PrimaryKey(schema).GetAutoID()
}

// PartitionKey reports whether the server spreads rows over its partitions by a field, so that a request may name none.
func PartitionKey(schema *schemapb.CollectionSchema) bool {
	return slices.ContainsFunc(schema.GetFields(), (*schemapb.FieldSchema).GetIsPartitionKey)
}

// Unindexed names the vector fields without an index: no server loads a collection that has one.
func (c *Collection) Unindexed() []string {
	var fields []string
	for _, f := range c.Schema.GetFields() {
		indexed := slices.ContainsFunc(c.Indexes, func(x Index) bool { return x.Field == f.GetName() })
		if isVector(f.GetDataType()) && !indexed {
			fields = append(fields, f.GetName())
		}
	}
	return fields
}

// isVector goes by the protocol's numbers: those of vectors, of later ones too, are from 100 on.
func isVector(t schemapb.DataType) bool {
	return t >= schemapb.DataType_BinaryVector && t < schemapb.DataType_ArrayOfStruct
}
