package model

import (
	"slices"
	"strings"

	"github.com/milvus-io/milvus-proto/go-api/v2/commonpb"
)

// Database is one, with its properties; without where its server tells none.
type Database struct {
	Name       string
	Properties []*commonpb.KeyValuePair
}

// GivenProperties are those that a database is made with: the encryption, and the timezone of who names none, are the server's affair.
func (d Database) GivenProperties() []*commonpb.KeyValuePair {
	return slices.DeleteFunc(slices.Clone(d.Properties), func(p *commonpb.KeyValuePair) bool {
		return isCipher(p.GetKey()) || p.GetKey() == timezoneProperty && p.GetValue() == "UTC"
	})
}

// resourceGroupsProperty names the resource groups that collections of a database are loaded in, if nothing else is said.
const resourceGroupsProperty = "database.resource_groups"

// Groups are the resource groups that a database names for its collections.
func (d Database) Groups() (names []string) {
	for _, name := range strings.Split(ToMap(d.Properties)[resourceGroupsProperty], ",") {
		if name = strings.TrimSpace(name); name != "" {
			names = append(names, name)
		}
	}
	return names
}

// WithoutGroups is the database without that property.
func (d Database) WithoutGroups() Database {
	d.Properties = slices.DeleteFunc(slices.Clone(d.Properties), func(p *commonpb.KeyValuePair) bool { return p.GetKey() == resourceGroupsProperty })
	return d
}

// DatabasesDiffer says in words how the properties of a database differ from what they should be.
func DatabasesDiffer(want, have Database) (texts []string) {
	w, h := ToMap(want.GivenProperties()), ToMap(have.GivenProperties())
	for _, key := range union(w, h) {
		if w[key] != h[key] {
			texts = append(texts, "property "+key+" is "+orNone(h[key])+" instead of "+orNone(w[key]))
		}
	}
	return texts
}
