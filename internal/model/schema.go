package model

import (
	"github.com/milvus-io/milvus-proto/go-api/v2/schemapb"
	"google.golang.org/protobuf/proto"
)

// TypeParam returns a type parameter of a field, such as "dim" or "max_length", or "".
func TypeParam(f *schemapb.FieldSchema, key string) string {
	for _, p := range f.GetTypeParams() {
		if p.GetKey() == key {
			return p.GetValue()
		}
	}
	return ""
}

// CloneSchema is a deep copy.
func CloneSchema(s *schemapb.CollectionSchema) *schemapb.CollectionSchema {
	return proto.Clone(s).(*schemapb.CollectionSchema)
}

// WithGivenKeys is a copy of a schema whose keys the client gives, also where the server gave them before.
func WithGivenKeys(s *schemapb.CollectionSchema) *schemapb.CollectionSchema {
	given := CloneSchema(s)
	//lint:ignore SA1019 servers of 2.3 go by it
	given.AutoID = false
	if key := PrimaryKey(given); key != nil {
		key.AutoID = false
	}
	return given
}

// Documents names the columns of JSON, the one of the dynamic field included.
func Documents(s *schemapb.CollectionSchema) []string {
	var names []string
	for _, f := range s.GetFields() {
		if f.GetDataType() == schemapb.DataType_JSON && !f.GetIsDynamic() {
			names = append(names, f.GetName())
		}
	}
	if s.GetEnableDynamicField() {
		names = append(names, "$meta")
	}
	return names
}
