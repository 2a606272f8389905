package syncer

import (
	"context"
	"fmt"
	"strings"

	"migrate/internal/model"
)

// checkFilled refuses a target for which nothing says that it was filled, or filled from another source. One that this sync makes, or
// that it finds empty when it was to make it, is filled by it.
func (c *cycle) checkFilled(ctx context.Context, from *model.Collection) (err error) {
	if c.opts.Create {
		empty, err := c.make(ctx, from)
		if err != nil || empty {
			return err
		}
	}
	if c.pos.Target, err = c.checkBase(ctx); err != nil {
		return err
	}
	return c.checkExported(ctx, from)
}

// make makes the collection on the target as the source describes it, but for the keys, which a sync gives where the target does not keep
// auto ids. It reports whether the collection has no row: one that is there is left as it is otherwise.
func (c *cycle) make(ctx context.Context, from *model.Collection) (empty bool, err error) {
	can := c.target.Capabilities()
	want := *can.KeepingAutoIDs(from)
	if want.Name = c.opts.As; !can.KeepsKeys(&want) {
		want.Schema = model.WithGivenKeys(from.Schema)
	}
	if want.Indexes, err = from.WithIndexTypes(c.opts.IndexTypes); err != nil {
		return false, err
	}
	there, err := c.target.Exists(ctx, want.Name)
	if err != nil {
		return false, err
	}
	if there {
		if rows, err := c.target.RowCount(ctx, want.Name); err != nil || rows > 0 {
			return false, err
		}
	} else if err := c.checkFit(&want); err != nil {
		return false, err
	} else if err := c.target.Create(ctx, &want); err != nil {
		return false, err
	}
	if err := c.target.CreateIndexes(ctx, &want); err != nil {
		return false, err
	}
	return true, c.target.Load(ctx, want.Name)
}

// checkFit refuses a collection that the target can't make as it should be.
func (c *cycle) checkFit(want *model.Collection) error {
	can := c.target.Capabilities()
	why := can.BeyondLimits(want.Schema)
	if fields := can.Unsupported(want); len(fields) > 0 {
		why = append(why, "it does not take the types of "+strings.Join(fields, ", "))
	}
	if lacking := can.Unbuildable(want); len(lacking) > 0 {
		why = append(why, fmt.Sprintf("it does not build %s; --index '%s' has it build the nearest (%s: none)", model.Listed(lacking), model.Offer(lacking), model.NoIndex))
	}
	for _, err := range []error{can.CheckKey(want.Schema), can.CheckFilters(want.Schema)} {
		if err != nil {
			why = append(why, err.Error())
		}
	}
	if more := len(want.Partitions) - 1; more > 0 && !can.Partitions && !model.PartitionKey(want.Schema) {
		why = append(why, fmt.Sprintf("it has no partitions but the default one, and there are %d others", more))
	}
	if len(why) == 0 {
		return nil
	}
	return fmt.Errorf("%w: %s can't make %q as it is on the source: %s; nothing was made", ErrTarget, c.target.Address, want.Name, strings.Join(why, "; "))
}
