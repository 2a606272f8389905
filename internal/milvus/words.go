package milvus

import (
	"slices"
	"strings"
)

// The words of the filter grammar (internal/parser/planparserv2/Plan.g4). The lexer takes most in lower and in upper case, and any
// other spelling for a name.
var (
	reserved = slices.Concat(
		[]string{"and", "or", "not", "in", "true", "True", "TRUE", "false", "False", "FALSE"},
		inBothCases("like exists json_contains json_contains_all json_contains_any array_contains array_contains_all array_contains_any array_length"),
	)
	// reserved24 are those that 2.4 and 2.5 added; which patch each of them came with was not looked up.
	reserved24 = slices.Concat([]string{"AND", "OR", "NOT", "IN"}, inBothCases("text_match phrase_match random_sample"))
	// reserved26 are those that 2.6 and 3.0 added. The newest builds take some of them for names again.
	reserved26 = slices.Concat([]string{"null", "NULL", "Null"}, inBothCases(`iso interval minimum_should_match threshold element_filter
		text_match_fuzzy match_all match_any match_least match_most match_exact st_equals st_touches st_overlaps st_crosses st_contains
		st_intersects st_within st_dwithin st_isvalid`))
)

func inBothCases(words string) []string {
	return append(strings.Fields(words), strings.Fields(strings.ToUpper(words))...)
}

func reservedIn(v version) []string {
	switch {
	case v.before(2, 4, 0):
		return reserved
	case v.before(2, 6, 0):
		return slices.Concat(reserved, reserved24)
	}
	return slices.Concat(reserved, reserved24, reserved26)
}
