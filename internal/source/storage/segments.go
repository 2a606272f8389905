package storage

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"

	"github.com/milvus-io/milvus-proto/go-api/v2/schemapb"

	"migrate/internal/columns"
	"migrate/internal/milvus"
	"migrate/internal/source/storage/binlog"
)

// segment is one that holds rows, and its logs.
type segment struct {
	milvus.Segment
	number  int
	gone    bool              // a compaction has replaced it: a row of it that is in another segment too is the same row
	readAs  string            // the partition that chunks name
	fields  map[int64][]int64 // insert logs by fields, in order: the k-th ones of all fields are of the same rows
	meta    int64             // the dynamic one, which is not described
	deltas  []int64
	bytes   int64 // of the insert logs, as they are stored
	logRows []int64
	alive   bitmap // of each row whether it is read; nil where all are
}

// parse reads the numbers that the name of a log is made of.
func parse(name, prefix string, parts int) ([]int64, bool) {
	fields := strings.Split(strings.TrimPrefix(name, prefix), "/")
	numbers := make([]int64, len(fields))
	for i, f := range fields {
		n, err := strconv.ParseInt(f, 10, 64)
		if err != nil {
			return nil, false
		}
		numbers[i] = n
	}
	return numbers, len(numbers) == parts
}

// listLogs lists the insert logs of a segment, and holds the columns against the collection's.
func (s *Source) listLogs(ctx context.Context, g *segment) error {
	prefix := fmt.Sprintf("insert_log/%d/%d/%d/", s.coll.ID, g.Partition, g.ID)
	g.fields, g.bytes = map[int64][]int64{}, 0
	for info, err := range s.bucket.List(ctx, prefix) {
		if err != nil {
			return fmt.Errorf("listing the logs of segment %d: %w", g.ID, err)
		}
		at, ok := parse(info.Name, prefix, 2)
		if !ok {
			return fmt.Errorf("segment %d: %s: %w", g.ID, s.bucket.URL(info.Name), binlog.ErrLayout)
		}
		g.fields[at[0]] = append(g.fields[at[0]], at[1])
		g.bytes += info.Size
	}
	if len(g.fields) == 0 {
		return fmt.Errorf("segment %d: %w: it has %d rows, and %s no log of them", g.ID, errGone, g.Rows, s.bucket.URL(prefix))
	}
	for _, logs := range g.fields {
		slices.Sort(logs)
	}
	return s.checkFields(g)
}

// checkFields wants a log of each field for each of any other, and of no field that is not there.
func (s *Source) checkFields(g *segment) error {
	left, logs := maps.Clone(g.fields), len(g.fields[binlog.Timestamp])
	for _, id := range s.fieldIDs {
		delete(left, id)
	}
	hidden := slices.Collect(maps.Keys(left))
	want := 0
	if s.hasHidden() {
		want = 1
	}
	if len(hidden) != want {
		return fmt.Errorf("segment %d: %w: it has logs of %d fields that are not described", g.ID, ErrContradiction, len(hidden))
	}
	for _, id := range hidden {
		g.meta = id
	}
	for _, id := range append(hidden, s.fieldIDs...) {
		if n := len(g.fields[id]); n != logs || n == 0 {
			return fmt.Errorf("segment %d: %w: field %d has %d logs, and the time of rows %d", g.ID, ErrContradiction, id, n, logs)
		}
	}
	return nil
}

// hasHidden reports whether there is a field that is not described: the dynamic one.
func (s *Source) hasHidden() bool {
	fields := s.coll.Schema.GetFields()
	return s.coll.Schema.GetEnableDynamicField() && !slices.ContainsFunc(fields, (*schemapb.FieldSchema).GetIsDynamic)
}

// fieldOf is a field of the layout as its logs know it.
func (s *Source) fieldOf(g *segment, name string) *schemapb.FieldSchema {
	for _, f := range s.coll.Schema.GetFields() {
		if f.GetName() == name {
			return f
		}
	}
	return &schemapb.FieldSchema{Name: columns.Meta, FieldID: g.meta, DataType: schemapb.DataType_JSON, IsDynamic: true}
}
