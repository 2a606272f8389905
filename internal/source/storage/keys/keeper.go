package keys

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"strings"
	"sync"

	"golang.org/x/sync/errgroup"

	"migrate/internal/model"
	"migrate/internal/source"
	"migrate/sinks"
)

// Logs are the logs in which a server keeps the rows and deletes of a collection.
type Logs interface {
	// List tells of what the collection is made, with all that was written before its instant.
	List(ctx context.Context) (Listing, error)
	// Now are the rows of the segments that are listed without a flush, by number; nil where one is not stored yet, or they are changing.
	Now(ctx context.Context) (map[int64]int64, error)
	// Rows calls add for each row of a segment, and Deletes for each delete of one of its delta logs.
	Rows(ctx context.Context, g Listed, add func(key model.Key, ts uint64) error) error
	Deletes(ctx context.Context, g Listed, log int64, add func(key model.Key, ts uint64) error) error
}

// Listing is what a server says of a collection.
type Listing struct {
	Collection int64
	Text       bool // its keys are texts
	At         uint64
	Segments   []Listed
}

// Listed is a segment that a server lists.
type Listed struct {
	ID          int64
	PartitionID int64
	Partition   string // empty: of all
	Rows        int64  // deleted ones included
	Level0      bool   // it has deletes alone
	Deletes     []int64
}

// Keeper keeps the keys of a collection on a sink, and tells by them what changed.
type Keeper struct {
	Sink   sinks.Sink
	Folder string // of the sink, where nothing else is; it ends in a slash
	Logs   Logs
	held   int // bytes that are sorted in memory; heldBytes where zero
}

var _ source.Changes = (*Keeper)(nil)

// position names a set.
type position struct {
	Set string `json:"set"`
}

// setPrefix begins the names of sets. Those of files begin with the number of a segment.
const setPrefix = "set-"

// Changes implements source.Changes.
func (k *Keeper) Changes(ctx context.Context, since json.RawMessage) (source.Changed, error) {
	var before *Set
	if since != nil {
		var err error
		if before, err = k.setOf(ctx, since); err != nil {
			return source.Changed{}, err
		}
	}
	after, err := k.take(ctx, before)
	if err != nil {
		return source.Changed{}, err
	}
	if before != nil && (before.Collection != after.Collection || before.Text != after.Text) {
		return source.Changed{}, fmt.Errorf("%w: they were kept of another collection", source.ErrUntold)
	}
	if before != nil && before.same(after) {
		return source.Changed{Next: since, Keys: none}, nil
	}
	return k.changed(ctx, before, after)
}

// setOf is the set that a position names.
func (k *Keeper) setOf(ctx context.Context, since json.RawMessage) (*Set, error) {
	var pos position
	if err := json.Unmarshal(since, &pos); err != nil {
		return nil, fmt.Errorf("%w: %w", source.ErrUntold, err)
	}
	s, err := readSet(ctx, k.Sink, k.Folder+pos.Set)
	if errors.Is(err, sinks.ErrNotExist) || errors.Is(err, ErrDamaged) {
		return nil, fmt.Errorf("%w: %w", source.ErrUntold, err)
	}
	return s, err
}

// Same implements source.Changes.
func (k *Keeper) Same(ctx context.Context, since json.RawMessage) (bool, error) {
	s, err := k.setOf(ctx, since)
	if err != nil {
		return false, err
	}
	now, err := k.Logs.Now(ctx)
	if err != nil || now == nil {
		return false, err
	}
	then := map[int64]int64{}
	for _, g := range s.Segments {
		then[g.ID] = 0
		if g.Rows != nil {
			then[g.ID] = g.Rows.Number
		}
	}
	return maps.Equal(then, now), nil
}

func none(func(source.Change, error) bool) {}

// changed stores a set, so that it can be what is next.
func (k *Keeper) changed(ctx context.Context, before, after *Set) (source.Changed, error) {
	name := fmt.Sprintf("%s%d.json", setPrefix, after.At)
	if err := putSet(ctx, k.Sink, k.Folder+name, after); err != nil {
		return source.Changed{}, err
	}
	next, err := json.Marshal(position{name})
	if err != nil {
		return source.Changed{}, err
	}
	if before == nil {
		return source.Changed{Next: next, Keys: none}, nil
	}
	return source.Changed{Next: next, Keys: k.told(Diff(ctx, k.Sink, before, after))}, nil
}

// told has errors say that files are missing or damaged, so that what changed can't be told by them.
func (k *Keeper) told(all func(func(source.Change, error) bool)) func(func(source.Change, error) bool) {
	return func(yield func(source.Change, error) bool) {
		all(func(c source.Change, err error) bool {
			if errors.Is(err, sinks.ErrNotExist) || errors.Is(err, ErrDamaged) {
				err = fmt.Errorf("%w: %w", source.ErrUntold, err)
			}
			return yield(c, err)
		})
	}
}

// taking is how many segments are read at once. Each sorts heldBytes in memory.
const taking = 2

// take has the sink hold the keys of all segments, those that are new read from the logs.
func (k *Keeper) take(ctx context.Context, before *Set) (*Set, error) {
	listing, err := k.Logs.List(ctx)
	if err != nil {
		return nil, err
	}
	known, err := k.known(ctx, before)
	if err != nil {
		return nil, err
	}
	t := &taken{keeper: k, text: listing.Text, known: known}
	s := &Set{Collection: listing.Collection, Text: listing.Text, At: listing.At, Segments: make([]Segment, len(listing.Segments))}
	g, ctx := errgroup.WithContext(ctx)
	g.SetLimit(taking)
	for i, l := range listing.Segments {
		g.Go(func() (err error) {
			s.Segments[i], err = t.segment(ctx, l)
			return err
		})
	}
	return s, g.Wait()
}

// known are the files that are there: those that a set names, and those that an interrupted run has left.
func (k *Keeper) known(ctx context.Context, before *Set) (map[string]File, error) {
	known := map[string]File{}
	if before != nil {
		for _, f := range before.files() {
			known[f.Name] = f
		}
	}
	for info, err := range k.Sink.List(ctx, k.Folder) {
		if err != nil {
			return nil, fmt.Errorf("listing the files of keys: %w", err)
		}
		if _, there := known[info.Name]; !there && strings.HasSuffix(info.Name, suffix) {
			known[info.Name] = File{Name: info.Name, Number: -1}
		}
	}
	return known, nil
}

// suffix ends the names of files.
const suffix = ".keys"

// taken is a set that is being made.
type taken struct {
	keeper *Keeper
	text   bool
	mu     sync.Mutex
	known  map[string]File
}

func (t *taken) segment(ctx context.Context, l Listed) (Segment, error) {
	k, g := t.keeper, Segment{ID: l.ID, Partition: l.Partition}
	if !l.Level0 {
		f, err := t.file(ctx, fmt.Sprintf("%s%d%s", k.Folder, l.ID, suffix), func(add func(model.Key, uint64) error) error { return k.Logs.Rows(ctx, l, add) })
		if err != nil {
			return g, fmt.Errorf("keeping the keys of segment %d: %w", l.ID, err)
		}
		if f.Number != l.Rows {
			return g, fmt.Errorf("%w: segment %d has %d rows, as the server says, and %d in its logs", source.ErrUntold, l.ID, l.Rows, f.Number)
		}
		g.Rows = &f
	}
	for _, log := range l.Deletes {
		f, err := t.file(ctx, fmt.Sprintf("%s%d-%d%s", k.Folder, l.ID, log, suffix), func(add func(model.Key, uint64) error) error { return k.Logs.Deletes(ctx, l, log, add) })
		if err != nil {
			return g, fmt.Errorf("keeping the deletes of segment %d: %w", l.ID, err)
		}
		g.Deletes = append(g.Deletes, f)
	}
	return g, nil
}

// file is one that is there, or is made.
func (t *taken) file(ctx context.Context, name string, fill func(add func(model.Key, uint64) error) error) (File, error) {
	t.mu.Lock()
	f, there := t.known[name]
	t.mu.Unlock()
	if there && f.Number >= 0 {
		return f, nil
	}
	if there {
		if f, err := t.left(ctx, name); err == nil || ctx.Err() != nil {
			return f, err
		}
	}
	most := t.keeper.held
	if most == 0 {
		most = heldBytes
	}
	n, newest, err := put(ctx, t.keeper.Sink, name, t.text, most, fill)
	return File{name, n, newest}, err
}

// left is a file that an interrupted run has made.
func (t *taken) left(ctx context.Context, name string) (File, error) {
	c, o, err := openFile(ctx, t.keeper.Sink, name)
	if err != nil {
		return File{}, err
	}
	return File{name, c.footer.added, c.footer.newest}, o.Close()
}

// Forget implements source.Changes.
func (k *Keeper) Forget(ctx context.Context, keep json.RawMessage) error {
	kept := map[string]bool{}
	if keep != nil {
		var pos position
		if err := json.Unmarshal(keep, &pos); err != nil {
			return err
		}
		s, err := readSet(ctx, k.Sink, k.Folder+pos.Set)
		if err != nil {
			return err
		}
		kept[k.Folder+pos.Set] = true
		for _, f := range s.files() {
			kept[f.Name] = true
		}
	}
	for info, err := range k.Sink.List(ctx, k.Folder) {
		if err != nil {
			return fmt.Errorf("listing the files of keys: %w", err)
		}
		if kept[info.Name] {
			continue
		}
		if err := k.Sink.Delete(ctx, info.Name); err != nil {
			return err
		}
	}
	return nil
}
