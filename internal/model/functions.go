package model

import (
	"fmt"
	"net/url"
	"regexp"
	"slices"
	"strings"

	"github.com/milvus-io/milvus-proto/go-api/v2/commonpb"
	"github.com/milvus-io/milvus-proto/go-api/v2/schemapb"
)

// carriedFunctions are the functions that are made again on a target. What they compute is neither read nor written: the target computes
// it from the same rows.
var carriedFunctions = []schemapb.FunctionType{schemapb.FunctionType_BM25}

// IsComputed reports whether a function that is carried computes a field, which then is in no query, insert or file.
func IsComputed(schema *schemapb.CollectionSchema, f *schemapb.FieldSchema) bool {
	return slices.ContainsFunc(schema.GetFunctions(), func(fn *schemapb.FunctionSchema) bool {
		return slices.Contains(carriedFunctions, fn.GetType()) && slices.Contains(fn.GetOutputFieldNames(), f.GetName())
	})
}

// uncarried names the functions of a schema that migrate does not carry or this server has not, and the fields that are computed by
// none that it carries.
func (c Capabilities) uncarried(coll *Collection) []string {
	var found []string
	schema := coll.Schema
	for _, fn := range schema.GetFunctions() {
		_, known := schemapb.FunctionType_name[int32(fn.GetType())] // otherwise it is named as unknown
		if known && !slices.Contains(c.Functions, fn.GetType()) {
			found = append(found, fmt.Sprintf("%s (%s function)", fn.GetName(), fn.GetType()))
		}
		for _, p := range fn.GetParams() {
			if p.GetValue() == leftOut {
				found = append(found, fmt.Sprintf("%s (a function whose parameter %s was left out of the description)", fn.GetName(), p.GetKey()))
			}
		}
	}
	for _, f := range schema.GetFields() {
		if f.GetIsFunctionOutput() && !IsComputed(schema, f) {
			found = append(found, f.GetName()+" (computed by a function)")
		}
		if !c.Analyzers {
			found = append(found, analyzed(f)...)
		}
	}
	return append(found, undescribed(coll)...)
}

// undescribed are the fields that are searched as only the output of a function is, by a function that is not described: Milvus Lite 2.5
// keeps it for itself, and shows no value of the field.
func undescribed(coll *Collection) (found []string) {
	for _, f := range coll.Schema.GetFields() {
		byWords := func(x Index) bool { return x.Field == f.GetName() && strings.EqualFold(x.flat()[metricKey], "BM25") }
		if !IsComputed(coll.Schema, f) && !f.GetIsFunctionOutput() && slices.ContainsFunc(coll.Indexes, byWords) {
			found = append(found, f.GetName()+" (computed by a function that the server does not describe)")
		}
	}
	return found
}

// analyzers are the type parameters of a text that is cut into words.
var analyzers = []string{"enable_analyzer", "enable_match", "analyzer_params", "multi_analyzer_params"}

func analyzed(f *schemapb.FieldSchema) (found []string) {
	for _, key := range analyzers[:2] {
		if strings.EqualFold(TypeParam(f, key), "true") {
			found = append(found, fmt.Sprintf("%s (%s)", f.GetName(), key))
		}
	}
	return found
}

// nullInputs says which functions have an input that takes NULL.
func nullInputs(schema *schemapb.CollectionSchema) (found []string) {
	for _, fn := range schema.GetFunctions() {
		for _, name := range fn.GetInputFieldNames() {
			if fieldOf(schema, name).GetNullable() {
				found = append(found, fmt.Sprintf("function %q has an input %q that takes NULL", fn.GetName(), name))
			}
		}
	}
	return found
}

// leftOut stands in a description for a parameter that may be a secret.
const leftOut = "(left out)"

// secretKey is the name of a parameter of a function that may hold a credential: rather one too many.
var secretKey = regexp.MustCompile(`(?i)key|secret|token|credential|passw|auth|signature|sas`)

// isSecret reports whether a parameter of a function may hold a credential, by its name, or as an address with a login or a query; or
// did, before it was left out.
func isSecret(p *commonpb.KeyValuePair) bool {
	u, err := url.Parse(p.GetValue())
	return p.GetValue() == leftOut || secretKey.MatchString(p.GetKey()) || err == nil && u.Host != "" && (u.User != nil || u.RawQuery != "")
}

// WithoutSecrets is a schema to be shown or stored: parameters of functions that may hold credentials are left out.
func WithoutSecrets(schema *schemapb.CollectionSchema) *schemapb.CollectionSchema {
	hides := func(fn *schemapb.FunctionSchema) bool { return slices.ContainsFunc(fn.GetParams(), isSecret) }
	if !slices.ContainsFunc(schema.GetFunctions(), hides) {
		return schema
	}
	shown := CloneSchema(schema)
	for _, fn := range shown.Functions {
		for _, p := range fn.Params {
			if isSecret(p) {
				p.Value = leftOut
			}
		}
	}
	return shown
}

// functionsDiffer compares functions by what they compute.
func functionsDiffer(want, have *schemapb.CollectionSchema) Differences {
	var d Differences
	there := slices.Clone(have.GetFunctions())
	for _, fn := range want.GetFunctions() {
		i := slices.IndexFunc(there, func(other *schemapb.FunctionSchema) bool { return sameOutput(fn, other) })
		if i < 0 {
			d.add(Refuses, Functions, "%s is missing", describedFunction(fn))
			continue
		}
		d = append(d, functionDiffers(fn, there[i])...)
		there = slices.Delete(there, i, i+1)
	}
	for _, fn := range there {
		d.add(Refuses, Functions, "%s is extra", describedFunction(fn))
	}
	return d
}

// sameOutput reports whether two functions compute the same fields, or are called the same where they compute none.
func sameOutput(a, b *schemapb.FunctionSchema) bool {
	return slices.Equal(a.GetOutputFieldNames(), b.GetOutputFieldNames()) && (len(a.GetOutputFieldNames()) > 0 || a.GetName() == b.GetName())
}

func describedFunction(fn *schemapb.FunctionSchema) string {
	return fmt.Sprintf("function %q (%s of %s)", fn.GetName(), fn.GetType(), strings.Join(fn.GetInputFieldNames(), ", "))
}

func functionDiffers(want, have *schemapb.FunctionSchema) Differences {
	var d Differences
	if want.GetType() != have.GetType() || !slices.Equal(want.GetInputFieldNames(), have.GetInputFieldNames()) {
		d.add(Refuses, Functions, "%s is there instead of %s", describedFunction(have), describedFunction(want))
	}
	if want.GetName() != have.GetName() {
		d.add(Differs, Functions, "function %q is called %q", want.GetName(), have.GetName())
	}
	if want.GetDescription() != have.GetDescription() {
		d.add(Differs, Functions, "function %q has description %q instead of %q", want.GetName(), have.GetDescription(), want.GetDescription())
	}
	w, h := shownParams(want), shownParams(have)
	for _, key := range union(w, h) {
		if w[key] != h[key] {
			d.add(Refuses, Functions, "function %q has %s %s instead of %s", want.GetName(), key, orNone(h[key]), orNone(w[key]))
		}
	}
	return d
}

// shownParams are the parameters that may be shown: a description of before does not know the others.
func shownParams(fn *schemapb.FunctionSchema) map[string]string {
	return ToMap(slices.DeleteFunc(slices.Clone(fn.GetParams()), isSecret))
}
