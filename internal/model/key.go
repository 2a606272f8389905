package model

import (
	"cmp"
	"encoding/json"
	"fmt"
	"hash/maphash"
	"strconv"
	"strings"
)

// Key is a primary key: an INT64 or a VARCHAR. Keys are comparable, and in JSON they are numbers or strings.
type Key struct {
	Int  int64
	Text string
	text bool
}

// IntKey and TextKey make keys of the two kinds.
func IntKey(v int64) Key   { return Key{Int: v} }
func TextKey(v string) Key { return Key{Text: v, text: true} }

// Compare orders keys as Milvus does: integers by value, strings by their bytes.
func (k Key) Compare(other Key) int {
	return cmp.Or(cmp.Compare(k.Int, other.Int), strings.Compare(k.Text, other.Text))
}

// Clone is the key with memory of its own: a key read from a batch holds on to the batch.
func (k Key) Clone() Key {
	k.Text = strings.Clone(k.Text)
	return k
}

var seed = maphash.MakeSeed()

// Hash spreads keys evenly. It is another one in each process.
func (k Key) Hash() uint64 { return maphash.Comparable(seed, k) }

// IsText tells a VARCHAR from an INT64.
func (k Key) IsText() bool { return k.text }

func (k Key) String() string {
	if k.text {
		return strconv.Quote(k.Text)
	}
	return strconv.FormatInt(k.Int, 10)
}

// MarshalJSON writes a number or a string.
func (k Key) MarshalJSON() ([]byte, error) {
	if k.text {
		return json.Marshal(k.Text)
	}
	return strconv.AppendInt(nil, k.Int, 10), nil
}

// UnmarshalJSON reads a whole number or a string.
func (k *Key) UnmarshalJSON(b []byte) error {
	if len(b) > 0 && b[0] == '"' {
		*k = Key{text: true}
		return json.Unmarshal(b, &k.Text)
	}
	v, err := strconv.ParseInt(string(b), 10, 64)
	if err != nil {
		return fmt.Errorf("primary key %s: neither a string nor a whole number of 64 bits", b)
	}
	*k = IntKey(v)
	return nil
}
