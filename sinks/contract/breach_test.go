package contract_test

import (
	"bytes"
	"context"
	"crypto/rand"
	"errors"
	"io"
	"iter"
	"maps"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"

	"migrate/sinks"
	"migrate/sinks/contract"
)

// A contract is worth what it finds: each of these sinks breaks one promise.
func TestBreachesAreFound(t *testing.T) {
	for _, test := range []struct {
		name     string
		breaking func(sinks.Sink) sinks.Sink
		found    string // the check that has to find it
	}{
		{"puts what was written before an error", func(s sinks.Sink) sinks.Sink { return hasty{s} }, "a put that write fails leaves nothing"},
		{"goes on after its context's end", func(s sinks.Sink) sinks.Sink { return deaf{s} }, "a put whose context ends leaves nothing"},
		{"drops the last byte", func(s sinks.Sink) sinks.Sink { return short{s} }, "what was put is what is opened"},
		{"keeps the old object", func(s sinks.Sink) sinks.Sink { return once{s} }, "a put replaces"},
		{"shows an object too early", func(s sinks.Sink) sinks.Sink { return early{s} }, "an object is not seen while it is being put"},
		{"lists without order", func(s sinks.Sink) sinks.Sink { return backward{s} }, "a list is in order and keeps to its prefix"},
		{"lists too much", func(s sinks.Sink) sinks.Sink { return wide{s} }, "a list is in order and keeps to its prefix"},
		{"tags by size", func(s sinks.Sink) sinks.Sink { return bySize{s} }, "a tag changes with its object"},
		{"tags anew", func(s sinks.Sink) sinks.Sink { return anew{s} }, "a tag changes with its object"},
		{"says missing in words of its own", func(s sinks.Sink) sinks.Sink { return mute{s} }, "a missing object is said to be missing"},
		{"forgets to delete", func(s sinks.Sink) sinks.Sink { return keeping{s} }, "what was put is there at once"},
		{"swaps whatever the version", func(s sinks.Sink) sinks.Sink { return heedless{breach(s)} }, "a swap replaces only the version that was seen"},
		{"creates over what is there", func(s sinks.Sink) sinks.Sink { return creating{breach(s)} }, "a swap creates only what is absent"},
		{"looks first and swaps then", func(s sinks.Sink) sinks.Sink { return racing{breach(s)} }, "of many swaps of one version one wins"},
		{"creates twice at once", func(s sinks.Sink) sinks.Sink { return racing{breach(s)} }, "what is swapped in and deleted has one owner at a time"},
		{"stores what it refuses", func(s sinks.Sink) sinks.Sink { return leaking{breach(s)} }, "a swap that fails leaves what was there"},
		{"tells the old version", func(s sinks.Sink) sinks.Sink { return lagging{breach(s)} }, "what was swapped is what is loaded"},
		{"does not know its own", func(s sinks.Sink) sinks.Sink { return strict{breach(s)} }, "a swap may be made again"},
		{"cannot swap", func(s sinks.Sink) sinks.Sink { return struct{ sinks.Sink }{s} }, "a swap may be made again"},
		{"moves Read by ReadAt", func(s sinks.Sink) sinks.Sink { return moving{s} }, "an object is read from any place, by many at once"},
	} {
		t.Run(test.name, func(t *testing.T) {
			sink, err := sinks.NewLocal(t.TempDir())
			if err != nil {
				t.Fatal(err)
			}
			checks := append(contract.Checks(), contract.SwapChecks()...)
			i := slices.IndexFunc(checks, func(c contract.Check) bool { return c.Name == test.found })
			if i < 0 {
				t.Fatalf("no check %q", test.found)
			}
			err = checks[i].Run(t.Context(), test.breaking(sink))
			if err == nil {
				t.Errorf("%q does not find it", test.found)
			}
		})
	}
}

type hasty struct{ sinks.Sink }

func (s hasty) Put(ctx context.Context, name string, write func(io.Writer) error) (sinks.Info, error) {
	var failed error
	info, err := s.Sink.Put(ctx, name, func(w io.Writer) error {
		failed = write(w)
		return nil
	})
	return info, errors.Join(err, failed)
}

type deaf struct{ sinks.Sink }

func (s deaf) Put(ctx context.Context, name string, write func(io.Writer) error) (sinks.Info, error) {
	return s.Sink.Put(context.WithoutCancel(ctx), name, write)
}

type short struct{ sinks.Sink }

func (s short) Put(ctx context.Context, name string, write func(io.Writer) error) (sinks.Info, error) {
	var data bytes.Buffer
	if err := write(&data); err != nil {
		return sinks.Info{}, err
	}
	info, err := s.Sink.Put(ctx, name, func(w io.Writer) error {
		_, err := w.Write(data.Bytes()[:max(0, data.Len()-1)])
		return err
	})
	info.Size = int64(data.Len())
	return info, err
}

type once struct{ sinks.Sink }

func (s once) Put(ctx context.Context, name string, write func(io.Writer) error) (sinks.Info, error) {
	for info := range s.List(ctx, name) {
		if info.Name == name {
			return info, nil
		}
	}
	return s.Sink.Put(ctx, name, write)
}

type early struct{ sinks.Sink }

func (s early) Put(ctx context.Context, name string, write func(io.Writer) error) (sinks.Info, error) {
	if _, err := s.Sink.Put(ctx, name, func(io.Writer) error { return nil }); err != nil {
		return sinks.Info{}, err
	}
	return s.Sink.Put(ctx, name, write)
}

type backward struct{ sinks.Sink }

func (s backward) List(ctx context.Context, prefix string) iter.Seq2[sinks.Info, error] {
	listed := maps.Collect(s.Sink.List(ctx, prefix))
	infos := slices.SortedFunc(maps.Keys(listed), func(a, b sinks.Info) int { return -strings.Compare(a.Name, b.Name) })
	return func(yield func(sinks.Info, error) bool) {
		for _, info := range infos {
			if !yield(info, listed[info]) {
				return
			}
		}
	}
}

type wide struct{ sinks.Sink }

func (s wide) List(ctx context.Context, prefix string) iter.Seq2[sinks.Info, error] {
	return s.Sink.List(ctx, prefix[:strings.LastIndexByte(prefix, '/')+1])
}

type bySize struct{ sinks.Sink }

func (s bySize) List(ctx context.Context, prefix string) iter.Seq2[sinks.Info, error] {
	return tagged(s.Sink.List(ctx, prefix), func(info sinks.Info) string { return strconv.FormatInt(info.Size, 10) })
}

type anew struct{ sinks.Sink }

func (s anew) List(ctx context.Context, prefix string) iter.Seq2[sinks.Info, error] {
	return tagged(s.Sink.List(ctx, prefix), func(sinks.Info) string { return rand.Text() })
}

func tagged(list iter.Seq2[sinks.Info, error], tag func(sinks.Info) string) iter.Seq2[sinks.Info, error] {
	return func(yield func(sinks.Info, error) bool) {
		for info, err := range list {
			if info.Tag = tag(info); !yield(info, err) {
				return
			}
		}
	}
}

type mute struct{ sinks.Sink }

func (s mute) Open(ctx context.Context, name string) (sinks.Object, error) {
	object, err := s.Sink.Open(ctx, name)
	if err != nil {
		return nil, errors.New("not there")
	}
	return object, nil
}

type keeping struct{ sinks.Sink }

func (s keeping) Delete(context.Context, string) error { return nil }

type moving struct{ sinks.Sink }

func (s moving) Open(ctx context.Context, name string) (sinks.Object, error) {
	object, err := s.Sink.Open(ctx, name)
	if err != nil {
		return nil, err
	}
	return &movingObject{Object: object}, nil
}

// movingObject has one place for Read and ReadAt, as some clients do.
type movingObject struct {
	sinks.Object
	mu sync.Mutex
}

func (o *movingObject) Read(p []byte) (int, error) {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.Object.Read(p)
}

func (o *movingObject) ReadAt(p []byte, offset int64) (int, error) {
	o.mu.Lock()
	defer o.mu.Unlock()
	if _, err := o.Seek(offset, io.SeekStart); err != nil {
		return 0, err
	}
	return io.ReadFull(o.Object, p)
}

// swapping is a sink that swaps rightly, for others to break.
type swapping struct {
	sinks.Sink
	sinks.Swapper
}

func breach(s sinks.Sink) swapping {
	swapper, _ := sinks.As[sinks.Swapper](s)
	return swapping{s, swapper}
}

// version is what is there now.
func (s swapping) version(ctx context.Context, name string) sinks.Version {
	_, version, _ := s.Load(ctx, name)
	return version
}

type heedless struct{ swapping }

func (s heedless) Swap(ctx context.Context, name string, _ sinks.Version, data []byte) (sinks.Version, error) {
	return s.swapping.Swap(ctx, name, s.version(ctx, name), data)
}

type creating struct{ swapping }

func (s creating) Swap(ctx context.Context, name string, old sinks.Version, data []byte) (sinks.Version, error) {
	if old == "" {
		old = s.version(ctx, name)
	}
	return s.swapping.Swap(ctx, name, old, data)
}

type racing struct{ swapping }

func (s racing) Swap(ctx context.Context, name string, old sinks.Version, data []byte) (sinks.Version, error) {
	if s.version(ctx, name) != old {
		return "", sinks.ErrChanged
	}
	_, err := s.Put(ctx, name, func(w io.Writer) error {
		_, err := w.Write(data)
		return err
	})
	return s.version(ctx, name), err
}

type leaking struct{ swapping }

func (s leaking) Swap(ctx context.Context, name string, old sinks.Version, data []byte) (sinks.Version, error) {
	version, err := s.swapping.Swap(ctx, name, old, data)
	if errors.Is(err, sinks.ErrChanged) {
		_, _ = s.swapping.Swap(ctx, name, s.version(ctx, name), data)
	}
	return version, err
}

type lagging struct{ swapping }

func (s lagging) Load(ctx context.Context, name string) ([]byte, sinks.Version, error) {
	data, version, err := s.swapping.Load(ctx, name)
	return data, version[:min(1, len(version))], err
}

type strict struct{ swapping }

func (s strict) Swap(ctx context.Context, name string, old sinks.Version, data []byte) (sinks.Version, error) {
	if s.version(ctx, name) != old {
		return "", sinks.ErrChanged
	}
	return s.swapping.Swap(ctx, name, old, data)
}
