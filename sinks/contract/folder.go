package contract

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"slices"
	"strings"

	"migrate/sinks"
)

// folder is where a check works: names in it are relative to root.
type folder struct {
	sink sinks.Sink
	root string // ends in a slash
}

// put stores data in small writes, so that a sink has to put them together.
func (f folder) put(ctx context.Context, name string, data []byte) error {
	info, err := f.sink.Put(ctx, f.root+name, func(w io.Writer) error { return writeInPieces(w, data) })
	if err != nil {
		return err
	}
	if info.Name != f.root+name || info.Size != int64(len(data)) {
		return fmt.Errorf("put of %d bytes as %q reported %d bytes as %q", len(data), f.root+name, info.Size, info.Name)
	}
	return nil
}

func writeInPieces(w io.Writer, data []byte) error {
	const piece = 100_003
	for chunk := range slices.Chunk(data, piece) {
		if _, err := w.Write(chunk); err != nil {
			return err
		}
	}
	return nil
}

func (f folder) open(ctx context.Context, name string) (sinks.Object, error) {
	return f.sink.Open(ctx, f.root+name)
}

// holds tells whether the object has exactly these bytes.
func (f folder) holds(ctx context.Context, name string, want []byte) (err error) {
	object, err := f.open(ctx, name)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, object.Close()) }()
	if object.Size() != int64(len(want)) {
		return fmt.Errorf("%q opens with %d bytes, not %d", name, object.Size(), len(want))
	}
	got, err := io.ReadAll(object)
	if err != nil {
		return err
	}
	if !bytes.Equal(got, want) {
		return fmt.Errorf("%q has other bytes than were put", name)
	}
	return f.isListed(ctx, name, int64(len(want)))
}

// isListed tells whether List shows the object with that size.
func (f folder) isListed(ctx context.Context, name string, size int64) error {
	info, err := f.listed(ctx, name)
	if err != nil {
		return err
	}
	if info.Size != size || info.ModTime.IsZero() {
		return fmt.Errorf("%q, %d bytes, is listed as %+v", name, size, info)
	}
	return nil
}

// listed is what List tells of an object that is there.
func (f folder) listed(ctx context.Context, name string) (sinks.Info, error) {
	for info, err := range f.sink.List(ctx, f.root+name) {
		if err != nil || info.Name == f.root+name {
			return info, err
		}
	}
	return sinks.Info{}, fmt.Errorf("%q is there but not listed", name)
}

// lacks tells whether neither Open nor List show the object.
func (f folder) lacks(ctx context.Context, name string) error {
	if object, err := f.open(ctx, name); !errors.Is(err, sinks.ErrNotExist) {
		return errors.Join(fmt.Errorf("open of the absent %q: %w", name, unexpected(err)), closed(object))
	}
	names, err := f.names(ctx, "")
	if err != nil {
		return err
	}
	if slices.Contains(names, name) {
		return fmt.Errorf("the absent %q is listed", name)
	}
	return nil
}

// unexpected makes an error of none.
func unexpected(err error) error {
	if err == nil {
		return errors.New("no error")
	}
	return err
}

func closed(object sinks.Object) error {
	if object == nil {
		return nil
	}
	return object.Close()
}

// names lists the folder's objects that begin with prefix, relative to the folder.
func (f folder) names(ctx context.Context, prefix string) ([]string, error) {
	var names []string
	for info, err := range f.sink.List(ctx, f.root+prefix) {
		if err != nil {
			return nil, err
		}
		name, inside := strings.CutPrefix(info.Name, f.root)
		if !inside {
			return nil, fmt.Errorf("list of %q shows %q", f.root+prefix, info.Name)
		}
		names = append(names, name)
	}
	return names, nil
}

// remove deletes all of the folder and tells whether it is gone.
func (f folder) remove(ctx context.Context) error {
	names, err := f.names(ctx, "")
	if err != nil {
		return fmt.Errorf("removing what the check wrote: %w", err)
	}
	for _, name := range names {
		if err := f.sink.Delete(ctx, f.root+name); err != nil {
			return fmt.Errorf("removing what the check wrote: %w", err)
		}
	}
	names, err = f.names(ctx, "")
	if err == nil && len(names) > 0 {
		err = fmt.Errorf("deleted objects are still listed: %q", names)
	}
	return err
}

// randomBytes returns the same size bytes for the same seed.
func randomBytes(seed uint64, size int) []byte {
	data := make([]byte, size)
	_, _ = rand.NewChaCha8([32]byte{byte(seed)}).Read(data) // never fails
	return data
}
