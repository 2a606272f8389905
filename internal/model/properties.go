package model

import (
	"slices"
	"strings"

	"github.com/milvus-io/milvus-proto/go-api/v2/commonpb"
	"github.com/milvus-io/milvus-proto/go-api/v2/schemapb"
)

// ttlProperty is the age in seconds at which the server removes rows.
const ttlProperty = "collection.ttl.seconds"

// timezoneProperty is that in which times without an offset are read, and times are shown.
const timezoneProperty = "timezone"

// byServers are the properties that servers of 3.0 add by themselves, whatever their values: the ids of fields, and what the database
// encrypts with.
var byServers = []string{"max_field_id", "preserve_field_ids"}

// givenKeysProperty lets a client give the keys that the server gives otherwise.
const givenKeysProperty = "allow_insert_auto_id"

// takesAutoIDs reports whether a collection's properties say that its auto ids may be given.
func takesAutoIDs(properties []*commonpb.KeyValuePair) bool {
	return ToMap(properties)[givenKeysProperty] == "true"
}

// KeepsKeys reports whether rows that are inserted into a collection on this server have the keys that they bring, by its schema and its
// properties.
func (c Capabilities) KeepsKeys(coll *Collection) bool {
	return !AutoID(coll.Schema) || c.TakesAutoIDs && takesAutoIDs(coll.Properties)
}

// KeepingAutoIDs is a collection as this server is to have it so that its auto ids are kept: with the property for it, where the server has
// that, and gives no id again that a row has brought. All others are as they were.
func (c Capabilities) KeepingAutoIDs(coll *Collection) *Collection {
	if !c.TakesAutoIDs || !c.LaterAutoIDs || !AutoID(coll.Schema) {
		return coll
	}
	kept := *coll
	kept.Properties = slices.DeleteFunc(slices.Clone(coll.Properties), func(p *commonpb.KeyValuePair) bool { return p.GetKey() == givenKeysProperty })
	kept.Properties = append(kept.Properties, &commonpb.KeyValuePair{Key: givenKeysProperty, Value: "true"})
	return &kept
}

// byServer reports whether a server may have added a property by itself, or may do so where there is none; or whether it has no meaning.
func (c *Collection) byServer(key, value string) bool {
	switch {
	case slices.Contains(byServers, key), isCipher(key):
		return true
	case key == givenKeysProperty: // without a meaning where all keys are given
		return !AutoID(c.Schema)
	case key == "namespace.sharding.enabled":
		return value == "" || value == "false"
	case key == timezoneProperty: // from 2.6.6 on that of the database, or UTC
		return value == "" || value == "UTC" || !c.tellsTime()
	}
	return false
}

// isCipher reports whether a property is one of the encryption of the database, whose key may be among them.
func isCipher(key string) bool { return strings.HasPrefix(key, "cipher.") }

// PropertiesToShow are the properties of a collection, to be shown or stored.
func (c *Collection) PropertiesToShow() []*commonpb.KeyValuePair {
	return slices.DeleteFunc(slices.Clone(c.Properties), func(p *commonpb.KeyValuePair) bool { return isCipher(p.GetKey()) })
}

// tellsTime reports whether a collection has times that its timezone is of.
func (c *Collection) tellsTime() bool {
	return slices.ContainsFunc(c.Schema.GetFields(), func(f *schemapb.FieldSchema) bool {
		return f.GetDataType() == schemapb.DataType_Timestamptz
	})
}

// GivenProperties are the properties that a collection is made with: those that a server adds by itself are its own affair, but for the
// timezone of a collection that has times.
func (c *Collection) GivenProperties() []*commonpb.KeyValuePair {
	return slices.DeleteFunc(slices.Clone(c.Properties), func(p *commonpb.KeyValuePair) bool {
		if p.GetKey() == timezoneProperty {
			return p.GetValue() == "UTC" && !c.tellsTime()
		}
		return c.byServer(p.GetKey(), p.GetValue())
	})
}
