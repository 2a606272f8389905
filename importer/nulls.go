package importer

import (
	"context"
	"fmt"
	"log/slog"
	"maps"
	"slices"
	"strings"

	"github.com/apache/arrow/go/v15/arrow"
	"github.com/apache/arrow/go/v15/arrow/array"
	"github.com/dustin/go-humanize"
	"github.com/milvus-io/milvus-proto/go-api/v2/schemapb"

	"migrate/internal/columns"
	"migrate/internal/export"
	"migrate/internal/ingest"
	"migrate/internal/model"
	"migrate/internal/source"
)

// Changed says which values of an export will not be the same on a target, where the collection is as schema says: a NULL becomes the
// default of its field, and by bulk insert an empty list in a nullable ARRAY becomes NULL, unless an insert can bring such rows once more.
func Changed(can model.Capabilities, via Way, newKeys bool, schema *schemapb.CollectionSchema, m *export.Manifest) []string {
	var told []string
	for _, f := range schema.GetFields() {
		s := m.Columns[f.GetName()]
		if s.Nulls != nil && f.GetDefaultValue() != nil {
			told = append(told, fmt.Sprintf("field %q is NULL in %s: that becomes its default", f.GetName(), inRows(s.Nulls)))
		}
		switch {
		case !can.EmptyIsNull || via == Insert || f.GetDataType() != schemapb.DataType_Array || !f.GetNullable():
		case s.Empty != nil:
			told = append(told, fmt.Sprintf("field %q is an empty list in %s, of which bulk insert makes NULL: %s", f.GetName(), inRows(s.Empty), whatOfEmpty(newKeys)))
		case !fieldOf(m.Collection.Schema.CollectionSchema, f.GetName()).GetNullable():
			told = append(told, fmt.Sprintf("field %q takes NULL there, and bulk insert makes NULL of empty lists: %s", f.GetName(), whatOfEmpty(newKeys)))
		}
	}
	return told
}

func inRows(c *columns.Count) string {
	if c.Rows == 1 {
		return fmt.Sprintf("the row of key %s", c.Key)
	}
	return fmt.Sprintf("%s rows, key %s the first", humanize.Comma(c.Rows), c.Key)
}

func whatOfEmpty(newKeys bool) string {
	if newKeys {
		return "they stay NULL, since the target gives the rows new keys; --keep-ids keeps these, and so the lists"
	}
	return "an upsert brings them after it"
}

// warn tells of what will not be as it is.
func (im *importing) warn() {
	for _, change := range Changed(im.server.Capabilities(), im.opts.Via, im.newKeys(), im.takes, im.manifest) {
		slog.Warn("not all values will be the same on the target", "what", change)
	}
	if long := LongJSON(im.manifest); len(long) > 0 {
		slog.Warn("bulk insert takes this, and an insert does not: `migrate sync` can't bring a change to such a row", "fields", strings.Join(long, "; "))
	}
}

// lostEmpty are the fields in which bulk insert may have made NULL of empty lists that can be brought once more. Rows that keep auto ids are
// odd for them: they are not brought first, since what is deleted to be brought once more could be missing after a crash.
func (im *importing) lostEmpty() []string {
	if im.givesIDs() {
		return nil
	}
	return im.madeNull()
}

// madeNull are the fields in which bulk insert makes NULL of empty lists, where the rows can be told by their keys. The export tells how
// many there are of fields that take NULL on the source too.
func (im *importing) madeNull() (fields []string) {
	if !im.server.Capabilities().EmptyIsNull || im.opts.Via == Insert || im.newKeys() {
		return nil
	}
	for _, f := range im.takes.GetFields() {
		counted := fieldOf(im.target.Schema, f.GetName()).GetNullable()
		if f.GetDataType() == schemapb.DataType_Array && f.GetNullable() && (!counted || im.manifest.Columns[f.GetName()].Empty != nil) {
			fields = append(fields, f.GetName())
		}
	}
	return fields
}

// bringEmpty upserts the rows whose empty lists bulk insert has made NULL, and no others: those that an earlier run has brought, or that
// somebody has written since, are as they should be. So it may be done again.
func (im *importing) bringEmpty(ctx context.Context) (brought int64, err error) {
	fields := im.lostEmpty()
	if len(fields) == 0 {
		return 0, nil
	}
	im.opts.Step("bring empty lists", im.manifest.Total.Rows)
	target, err := im.openTarget(ctx)
	if err != nil {
		return 0, err
	}
	if err := im.fence.begin(ctx, im); err != nil {
		return 0, err
	}
	e := &empties{im, target, fields}
	for _, p := range im.manifest.Parts {
		n, err := e.bring(ctx, p)
		if brought += n; err != nil {
			return brought, fmt.Errorf("bringing empty lists of part %s: %w", p.Object, err)
		}
	}
	return brought, nil
}

// empties is one bringEmpty under way.
type empties struct {
	*importing
	target source.Ranged
	fields []string
}

// bring brings those of a part.
func (e *empties) bring(ctx context.Context, p export.Part) (brought int64, err error) {
	stream, err := e.manifest.ReadPart(ctx, e.export, p)
	if err != nil {
		return 0, err
	}
	for rec, err := range source.Rows(stream) {
		if err != nil {
			return brought, err
		}
		for rows := range slices.Chunk(rowsWithEmpty(rec, e.fields), min(ingest.AtOnce(rec), mostAsked)) {
			n, err := e.upsert(ctx, p.Partition, rec, rows)
			if brought += int64(n); err != nil {
				return brought, err
			}
		}
		e.opts.Progress(rec.NumRows(), columns.Bytes(rec))
	}
	return brought, nil
}

// mostAsked is how many rows are looked up at once.
const mostAsked = 1000

// upsert brings those of some rows that are NULL on the target where they have an empty list.
func (e *empties) upsert(ctx context.Context, partition string, rec arrow.Record, rows []int) (int, error) {
	lost, err := e.lost(ctx, partition, rec, rows)
	if err != nil || len(lost) == 0 {
		return 0, err
	}
	return len(lost), e.fence.write(ctx, func(w *ingest.Writer) error { return w.Upsert(ctx, partition, rec, lost) })
}

// lost are those of some rows with an empty list that the target has NULL in the same field.
func (e *empties) lost(ctx context.Context, partition string, rec arrow.Record, rows []int) (lost []int, err error) {
	all := columns.KeysOf(rec, e.keyName())
	row := map[model.Key]int{}
	for _, r := range rows {
		row[all[r]] = r
	}
	found, err := e.target.Lookup(ctx, partition, slices.SortedFunc(maps.Keys(row), model.Key.Compare), append([]string{e.keyName()}, e.fields...)...)
	if err != nil {
		return nil, err
	}
	for i, k := range columns.KeysOf(found.Record, e.keyName()) {
		for _, name := range e.fields {
			if r := row[k]; empty(columnOf(rec, name), r) && columnOf(found.Record, name).IsNull(i) {
				lost = append(lost, r)
				break
			}
		}
	}
	return lost, nil
}

// rowsWithEmpty are the rows of a batch that have an empty list in one of some fields.
func rowsWithEmpty(rec arrow.Record, fields []string) (rows []int) {
	for i := range int(rec.NumRows()) {
		if slices.ContainsFunc(fields, func(name string) bool { return empty(columnOf(rec, name), i) }) {
			rows = append(rows, i)
		}
	}
	return rows
}

func columnOf(rec arrow.Record, name string) arrow.Array {
	return rec.Column(rec.Schema().FieldIndices(name)[0])
}

// empty reports whether a row has a list without elements, and not NULL.
func empty(col arrow.Array, row int) bool {
	lists := col.(*array.List)
	from, to := lists.ValueOffsets(row)
	return from == to && lists.IsValid(row)
}
