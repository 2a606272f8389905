package model

import (
	"fmt"
	"slices"

	"github.com/milvus-io/milvus-proto/go-api/v2/schemapb"
	"google.golang.org/protobuf/encoding/protowire"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/reflect/protoreflect"
)

// notCarried names what of a schema would be lost without a word: what migrate does not carry, and what this version of the
// protocol does not know.
func notCarried(schema *schemapb.CollectionSchema) []string {
	var found []string
	if len(schema.GetStructArrayFields()) > 0 {
		found = append(found, "arrays of structs")
	}
	found = append(found, unknown(schema.ProtoReflect(), "the schema")...)
	slices.Sort(found)
	return found
}

// unknownParams names what of the parameters of indexes this version of the protocol does not know.
func unknownParams(indexes []Index) []string {
	var found []string
	for _, x := range indexes {
		for _, p := range x.Params {
			found = append(found, unknown(p.ProtoReflect(), fmt.Sprintf("index %s: %s", x.Name, p.GetKey()))...)
		}
	}
	return found
}

// CheckColumn refuses a column of which this version of the protocol does not know all.
func CheckColumn(column *schemapb.FieldData) error {
	// The rows of an ARRAY are not gone through: what is unknown in them is found by their sizes, where they are decoded.
	for _, part := range []proto.Message{column, column.GetScalars(), column.GetVectors(), column.GetStructArrays()} {
		if names := unknownOf(part.ProtoReflect(), "its data"); len(names) > 0 {
			return fmt.Errorf("%s: of a later protocol than this migrate knows", names[0])
		}
	}
	return nil
}

// unknown names the fields and the values of enums that this version of the protocol does not know, of a message and of all in it.
func unknown(m protoreflect.Message, where string) []string {
	found := unknownOf(m, where)
	m.Range(func(f protoreflect.FieldDescriptor, v protoreflect.Value) bool {
		switch {
		case f.Enum() != nil && !f.IsList():
			if f.Enum().Values().ByNumber(v.Enum()) == nil {
				found = append(found, fmt.Sprintf("%s (unknown %s %d)", where, f.Name(), v.Enum()))
			}
		case f.Message() == nil || f.IsMap():
		case f.IsList():
			for i := range v.List().Len() {
				found = append(found, unknown(v.List().Get(i).Message(), where+": "+nameIn(f, v.List().Get(i).Message()))...)
			}
		default:
			found = append(found, unknown(v.Message(), where+": "+string(f.Name()))...)
		}
		return true
	})
	return found
}

// nameIn is what a message of a list is called: by its own name if it has one.
func nameIn(list protoreflect.FieldDescriptor, m protoreflect.Message) string {
	if name := m.Descriptor().Fields().ByName("name"); name != nil && m.Get(name).String() != "" {
		return m.Get(name).String()
	}
	return string(list.Name())
}

// unknownOf names those of one message, as "where (unknown field 17)". What can't be read at all is unknown field 0.
func unknownOf(m protoreflect.Message, where string) []string {
	var found []string
	for b := m.GetUnknown(); len(b) > 0; {
		number, _, n := protowire.ConsumeField(b)
		if n < 0 {
			number, n = 0, len(b)
		}
		b = b[n:]
		if name := fmt.Sprintf("%s (unknown field %d)", where, number); !slices.Contains(found, name) {
			found = append(found, name)
		}
	}
	return found
}
