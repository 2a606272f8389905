package model

import (
	"errors"
	"strings"
	"testing"
)

// TestCheckName goes by the rules of Milvus' proxies, from 2.3 to 3.0.
func TestCheckName(t *testing.T) {
	for _, name := range []string{"a", "_", "_9", "Docs_2026", strings.Repeat("n", 255)} {
		if err := CheckName(name); err != nil {
			t.Error(err)
		}
	}
	for _, name := range []string{"", "9", "1st", "a-b", "a.b", "a b", "ü", "a$", "a\n", strings.Repeat("n", 256)} {
		if err := CheckName(name); !errors.Is(err, ErrName) {
			t.Errorf("%q: %v", name, err)
		}
	}
}
