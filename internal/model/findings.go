package model

import (
	"encoding/json"
	"fmt"
	"math"
	"slices"
	"strings"

	"github.com/dustin/go-humanize"
)

// Findings are what a read explains instead of passing over.
type Findings struct {
	Duplicates Duplicates   `json:"duplicates,omitzero"`
	Unreadable []Unreadable `json:"unreadable,omitempty"` // rows that the server counts and never returns
}

// Duplicates are keys that the server keeps several rows of: one of these was read, an arbitrary one.
type Duplicates struct {
	Keys   int64    `json:"keys"`              // how many they are; no more than so many where AtMost says so
	AtMost bool     `json:"at_most,omitempty"` // to know better, each key would have to be counted by itself
	Rows   int64    `json:"rows"`              // of these keys, beyond one of each
	Sample []Copies `json:"sample,omitempty"`  // the first that were found
}

// Copies are the rows of one key.
type Copies struct {
	Key    Key   `json:"key"`
	Copies int64 `json:"copies"`
}

// Unreadable is a range in which the server counts rows that no query returns, such as the key 2^63-1 on Milvus 2.3.
type Unreadable struct {
	Range
	Rows int64 `json:"rows"`
}

// never is the range of the one key that Milvus 2.3 counts and never returns.
func Never() Range {
	below := IntKey(math.MaxInt64 - 1)
	return Range{After: &below}
}

// Known reports whether it is known why the rows are not returned, so that they will never be: those of the key 2^63-1.
func (u Unreadable) Known() bool { return u.Range.Equal(Never()) }

// Sampled is how many duplicate keys are named.
const Sampled = 10

// Add adds another read's findings.
func (f *Findings) Add(other Findings) {
	f.Duplicates.Add(other.Duplicates)
	f.Unreadable = append(f.Unreadable, other.Unreadable...)
}

// Told says what was found on a side, in words.
func (f Findings) Told(side string) (told []string) {
	if f.Duplicates.Rows > 0 {
		told = append(told, fmt.Sprintf("the %s holds %s: one row of each was read", side, f.Duplicates))
	}
	for _, u := range f.Unreadable {
		told = append(told, fmt.Sprintf("the %s counts %d rows with keys in %s that no query returns", side, u.Rows, u.Range))
	}
	return told
}

// UnreadableRows are the rows of all unreadable ranges.
func (f Findings) UnreadableRows() (n int64) {
	for _, u := range f.Unreadable {
		n += u.Rows
	}
	return n
}

// KnownRows are those of them that will never be returned.
func (f Findings) KnownRows() (n int64) {
	for _, u := range f.Unreadable {
		if u.Known() {
			n += u.Rows
		}
	}
	return n
}

// UnmarshalJSON reads what earlier versions wrote too: a list of every duplicate key, as "doubled".
func (f *Findings) UnmarshalJSON(text []byte) error {
	type plain Findings
	both := struct {
		*plain
		Doubled []Copies `json:"doubled"`
	}{plain: (*plain)(f)}
	if err := json.Unmarshal(text, &both); err != nil {
		return err
	}
	for _, c := range both.Doubled {
		f.Duplicates.Add(Duplicates{Keys: 1, Rows: c.Copies - 1, Sample: []Copies{c}})
	}
	return nil
}

// Add adds those of another range. The first ones stay named.
func (d *Duplicates) Add(other Duplicates) {
	d.Keys += other.Keys
	d.Rows += other.Rows
	d.AtMost = d.AtMost || other.AtMost
	more := min(len(other.Sample), max(Sampled-len(d.Sample), 0))
	d.Sample = slices.Concat(d.Sample, other.Sample[:more])
}

// String says how many they are and names some: "1,100 duplicate keys (1,100 rows beyond one of each; such as 17 and 18)". It is
// "" where there are none.
func (d Duplicates) String() string {
	if d.Rows == 0 {
		return ""
	}
	keys := humanize.Comma(d.Keys) + " duplicate keys"
	if d.Keys == 1 {
		keys = "1 duplicate key"
	}
	if d.AtMost {
		keys = "up to " + keys
	}
	rows := humanize.Comma(d.Rows) + " rows"
	if d.Rows == 1 {
		rows = "1 row"
	}
	return fmt.Sprintf("%s (%s beyond one of each%s)", keys, rows, d.named())
}

// named names a few.
func (d Duplicates) named() string {
	const few = 3
	var keys []string
	for _, c := range d.Sample[:min(few, len(d.Sample))] {
		keys = append(keys, c.Key.String())
	}
	if len(keys) == 0 {
		return ""
	}
	return "; such as " + strings.Join(keys, ", ")
}
