package milvus

import (
	"errors"
	"testing"

	"github.com/milvus-io/milvus-proto/go-api/v2/schemapb"

	"migrate/internal/model"
)

// TestReservedWords has those of 2.3.5 as its real lexer took them, and those of later grammars.
func TestReservedWords(t *testing.T) {
	for _, c := range []struct {
		words   []string
		from2_3 bool
		from2_4 bool
		from2_6 bool
	}{
		{words: []string{
			"in", "and", "or", "not", "like", "LIKE", "exists", "EXISTS", "true", "True", "TRUE", "false", "False", "FALSE",
			"json_contains", "JSON_CONTAINS", "json_contains_all", "JSON_CONTAINS_ALL", "json_contains_any", "JSON_CONTAINS_ANY",
			"array_contains", "ARRAY_CONTAINS", "array_contains_all", "ARRAY_CONTAINS_ALL", "array_contains_any", "ARRAY_CONTAINS_ANY",
			"array_length", "ARRAY_LENGTH",
		}, from2_3: true, from2_4: true, from2_6: true},
		{words: []string{"IN", "AND", "OR", "NOT", "text_match", "TEXT_MATCH", "phrase_match", "random_sample"}, from2_4: true, from2_6: true},
		{words: []string{"interval", "ISO", "threshold", "match_all", "st_within", "element_filter", "null"}, from2_6: true},
		{words: []string{"id", "In", "Like", "Json_Contains", "Exists", "tRue", "key", "index", "limit"}},
	} {
		for _, word := range c.words {
			schema := &schemapb.CollectionSchema{Fields: []*schemapb.FieldSchema{{Name: word, IsPrimaryKey: true}}}
			for version, refused := range map[string]bool{
				"v2.3.5-lite": c.from2_3, "v2.4.15": c.from2_4, "v2.5.10": c.from2_4, "v2.6.2": c.from2_6, "v3.0.2": c.from2_6,
			} {
				can := capabilitiesOf(version)
				if err := can.CheckKey(schema); errors.Is(err, model.ErrReserved) != refused || (err != nil) != refused || can.CanFilter(word) == refused {
					t.Errorf("%s, key %q: %v, to be refused: %t", version, word, err, refused)
				}
			}
		}
	}
}
