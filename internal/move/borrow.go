package move

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"time"

	"migrate/checkpoint"
	"migrate/internal/milvus"
	"migrate/internal/model"
)

// ErrLoadMemory: to be read, a collection would have to be loaded into more memory than may be used for that.
var ErrLoadMemory = errors.New("loading it as a whole takes more memory than --load-memory")

// borrow has a collection of the source loaded as a whole, where it is not and may be, until the function that is returned gives it back as
// it was, unless the error of what was done with it says that another process reads it now. What is borrowed is kept before: the next call of the move gives back what this one could not, or reads it and gives it back then.
func (m *moving) borrow(ctx context.Context, p *Planned) (giveBack func(error), err error) {
	source, nothing := m.Source.In(p.Database), func(error) {}
	if !m.loads(p) || m.Read != nil { // from its storage it is read as it is
		return nothing, nil
	}
	c, err := source.DescribeWhole(ctx, p.Collection)
	if err != nil {
		return nothing, err
	}
	made, err := m.record.madeSoFar(ctx)
	if err != nil {
		return nothing, err
	}
	before, ours := made.lent(c, p.Named)
	if len(c.Unindexed()) > 0 || c.Loaded && !ours {
		return nothing, nil
	}
	if err := m.checkMemory(p, c); err != nil {
		return nothing, err
	}
	bytes := p.Rows * model.EstimatedRow(c.Schema)
	if err := m.takeMemory(ctx, bytes); err != nil {
		return nothing, err
	}
	giveBack = func(err error) {
		defer m.leaveMemory(bytes)
		if !errors.Is(err, checkpoint.ErrHeld) && !errors.Is(err, checkpoint.ErrLost) {
			m.giveBack(ctx, borrowed{p.Named, c.ID, before})
		}
	}
	if err := m.lend(ctx, source, c, borrowed{p.Named, c.ID, before}); err != nil {
		giveBack(err)
		return nothing, err
	}
	return giveBack, nil
}

// lent is what of a collection was loaded before the move loaded it, and whether it did.
func (m made) lent(c *model.Collection, n Named) (before model.Load, ours bool) {
	for _, b := range m.Borrowed {
		if b.Named == n && b.ID == c.ID {
			return b.Before, true
		}
	}
	return *c.Load, false
}

// lend loads what is not loaded, after that was noted.
func (m *moving) lend(ctx context.Context, source *milvus.Server, c *model.Collection, b borrowed) error {
	if _, err := m.record.noteMade(ctx, func(now *made) {
		now.Borrowed = append(slices.DeleteFunc(now.Borrowed, b.same), b)
	}); err != nil {
		return err
	}
	return loadWhole(ctx, source, c.Name)
}

// loadWhole loads what of a collection is not loaded, unless it can't be for want of an index.
func loadWhole(ctx context.Context, server *milvus.Server, name string) error {
	c, err := server.DescribeWhole(ctx, name)
	if err != nil || c.Loaded || len(c.Unindexed()) > 0 {
		return err
	}
	if c.Load.Released() {
		return server.Load(ctx, name)
	}
	return server.LoadPartitions(ctx, name, c.Load.Lacking(c.Partitions), *c.Load)
}

func (b borrowed) same(other borrowed) bool { return b.Named == other.Named }

// giveBackTimeout bounds what is done after the end of a call that was interrupted.
const giveBackTimeout = 20 * time.Second

// giveBack releases what was loaded for the time being, also where the context has ended. What fails is given back by the next call of the move.
func (m *moving) giveBack(ctx context.Context, b borrowed) {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), giveBackTimeout)
	defer cancel()
	err := m.release(ctx, b)
	if err == nil {
		_, err = m.record.noteMade(ctx, func(now *made) { now.Borrowed = slices.DeleteFunc(now.Borrowed, b.same) })
	}
	if err != nil {
		slog.WarnContext(ctx, "a collection that was loaded for the time being stays loaded, until the same move is called again", "collection", b.Named.String(), "error", err)
	}
}

func (m *moving) release(ctx context.Context, b borrowed) error {
	source := m.Source.In(b.Database)
	c, err := source.DescribeWhole(ctx, b.Collection)
	switch {
	case errors.Is(err, milvus.ErrNotFound), err == nil && c.ID != b.ID:
		return nil // it was dropped meanwhile
	case err != nil || c.Load.Released():
		return err
	case b.Before.Released():
		return source.Release(ctx, b.Collection)
	}
	others := b.Before.Lacking(c.Load.Partitions)
	if len(others) == 0 {
		return nil
	}
	return source.ReleasePartitions(ctx, b.Collection, others)
}

// giveBackAll gives back what earlier calls of the move could not, but for what is to be read still.
func (m *moving) giveBackAll(ctx context.Context, but []*Planned) error {
	if m.Source == nil {
		return nil
	}
	made, err := m.record.madeSoFar(ctx)
	for _, b := range made.Borrowed {
		if !slices.ContainsFunc(but, func(p *Planned) bool { return p.Named == b.Named }) {
			m.giveBack(ctx, b)
		}
	}
	return err
}

// checkMemory refuses a collection that takes more memory than may be used to load it: ErrLoadMemory.
func (m *moving) checkMemory(p *Planned, c *model.Collection) error {
	bytes := p.Rows * model.EstimatedRow(c.Schema)
	if m.LoadMemory == 0 || bytes <= m.LoadMemory {
		return nil
	}
	return fmt.Errorf("loading %s, about %s: %w", p.Named, size(bytes), ErrLoadMemory)
}

// takeMemory waits until what is loaded for the time being leaves so much of the memory that may be used for that.
func (m *moving) takeMemory(ctx context.Context, bytes int64) error {
	if m.LoadMemory == 0 {
		return nil
	}
	return m.memory.Acquire(ctx, bytes)
}

func (m *moving) leaveMemory(bytes int64) {
	if m.LoadMemory > 0 {
		m.memory.Release(bytes)
	}
}
