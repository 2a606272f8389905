package model

import (
	"errors"
	"fmt"
	"regexp"
)

// ErrName: no server takes such a name.
var ErrName = errors.New("a Milvus does not take it")

// longestName is what servers take unless they are told otherwise (proxy.maxNameLength).
const longestName = 255

var nameRule = regexp.MustCompile(`^[A-Za-z_][A-Za-z0-9_]*$`)

// CheckName refuses what no collection and no database can be called: ErrName.
func CheckName(name string) error {
	switch {
	case len(name) > longestName:
		return fmt.Errorf("name %q: %w: %d bytes of %d", name, ErrName, len(name), longestName)
	case !nameRule.MatchString(name):
		return fmt.Errorf("name %q: %w: it is to be of letters, digits and _, and to begin with no digit", name, ErrName)
	}
	return nil
}
