package query_test

import (
	"encoding/json"
	"testing"

	"migrate/internal/labtest"
	"migrate/internal/labtest/memory"
	"migrate/internal/source"
	"migrate/internal/source/query"
	"migrate/internal/source/sourcetest"
)

// TestContract holds the query way against what every source keeps, with reads of the present and of one instant.
func TestContract(t *testing.T) {
	for _, version := range []string{"v2.3.5", "v2.5.10", memory.Lite3} {
		t.Run(version, func(t *testing.T) {
			s, c := memory.Start(t, version), sourcetest.Collection()
			s.Add(t, c)
			server := s.Client(t)
			for name, n := range sourcetest.Partitions {
				if n > 0 {
					labtest.Insert(t, server, c.Name, name, sourcetest.Rows(name))
				}
			}
			sourcetest.Run(t, func(t *testing.T, pin json.RawMessage) source.Source {
				r, err := query.Opener(server, query.Options{})(t.Context(), labtest.Describe(t, server, c.Name), pin)
				if err != nil {
					t.Fatal(err)
				}
				return r
			})
		})
	}
}
