package keys

import (
	"context"
	"errors"
	"fmt"
	"io"
	"slices"

	"migrate/internal/document"
	"migrate/sinks"
)

// Set is what a collection is made of at an instant: files of keys. What was written after it is left out of them as they are read.
type Set struct {
	Collection int64     `json:"collection"`
	Text       bool      `json:"text,omitempty"` // its keys are texts
	At         uint64    `json:"at"`
	Segments   []Segment `json:"segments"`
}

// Segment is rows, and the deletes that are those of them. One without rows, of level 0, has deletes of every segment of its partition, or
// of all partitions where that has no name.
type Segment struct {
	ID        int64  `json:"id"`
	Partition string `json:"partition,omitempty"`
	Rows      *File  `json:"rows,omitempty"`
	Deletes   []File `json:"deletes,omitempty"`
}

// File is one of keys and times, on the sink.
type File struct {
	Name   string `json:"name"`
	Number int64  `json:"number"` // of rows or deletes
	Newest uint64 `json:"newest"` // the last time
}

// files are all that a set is made of.
func (s *Set) files() []File {
	var all []File
	for _, g := range s.Segments {
		if g.Rows != nil {
			all = append(all, *g.Rows)
		}
		all = append(all, g.Deletes...)
	}
	return all
}

// same reports whether two sets are made of the same files, and of nothing that was written between them: so nothing has changed.
func (s *Set) same(later *Set) bool {
	if s.Collection != later.Collection || !slices.EqualFunc(s.Segments, later.Segments, Segment.same) {
		return false
	}
	return !slices.ContainsFunc(s.files(), func(f File) bool { return f.Newest > s.At })
}

func (g Segment) same(other Segment) bool {
	return g.ID == other.ID && g.Partition == other.Partition && (g.Rows == nil) == (other.Rows == nil) &&
		(g.Rows == nil || *g.Rows == *other.Rows) && slices.Equal(g.Deletes, other.Deletes)
}

// mostSet is how large the document of a set may be: some 200 bytes a file.
const mostSet = 256 << 20

func putSet(ctx context.Context, sink sinks.Sink, name string, s *Set) error {
	text, err := document.Marshal(s)
	if err != nil {
		return fmt.Errorf("encoding what the collection is made of: %w", err)
	}
	_, err = sink.Put(ctx, name, func(w io.Writer) error {
		_, err := w.Write(text)
		return err
	})
	return err
}

func readSet(ctx context.Context, sink sinks.Sink, name string) (s *Set, err error) {
	o, err := sink.Open(ctx, name)
	if err != nil {
		return nil, fmt.Errorf("opening %s: %w", sink.URL(name), err)
	}
	defer func() { err = errors.Join(err, o.Close()) }()
	if o.Size() > mostSet {
		return nil, fmt.Errorf("%s: %w", sink.URL(name), damaged("it has %d bytes", o.Size()))
	}
	text := make([]byte, o.Size())
	if err := readAt(o, text, 0); err != nil {
		return nil, fmt.Errorf("reading %s: %w", sink.URL(name), err)
	}
	s = &Set{}
	if err := document.Unmarshal(text, s); err != nil {
		return nil, fmt.Errorf("%s: %w", sink.URL(name), damaged("%w", err))
	}
	return s, nil
}
