// Package document is JSON documents that carry their own checksum, so that a document that was altered by a bit is not
// taken for another one. A sealed document is a JSON object with one more member, "sha256": in hexadecimal, over the other
// members in ascending order of name, each as its name, a colon, its value without spaces, and a newline.
package document

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"slices"
)

// ErrBroken: the document was altered, cut off, or never sealed.
var ErrBroken = errors.New("checksum does not match")

const member = "sha256"

// Marshal makes a sealed document of a value that is an object in JSON, without spaces.
func Marshal(value any) ([]byte, error) {
	text, err := json.Marshal(value)
	if err != nil {
		return nil, err
	}
	var members map[string]json.RawMessage
	if err := json.Unmarshal(text, &members); err != nil {
		return nil, fmt.Errorf("sealing JSON: %w", err)
	}
	sum, err := digest(members)
	if err != nil {
		return nil, err
	}
	comma := ","
	if len(members) == 0 {
		comma = ""
	}
	return fmt.Appendf(text[:len(text)-1], `%s"%s":"%s"}`, comma, member, sum), nil
}

// Unmarshal reads a sealed document, with spaces or without. ErrBroken where its checksum is not that of the rest.
func Unmarshal(text []byte, value any) error {
	var members map[string]json.RawMessage
	if err := json.Unmarshal(text, &members); err != nil {
		return fmt.Errorf("%w: %w", ErrBroken, err)
	}
	var want string
	if err := json.Unmarshal(members[member], &want); err != nil {
		return fmt.Errorf("%w: it has none", ErrBroken)
	}
	delete(members, member)
	have, err := digest(members)
	if err != nil {
		return err
	}
	if have != want {
		return ErrBroken
	}
	return json.Unmarshal(text, value)
}

func digest(members map[string]json.RawMessage) (string, error) {
	var text bytes.Buffer
	for _, name := range slices.Sorted(maps.Keys(members)) {
		text.WriteString(name + ":")
		if err := json.Compact(&text, members[name]); err != nil {
			return "", fmt.Errorf("reading member %q: %w", name, err)
		}
		text.WriteByte('\n')
	}
	sum := sha256.Sum256(text.Bytes())
	return hex.EncodeToString(sum[:]), nil
}
