package model

import (
	"errors"
	"fmt"
	"strconv"
)

// Sum is the checksum of a set of rows, whatever their order: two sets of rows with equal sums are equal, but for a chance of 2^-64.
// The zero Sum is that of no rows.
type Sum struct {
	Rows int64  `json:"rows"`
	Hash Digest `json:"hash"`
}

// Digest is a sum of row hashes, modulo 2^64; 16 hexadecimal digits in JSON.
type Digest uint64

// MarshalText writes 16 hexadecimal digits.
func (d Digest) MarshalText() ([]byte, error) { return fmt.Appendf(nil, "%016x", uint64(d)), nil }

// UnmarshalText reads hexadecimal digits.
func (d *Digest) UnmarshalText(b []byte) error {
	v, err := strconv.ParseUint(string(b), 16, 64)
	if err != nil {
		return fmt.Errorf("checksum %q: %w", b, err)
	}
	*d = Digest(v)
	return nil
}

// Add adds another set of rows.
func (s *Sum) Add(other Sum) {
	s.Rows += other.Rows
	s.Hash += other.Hash
}

// AddRows adds rows by their hashes.
func (s *Sum) AddRows(hashes []uint64) {
	s.Rows += int64(len(hashes))
	for _, h := range hashes {
		s.Hash += Digest(h)
	}
}

// ErrDiffers: two collections do not hold the same rows, or are not described alike.
var ErrDiffers = errors.New("the two sides differ")
