package query

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"strings"

	"golang.org/x/time/rate"

	"migrate/internal/columns"
	"migrate/internal/milvus"
	"migrate/internal/model"
	"migrate/internal/source"
)

// Options of reading. The zero value is useful.
type Options struct {
	Load    bool // load a collection that is not loaded, until its source is closed
	MaxRate int  // rows a second, in all reads together; no limit where zero
	// Limit is what the reads of several collections share, in place of MaxRate.
	Limit *rate.Limiter
	// RowBytes is the size of a row, where it is known from before; a sample of rows tells it where zero.
	RowBytes float64
}

// Opener opens collections of a server.
func Opener(server *milvus.Server, opts Options) source.Opener {
	return func(ctx context.Context, coll *model.Collection, pin json.RawMessage) (source.Source, error) {
		s, err := OpenAt(ctx, server, coll, pin, opts)
		if err != nil {
			return nil, err
		}
		return s, nil
	}
}

// Open opens a loaded collection as it stands now. ErrNotLoaded where it is not loaded as a whole, and ErrNoIndex where it can't
// be: unless it has no row, which is known without a query.
func Open(ctx context.Context, server *milvus.Server, coll *model.Collection) (*Source, error) {
	return OpenAt(ctx, server, coll, nil, Options{})
}

// OpenByName opens a loaded collection of that name as it stands now.
func OpenByName(ctx context.Context, server *milvus.Server, name string) (*Source, error) {
	coll, err := server.Describe(ctx, name)
	if err != nil {
		return nil, err
	}
	return Open(ctx, server, coll)
}

// OpenAt opens a collection as a plan with that pin saw it, or as it stands now where there is none.
func OpenAt(ctx context.Context, server *milvus.Server, coll *model.Collection, pin json.RawMessage, opts Options) (*Source, error) {
	layout, err := columns.NewLayout(coll.Schema)
	if err != nil {
		return nil, fmt.Errorf("collection %q: %w", coll.Name, err)
	}
	if err := server.Capabilities().CheckKey(coll.Schema); err != nil {
		return nil, fmt.Errorf("reading %q on %s: %w", coll.Name, server.Address, err)
	}
	if err := server.CheckReading(ctx, coll); err != nil {
		return nil, err
	}
	s := &Source{coll: coll, layout: layout, key: server.Filters().KeyOf(coll.Schema), server: server, extents: &extents{}, cutPages: &pagesAhead{}}
	s.unfiltered = server.Capabilities().CheckFilters(coll.Schema) != nil
	if s.limit = opts.Limit; s.limit == nil && opts.MaxRate > 0 {
		s.limit = rate.NewLimiter(rate.Limit(opts.MaxRate), opts.MaxRate)
	}
	if opts.Load {
		if err := s.load(ctx); err != nil {
			return nil, err
		}
	}
	if err := s.open(ctx, pin, opts.RowBytes); err != nil {
		return nil, errors.Join(err, s.Close(ctx))
	}
	return s, nil
}

// load loads a collection for the time being, unless it has no index: then it can't be, and need not be where it is empty.
func (s *Source) load(ctx context.Context) (err error) {
	if len(s.coll.Unindexed()) > 0 {
		return nil
	}
	if s.unload, err = s.server.LoadTemporarily(ctx, s.coll.Name); err == nil {
		s.coll.Loaded = true
	}
	return err
}

func (s *Source) open(ctx context.Context, pin json.RawMessage, rowBytes float64) error {
	if !s.coll.Loaded {
		return s.openUnloaded(ctx)
	}
	if len(pin) > 0 {
		return s.openPinned(ctx, pin)
	}
	if err := s.begin(ctx); err != nil {
		return err
	}
	if err := s.checkWhole(ctx); err != nil {
		return err
	}
	if rowBytes > 0 {
		s.sizeBy(rowBytes)
		return nil
	}
	return s.sample(ctx)
}

// Close releases a collection that was loaded for the time being.
func (s *Source) Close(context.Context) error {
	if s.unload != nil {
		s.unload()
		s.unload = nil
	}
	return nil
}

// Collection is all of the collection but its rows, as it was when it was opened.
func (s *Source) Collection() *model.Collection { return s.coll }

// RewritesJSON reports whether the server spells documents anew.
func (s *Source) RewritesJSON() bool { return s.server.Capabilities().RewritesJSON }

// openUnloaded refuses a collection that is not loaded, unless it can't be and is empty.
func (s *Source) openUnloaded(ctx context.Context) error {
	fields := s.coll.Unindexed()
	if len(fields) == 0 {
		return fmt.Errorf("reading %q on %s: %w as a whole", s.coll.Name, s.server.Address, milvus.ErrNotLoaded)
	}
	rows, err := s.server.RowCount(ctx, s.coll.Name)
	if err != nil {
		return err
	}
	if rows > 0 {
		return fmt.Errorf("reading %q on %s, which has %d rows: %w on %s, so it can't be loaded",
			s.coll.Name, s.server.Address, rows, milvus.ErrNoIndex, strings.Join(fields, ", "))
	}
	s.empty = true
	return s.size(0, 0, nil)
}

// begin takes a snapshot where the server gives one, and the present time elsewhere.
func (s *Source) begin(ctx context.Context) (err error) {
	if s.server.Capabilities().SnapshotReads {
		answer, err := s.ask(ctx, model.AllPartitions, s.key.Within(model.Range{}), []string{s.layout.KeyName()}, limited(1))
		if err != nil {
			return fmt.Errorf("taking a snapshot of %q: %w", s.coll.Name, err)
		}
		s.at(answer.Snapshot)
	}
	if !s.snapshot {
		s.asOf, err = s.server.Now(ctx)
	}
	return err
}
