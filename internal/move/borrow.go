package move

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"time"

	"golang.org/x/sync/semaphore"

	"migrate/checkpoint"
	"migrate/internal/milvus"
	"migrate/internal/model"
)

// ErrLoadMemory: to be read, a collection would have to be loaded into more memory than may be used for that.
var ErrLoadMemory = errors.New("loading it as a whole takes more memory than --load-memory")

// lender is a server on which a collection may be loaded for the time being.
type lender struct {
	Named
	server *milvus.Server      // in the collection's database
	source bool                // it is the one that is moved from
	memory *semaphore.Weighted // of LoadMemory, on this server
}

func (m *moving) onSource(p *Planned) lender {
	return lender{p.Named, m.Source.In(p.Database), true, m.sourceMemory}
}

func (m *moving) onTarget(p *Planned) lender {
	return lender{p.Target, m.Target.In(p.Target.Database), false, m.targetMemory}
}

// borrow has a collection be loaded as a whole, where it is not and may be, until the function that is returned gives it back as it was, unless
// the error of what was done with it says that another process reads it now. What is borrowed is kept before: the next call of the move gives
// back what this one could not, or reads it and gives it back then.
func (m *moving) borrow(ctx context.Context, p *Planned, from lender) (giveBack func(error), err error) {
	nothing := func(error) {}
	if !m.loads(p) {
		return nothing, nil
	}
	c, err := from.server.DescribeWhole(ctx, from.Collection)
	if err != nil {
		return nothing, err
	}
	made, err := m.loans.madeSoFar(ctx)
	if err != nil {
		return nothing, err
	}
	loan, ours := from.lent(made, c)
	if len(c.Unindexed()) > 0 || c.Loaded && !ours {
		return nothing, nil
	}
	if err := m.checkMemory(p, c); err != nil {
		return nothing, err
	}
	bytes := p.memory(c)
	if err := m.takeMemory(ctx, from, bytes); err != nil {
		return nothing, err
	}
	giveBack = func(err error) {
		defer m.leaveMemory(from, bytes)
		if !errors.Is(err, checkpoint.ErrHeld) && !errors.Is(err, checkpoint.ErrLost) {
			m.giveBack(ctx, from.server, loan)
		}
	}
	if err := m.lend(ctx, from.server, loan, c); err != nil {
		giveBack(err)
		return nothing, err
	}
	return giveBack, nil
}

// borrowToVerify does so with both sides of what is held against each other. One that was imported by this call is loaded already.
func (m *moving) borrowToVerify(ctx context.Context, p *Planned) (giveBack func(), err error) {
	var all []func(error)
	giveBack = func() {
		for _, back := range all {
			back(nil)
		}
	}
	for _, from := range m.verifies(p) {
		back, err := m.borrow(ctx, p, from)
		if all = append(all, back); err != nil {
			giveBack()
			return nil, err
		}
	}
	return giveBack, nil
}

// verifies are the servers on which a collection is loaded to be verified. Each call takes what it needs in this order, so that none waits
// for one that waits for it.
func (m *moving) verifies(p *Planned) (on []lender) {
	if m.FromSource {
		on = append(on, m.onSource(p))
	}
	if m.Steps.Verify && !m.Steps.Import {
		on = append(on, m.onTarget(p))
	}
	return on
}

// lent is what of a collection was loaded before the move loaded it, or is now, and whether the move has loaded it.
func (l lender) lent(m made, c *model.Collection) (loan borrowed, ours bool) {
	for _, b := range m.Borrowed {
		if b.Named == l.Named && b.ID == c.ID && l.is(b.Server) {
			return b, true
		}
	}
	return borrowed{l.Named, milvus.HostPort(l.server.Address), c.ID, *c.Load}, false
}

func (l lender) is(server string) bool {
	return server == milvus.HostPort(l.server.Address) || l.source && server == ""
}

// lend loads what is not loaded of a collection, after that was noted. A call that was killed may have loaded it just now, so that its rows
// are not seen yet.
func (m *moving) lend(ctx context.Context, server *milvus.Server, b borrowed, c *model.Collection) error {
	if _, err := m.loans.noteMade(ctx, func(now *made) {
		now.Borrowed = append(slices.DeleteFunc(now.Borrowed, b.same), b)
	}); err != nil {
		return err
	}
	if c.Loaded && !b.Before.Released() {
		return server.AwaitRows(ctx, b.Collection, b.Before.Lacking(c.Partitions))
	}
	return loadWhole(ctx, server, b.Collection)
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

func (b borrowed) same(other borrowed) bool {
	return b.Named == other.Named && b.Server == other.Server
}

// giveBackTimeout bounds what is done after the end of a call that was interrupted.
const giveBackTimeout = 20 * time.Second

// giveBack releases what was loaded for the time being, also where the context has ended. What fails is given back by the next call of the move.
func (m *moving) giveBack(ctx context.Context, server *milvus.Server, b borrowed) {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), giveBackTimeout)
	defer cancel()
	err := b.release(ctx, server)
	if err == nil {
		_, err = m.loans.noteMade(ctx, func(now *made) { now.Borrowed = slices.DeleteFunc(now.Borrowed, b.same) })
	}
	if err != nil {
		slog.WarnContext(ctx, "a collection that was loaded for the time being stays loaded, until the same move is called again", "collection", b.Named.String(), "error", err)
	}
}

func (b borrowed) release(ctx context.Context, server *milvus.Server) error {
	c, err := server.DescribeWhole(ctx, b.Collection)
	switch {
	case errors.Is(err, milvus.ErrNotFound), err == nil && c.ID != b.ID:
		return nil // it was dropped meanwhile
	case err != nil || c.Load.Released():
		return err
	case b.Before.Released():
		return server.Release(ctx, b.Collection)
	}
	others := b.Before.Lacking(c.Load.Partitions)
	if len(others) == 0 {
		return nil
	}
	return server.ReleasePartitions(ctx, b.Collection, others)
}

// giveBackAll gives back what earlier calls of the move could not, but for what this one is to read still.
func (m *moving) giveBackAll(ctx context.Context, todo []*Planned) error {
	made, err := m.loans.madeSoFar(ctx)
	for _, b := range made.Borrowed {
		server := m.lenderOf(b)
		if server == nil || slices.ContainsFunc(todo, func(p *Planned) bool { return m.borrows(p, b) }) {
			continue
		}
		m.giveBack(ctx, server, b)
	}
	return err
}

// giveBackOf gives back what a call had loaded that was killed once it had read it.
func (m *moving) giveBackOf(ctx context.Context, from lender) error {
	made, err := m.loans.madeSoFar(ctx)
	for _, b := range made.Borrowed {
		if b.Named == from.Named && from.is(b.Server) {
			m.giveBack(ctx, from.server, b)
		}
	}
	return err
}

// lenderOf is the server of what was borrowed; nil where this call has nothing to do with it.
func (m *moving) lenderOf(b borrowed) *milvus.Server {
	for _, server := range []*milvus.Server{m.Source, m.Target} {
		if server != nil && (lender{server: server, source: server == m.Source}).is(b.Server) {
			return server.In(b.Database)
		}
	}
	return nil
}

// borrows reports whether this call borrows the same for a collection that it is to read.
func (m *moving) borrows(p *Planned, b borrowed) bool {
	from := m.verifies(p)
	if m.Steps.Export {
		from = append(from, m.onSource(p))
	}
	return slices.ContainsFunc(from, func(l lender) bool { return l.Named == b.Named && l.is(b.Server) })
}

// memory is about what a collection takes that is loaded as a whole, in bytes.
func (p *Planned) memory(c *model.Collection) int64 { return p.stored * model.EstimatedRow(c.Schema) }

// checkMemory refuses a collection that takes more memory than may be used to load it: ErrLoadMemory.
func (m *moving) checkMemory(p *Planned, c *model.Collection) error {
	bytes := p.memory(c)
	if m.LoadMemory == 0 || bytes <= m.LoadMemory {
		return nil
	}
	return fmt.Errorf("loading %s, about %s: %w", p.Named, size(bytes), ErrLoadMemory)
}

// takeMemory waits until what is loaded for the time being on a server leaves so much of the memory that may be used for that.
func (m *moving) takeMemory(ctx context.Context, on lender, bytes int64) error {
	if m.LoadMemory == 0 {
		return nil
	}
	return on.memory.Acquire(ctx, bytes)
}

func (m *moving) leaveMemory(on lender, bytes int64) {
	if m.LoadMemory > 0 {
		on.memory.Release(bytes)
	}
}
