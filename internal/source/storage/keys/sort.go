package keys

import (
	"container/heap"
	"context"
	"errors"
	"fmt"
	"io"
	"slices"
	"unsafe"

	"migrate/internal/model"
	"migrate/sinks"
)

// heldBytes is how much is held in memory to be sorted. What is more goes to runs on the sink, which are merged.
const heldBytes = 64 << 20

// sorter sorts the stamps of one file.
type sorter struct {
	sink   sinks.Sink
	name   string
	text   bool
	most   int // bytes that are held
	added  int64
	held   []stamp
	bytes  int
	runs   []string
	newest uint64
}

// put stores what fill adds, in order, as name. It tells how many were added, and the time of the newest.
func put(ctx context.Context, sink sinks.Sink, name string, text bool, most int, fill func(add func(model.Key, uint64) error) error) (added int64, newest uint64, err error) {
	s := &sorter{sink: sink, name: name, text: text, most: most}
	defer func() { err = errors.Join(err, s.clean(ctx)) }()
	if err := fill(func(key model.Key, ts uint64) error { return s.add(ctx, key, ts) }); err != nil {
		return 0, 0, err
	}
	if len(s.runs) == 0 {
		return s.added, s.newest, s.store(ctx, name, s.writeHeld)
	}
	if err := s.spill(ctx); err != nil {
		return 0, 0, err
	}
	return s.added, s.newest, s.store(ctx, name, func(w *writer) error { return s.merge(ctx, w) })
}

func (s *sorter) add(ctx context.Context, key model.Key, ts uint64) error {
	if s.bytes >= s.most {
		if err := s.spill(ctx); err != nil {
			return err
		}
	}
	s.held = append(s.held, stamp{key, ts})
	s.bytes += len(key.Text) + int(unsafe.Sizeof(stamp{}))
	s.added, s.newest = s.added+1, max(s.newest, ts)
	return nil
}

// spill stores what is held as a run.
func (s *sorter) spill(ctx context.Context) error {
	run := fmt.Sprintf("%s.run-%d", s.name, len(s.runs))
	s.runs = append(s.runs, run)
	err := s.store(ctx, run, s.writeHeld)
	clear(s.held) // of the texts
	s.held, s.bytes = s.held[:0], 0
	return err
}

func (s *sorter) store(ctx context.Context, name string, fill func(*writer) error) error {
	_, err := s.sink.Put(ctx, name, func(to io.Writer) error {
		w := newWriter(to, s.text)
		if err := fill(w); err != nil {
			return err
		}
		w.footer.added = s.added
		return w.close()
	})
	return err
}

func (s *sorter) writeHeld(w *writer) error {
	slices.SortFunc(s.held, stamp.compare)
	for _, one := range s.held {
		if err := w.add(one); err != nil {
			return err
		}
	}
	return nil
}

func (s *sorter) merge(ctx context.Context, w *writer) error {
	var open []io.Closer
	defer func() {
		for _, o := range open {
			o.Close()
		}
	}()
	var all merging
	for _, run := range s.runs {
		c, o, err := openFile(ctx, s.sink, run)
		if err != nil {
			return err
		}
		if open = append(open, o); c.done() {
			continue
		}
		if _, err := c.stamp(); err != nil {
			return err
		}
		all = append(all, c)
	}
	heap.Init(&all)
	for len(all) > 0 {
		one, err := all[0].stamp()
		if err != nil {
			return err
		}
		if err := w.add(one); err != nil {
			return err
		}
		if err := all.advance(); err != nil {
			return err
		}
	}
	return nil
}

// clean removes the runs. What it leaves is removed with the files that nothing refers to.
func (s *sorter) clean(ctx context.Context) (err error) {
	for _, run := range s.runs {
		err = errors.Join(err, s.sink.Delete(ctx, run))
	}
	return err
}

// merging are cursors that were read, by the stamps that they are at.
type merging []*cursor

func (m merging) Len() int      { return len(m) }
func (m merging) Swap(i, j int) { m[i], m[j] = m[j], m[i] }
func (m merging) Less(i, j int) bool {
	a, b := m[i], m[j]
	return stamp{a.block.key(a.i), a.block.times[a.i]}.compare(stamp{b.block.key(b.i), b.block.times[b.i]}) < 0
}
func (m *merging) Push(x any) { *m = append(*m, x.(*cursor)) }
func (m *merging) Pop() any {
	last := len(*m) - 1
	c := (*m)[last]
	*m = (*m)[:last]
	return c
}

// advance has the first go on.
func (m *merging) advance() error {
	c := (*m)[0]
	c.next()
	if c.done() {
		heap.Pop(m)
		return nil
	}
	_, err := c.stamp()
	heap.Fix(m, 0)
	return err
}
