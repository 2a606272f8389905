package milvus

import (
	"iter"
	"slices"

	"github.com/milvus-io/milvus-proto/go-api/v2/schemapb"
	"google.golang.org/protobuf/encoding/protowire"
	"google.golang.org/protobuf/protoadapt"
)

// Fields that the SDK's version of the protocol has not, and later servers send (milvus-proto's milvus.proto and
// schema.proto, as of 2.6).
const (
	sessionField  protowire.Number = 5  // session_ts of QueryResults
	nullableField protowire.Number = 15 // nullable of FieldSchema
	functionField protowire.Number = 7  // functions of CollectionSchema
	structField   protowire.Number = 9  // struct_array_fields of CollectionSchema
	validField    protowire.Number = 7  // valid_data of FieldData: a packed bool for each row, false for a NULL
)

// newerTypes names what a schema has that this version of the protocol can't tell of: it would be lost without a word.
func newerTypes(schema *schemapb.CollectionSchema) []string {
	var found []string
	for _, f := range schema.GetFields() {
		if varintField(unknown(f), nullableField) != 0 {
			found = append(found, f.GetName()+" (nullable)")
		}
	}
	for number, name := range map[protowire.Number]string{functionField: "functions", structField: "arrays of structs"} {
		if hasField(unknown(schema), number) {
			found = append(found, name)
		}
	}
	slices.Sort(found)
	return found
}

// HoldsNull reports whether a server calls some value of a column NULL, in whose place it sends 0 or an empty value.
func HoldsNull(column *schemapb.FieldData) bool {
	for tag, value := range fieldsOf(unknown(column)) {
		if tag == (fieldTag{validField, protowire.BytesType}) {
			valid, _ := protowire.ConsumeBytes(value)
			return slices.Contains(valid, 0)
		}
	}
	return false
}

// unknown is what of a message this version of the protocol does not know, as it was encoded.
func unknown(message protoadapt.MessageV1) []byte {
	return protoadapt.MessageV2Of(message).ProtoReflect().GetUnknown()
}

// hasField reports whether an encoded message has a field.
func hasField(message []byte, field protowire.Number) bool {
	for tag := range fieldsOf(message) {
		if tag.number == field {
			return true
		}
	}
	return false
}

// varintField looks for a field of an encoded message; 0 where it is not there, or the message is damaged.
func varintField(message []byte, field protowire.Number) uint64 {
	for tag, value := range fieldsOf(message) {
		if tag == (fieldTag{field, protowire.VarintType}) {
			v, _ := protowire.ConsumeVarint(value)
			return v
		}
	}
	return 0
}

type fieldTag struct {
	number protowire.Number
	kind   protowire.Type
}

// fieldsOf goes through the fields of an encoded message, with their values as encoded, up to where it is damaged.
func fieldsOf(message []byte) iter.Seq2[fieldTag, []byte] {
	return func(yield func(fieldTag, []byte) bool) {
		for len(message) > 0 {
			number, kind, n := protowire.ConsumeTag(message)
			if n < 0 {
				return
			}
			message = message[n:]
			if n = protowire.ConsumeFieldValue(number, kind, message); n < 0 || !yield(fieldTag{number, kind}, message[:n]) {
				return
			}
			message = message[n:]
		}
	}
}
