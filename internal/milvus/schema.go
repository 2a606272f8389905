package milvus

import (
	"fmt"
	"slices"
	"strings"

	"github.com/milvus-io/milvus-proto/go-api/v2/commonpb"
	"github.com/milvus-io/milvus-proto/go-api/v2/schemapb"
	"google.golang.org/protobuf/proto"
)

// SchemaDifferences says, in words, how two schemas differ in what decides whether rows of one fit the other: fields by
// name, type, length, dimension, key and partition key, default, and the dynamic field. Ids, descriptions and the order
// of fields do not count. None means that they are the same.
func SchemaDifferences(want, have *schemapb.CollectionSchema) []string {
	var diffs []string
	there := fieldsByName(have)
	for _, f := range want.GetFields() {
		if f.GetIsDynamic() {
			continue
		}
		other, ok := there[f.GetName()]
		if !ok {
			diffs = append(diffs, fmt.Sprintf("field %q is missing", f.GetName()))
			continue
		}
		delete(there, f.GetName())
		diffs = append(diffs, fieldDifferences(f, other)...)
	}
	for name := range there {
		diffs = append(diffs, fmt.Sprintf("field %q is extra", name))
	}
	if want.GetEnableDynamicField() != have.GetEnableDynamicField() {
		diffs = append(diffs, fmt.Sprintf("the dynamic field is %s instead of %s", onOff(have.GetEnableDynamicField()), onOff(want.GetEnableDynamicField())))
	}
	if AutoID(want) != AutoID(have) {
		diffs = append(diffs, fmt.Sprintf("auto id is %s instead of %s", onOff(AutoID(have)), onOff(AutoID(want))))
	}
	slices.Sort(diffs)
	return diffs
}

func fieldsByName(schema *schemapb.CollectionSchema) map[string]*schemapb.FieldSchema {
	fields := map[string]*schemapb.FieldSchema{}
	for _, f := range schema.GetFields() {
		if !f.GetIsDynamic() {
			fields[f.GetName()] = f
		}
	}
	return fields
}

func fieldDifferences(want, have *schemapb.FieldSchema) []string {
	var diffs []string
	differ := func(what string, w, h any) {
		if fmt.Sprint(w) != fmt.Sprint(h) {
			diffs = append(diffs, fmt.Sprintf("field %q has %s %v instead of %v", want.GetName(), what, h, w))
		}
	}
	differ("type", want.GetDataType(), have.GetDataType())
	differ("element type", want.GetElementType(), have.GetElementType())
	differ("primary key", want.GetIsPrimaryKey(), have.GetIsPrimaryKey())
	differ("partition key", want.GetIsPartitionKey(), have.GetIsPartitionKey())
	differ("parameters", params(want.GetTypeParams()), params(have.GetTypeParams()))
	if !proto.Equal(want.GetDefaultValue(), have.GetDefaultValue()) {
		diffs = append(diffs, fmt.Sprintf("field %q has another default", want.GetName()))
	}
	return diffs
}

func params(pairs []*commonpb.KeyValuePair) string {
	words := make([]string, len(pairs))
	for i, p := range pairs {
		words[i] = p.GetKey() + "=" + p.GetValue()
	}
	slices.Sort(words)
	return "{" + strings.Join(words, " ") + "}"
}

func onOff(b bool) string {
	if b {
		return "on"
	}
	return "off"
}

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
	given.AutoID = false
	if key := PrimaryKey(given); key != nil {
		key.AutoID = false
	}
	return given
}
