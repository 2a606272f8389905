package syncer

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"strconv"
	"strings"
	"time"

	"migrate/checkpoint"
	"migrate/internal/milvus"
	"migrate/internal/model"
	"migrate/internal/source/query"
	"migrate/sinks"
)

// open looks at both collections, refuses what must not be synced, and makes them ready to be read as they stand now.
func (c *cycle) open(ctx context.Context) error {
	from, err := c.describe(ctx, c.source, c.opts.Collection, ErrSource, c.pos.Source)
	if err != nil {
		return err
	}
	if err := c.source.Capabilities().CheckFilters(from.Schema); err != nil {
		return fmt.Errorf("%w: %s %w; export and import it instead", ErrSource, c.source.Address, err)
	}
	if !c.pos.Begun() {
		if err := c.opts.MayBegin(ctx); err != nil {
			return err
		}
		if err := c.checkFilled(ctx, from); err != nil {
			return err
		}
	}
	to, err := c.describe(ctx, c.target, c.opts.As, ErrTarget, c.pos.Target)
	if err != nil {
		return err
	}
	if c.sameCollection(from, to) {
		return fmt.Errorf("%w: source and target are the same collection: %q on %s and %q on %s", ErrTarget, from.Name, c.source.Address, to.Name, c.target.Address)
	}
	if err := c.checkSchemas(from, to); err != nil {
		return err
	}
	if err := c.target.Capabilities().CheckFilters(to.Schema); err != nil {
		return fmt.Errorf("%w: %s %w", ErrTarget, c.target.Address, err)
	}
	if err := CheckCursor(c.source, from, c.opts.CursorField); err != nil {
		return err
	}
	c.pos.Source, c.pos.Target = from.ID, to.ID
	if err := c.addPartitions(ctx, from, to); err != nil {
		return err
	}
	if c.sides, err = openSides(ctx, c.source, c.target, from, to, c.sizes); err != nil {
		return err
	}
	c.sides.limit, c.sides.read = c.limit, &c.report.Read
	return nil
}

// sameCollection goes by the ids, which are made from the time: no two servers give the same. Milvus Lite gives none.
func (c *cycle) sameCollection(from, to *model.Collection) bool {
	if from.ID != 0 || to.ID != 0 {
		return from.ID == to.ID
	}
	return c.source.Address == c.target.Address && c.source.Database() == c.target.Database() && from.Name == to.Name
}

// CheckCursor refuses a field, where one is named, by which what was written to a collection can't be found: ErrCursor.
func CheckCursor(server *milvus.Server, coll *model.Collection, field string) error {
	switch {
	case field == "":
	case !query.CanBeCursor(coll.Schema, field):
		return fmt.Errorf("%w: %q of %q; it has to be an INT64 or a VARCHAR that takes no NULL, and not the primary key", ErrCursor, field, coll.Name)
	case !server.Capabilities().CanFilter(field):
		return fmt.Errorf("%w: %q of %q %w", ErrCursor, field, coll.Name, model.ErrReserved)
	}
	return nil
}

// describe describes a collection that has to be the one with that id, where one is known.
func (c *cycle) describe(ctx context.Context, server *milvus.Server, name string, unfit error, id int64) (*model.Collection, error) {
	coll, err := server.Describe(ctx, name)
	if err := theOne(coll, err, server, name, unfit, id); err != nil {
		return nil, err
	}
	return coll, nil
}

// theOne refuses a collection that a server was asked for by its name, and that is not the one with that id, or none.
func theOne(coll *model.Collection, err error, server *milvus.Server, name string, unfit error, id int64) error {
	if errors.Is(err, milvus.ErrNotFound) {
		return fmt.Errorf("%w: collection %q is not on %s; nothing was changed for that. "+
			"If it was dropped, export and import it again, and sync under another --job", unfit, name, server.Address)
	}
	if err != nil {
		return err
	}
	if id != 0 && coll.ID != id {
		return fmt.Errorf("%w: collection %q on %s is not the one that it was: it was dropped and made anew; nothing was changed for that. "+
			"Export and import it again, and sync under another --job", unfit, name, server.Address)
	}
	return nil
}

func (c *cycle) checkSchemas(from, to *model.Collection) error {
	can := c.target.Capabilities()
	if !can.KeepsKeys(to) {
		remedy := "; import with --keep-ids"
		if can.TakesAutoIDs {
			remedy += ", or give it the property allow_insert_auto_id if it has the keys of the source"
		}
		if c.pos.Serving.Is(Target) {
			remedy = ", and it can't be kept in step after the switch"
		}
		return fmt.Errorf("%w: collection %q on %s gives every row a key of its own, so its rows can't be told by their keys%s",
			ErrTarget, to.Name, c.target.Address, remedy)
	}
	want := *from
	if !model.AutoID(to.Schema) {
		want.Schema = model.WithGivenKeys(from.Schema)
	}
	found := model.Compare(&want, to)
	if c.pos.Serving.Is(Target) {
		found = found.ForRollback()
	}
	if diffs := found.Of(model.Fields, model.Lengths).Texts(model.Refuses); len(diffs) > 0 {
		return fmt.Errorf("%w: its schema and that of %q on %s differ: %s; nothing was changed on the target",
			ErrSource, to.Name, c.target.Address, strings.Join(diffs, "; "))
	}
	if diffs := found.Texts(model.Refuses); len(diffs) > 0 {
		return fmt.Errorf("%w: collection %q on %s is not what %q on %s is: %s; nothing was changed on the target",
			ErrTarget, to.Name, c.target.Address, from.Name, c.source.Address, strings.Join(diffs, "; "))
	}
	c.report.Described = found
	if differ := found.Texts(model.Differs); !slices.Equal(differ, c.described) {
		c.described = differ
		slog.Warn("the target is described otherwise than the source; `migrate verify` lists it, and a cutover has to be told that this may be",
			"collection", to.Name, "differences", strings.Join(differ, "; "))
	}
	return nil
}

// checkBase refuses a target for which nothing says that it was filled: an import stamps its rows with its own time, so
// that a change applied before it would be lost. It returns the id of the collection that was filled; 0 where unknown.
func (c *cycle) checkBase(ctx context.Context) (int64, error) {
	if c.opts.BaseDone {
		return 0, nil
	}
	next := "run `migrate export` and `migrate import` to their end first, or `migrate run`, which does both; " +
		"if the target was filled otherwise, see with `migrate verify` that it is equal, and say --base-done; " +
		"to have the collection made there and filled row by row, as where there is no bulk insert, say --create"
	if in := c.source.Database(); in != "" && in != milvus.DefaultDatabase {
		next = fmt.Sprintf("if a move of many has moved it, say --job %s.%s; otherwise %s", in, c.opts.Collection, next)
	}
	if c.opts.Base == nil {
		return 0, fmt.Errorf("%w: the sink has no checkpoint of an import by inserts, and no staging store is given that would hold that of another; %s", ErrBase, next)
	}
	job, err := checkpoint.ReadImport(ctx, c.opts.Base, c.opts.Job, c.target.Database(), c.opts.As)
	switch {
	case errors.Is(err, sinks.ErrNotExist):
		return 0, fmt.Errorf("%w: %s has no import of %q into %q; %s", ErrBase, c.opts.Base.URL(""), c.opts.Job, c.opts.As, next)
	case err != nil:
		return 0, err
	case job.State != checkpoint.Done:
		return 0, fmt.Errorf("%w: the import of %q into %q is %s; %s", ErrBase, c.opts.Job, c.opts.As, job.Standing(), next)
	}
	var filled struct {
		Target int64 `json:"target_collection"`
	}
	return filled.Target, job.Read(&filled)
}

// checkExported refuses a source that is not the collection which was exported, where its export is known.
func (c *cycle) checkExported(ctx context.Context, from *model.Collection) error {
	if c.opts.BaseDone {
		return nil
	}
	job, err := checkpoint.Read(ctx, c.sink, checkpoint.Name(checkpoint.Export, c.opts.Job, ""))
	switch {
	case errors.Is(err, sinks.ErrNotExist):
		return nil
	case errors.Is(err, checkpoint.ErrDamaged), errors.Is(err, checkpoint.ErrVersion): // nothing else needs it any more
		slog.WarnContext(ctx, "nothing tells which collection was exported", "error", err)
		return nil
	case err != nil:
		return err
	}
	if id := job.Param("collection id"); id != "" && id != strconv.FormatInt(from.ID, 10) {
		return fmt.Errorf("%w: collection %q on %s is not the one that %q exported: it was dropped and made anew, or the server is another; "+
			"nothing was changed on the target. Export and import it again, or say --base-done if the target holds what it holds",
			ErrSource, from.Name, c.source.Address, c.opts.Job)
	}
	return nil
}

// refuseLate refuses to go on after a switch when the side that was left was written to since: a client that was forgotten
// writes there, and what it wrote would be undone by the first row that is applied.
func (c *cycle) refuseLate(ctx context.Context) error {
	sw := c.pos.Switch
	if sw == nil || sw.Left == nil || c.opts.DiscardLate {
		return nil
	}
	now, err := markOf(ctx, c.sides.target, c.rows.target)
	if err != nil {
		return err
	}
	if now == nil {
		now = &model.Mark{Rows: c.rows.target}
	}
	if now.Wrote(sw.Left) {
		return fmt.Errorf("%q on %s: %w at %s, when it held %d rows; it counts %d now, and nothing was undone. "+
			"Find who still writes there and bring these rows to %s, or say --discard-late to have them undone",
			c.opts.As, c.target.Address, ErrLate, sw.At.Local().Format(time.DateTime), sw.Left.Rows, now.Rows, c.source.Address)
	}
	return nil
}

// addPartitions makes those on the target that the source has and the target has not.
func (c *cycle) addPartitions(ctx context.Context, from, to *model.Collection) error {
	wanted := *to
	wanted.Partitions = from.Partitions
	missing := func(p string) bool { return !slices.Contains(to.Partitions, p) }
	if model.PartitionKey(to.Schema) || !slices.ContainsFunc(from.Partitions, missing) {
		return nil
	}
	if err := c.target.CreatePartitions(ctx, &wanted); err != nil {
		return err
	}
	if err := c.target.Load(ctx, to.Name); err != nil {
		return err
	}
	have, err := c.target.Describe(ctx, to.Name)
	if err == nil {
		*to = *have
	}
	return err
}

// count counts both sides, and holds them against each other before anything is looked at: a source that lost its rows, or
// has not loaded them all, counts fewer.
func (c *cycle) count(ctx context.Context) (err error) {
	if c.rows, err = c.sides.counts(ctx, model.Range{}); err != nil {
		return err
	}
	if c.rows.source == 0 && c.rows.target > 0 && c.opts.MaxDelete.Share < 1 {
		return fmt.Errorf("%w: the source counts no rows and the target %d; if it is meant to be empty, say --max-delete 100%%", ErrDeletes, c.rows.target)
	}
	if c.pos.Serving.Is(Target) { // the side that was left may have several rows of a key: what is deleted is counted then
		return nil
	}
	return c.allow(c.rows.target - c.rows.source)
}

// allow refuses to have more rows deleted in this cycle than may be.
func (c *cycle) allow(n int64) error {
	if most := c.opts.MaxDelete.of(c.rows.target); n > most {
		return fmt.Errorf("%w: %d of %q, where --max-delete allows %d in a cycle. See whether the source is whole, and raise --max-delete if it is",
			ErrDeletes, n, c.opts.As, most)
	}
	return nil
}

// Limit is a number of rows: a share of a collection's, or the number itself.
type Limit struct {
	Share float64
	Rows  int64
}

// fewRows may be deleted in any case: a share of a small collection is less than a row.
const fewRows = 100

func (l Limit) of(rows int64) int64 {
	if l.Share > 0 {
		return max(int64(l.Share*float64(rows)), fewRows)
	}
	return l.Rows
}

// ParseLimit reads "10%" or "5000".
func ParseLimit(text string) (Limit, error) {
	if share, ok := strings.CutSuffix(text, "%"); ok {
		v, err := strconv.ParseFloat(share, 64)
		if err != nil || !(v > 0 && v <= 100) {
			return Limit{}, fmt.Errorf("%q is no share: from 0%% to 100%%, such as 10%%", text)
		}
		return Limit{Share: v / 100}, nil
	}
	v, err := strconv.ParseInt(text, 10, 64)
	if err != nil || v < 1 {
		return Limit{}, fmt.Errorf("%q is neither a number of rows nor a share, such as 5000 or 10%%", text)
	}
	return Limit{Rows: v}, nil
}
