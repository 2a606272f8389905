package contract

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"

	"golang.org/x/sync/errgroup"

	"migrate/sinks"
)

const (
	small = 100_000
	large = 20 << 20 // more than a part of an S3 upload
)

func putThenOpen(ctx context.Context, f folder) error {
	for _, size := range []int{0, 1, small, large} {
		data := randomBytes(1, size)
		if err := f.put(ctx, "object", data); err != nil {
			return err
		}
		if err := f.holds(ctx, "object", data); err != nil {
			return fmt.Errorf("object of %d bytes: %w", size, err)
		}
	}
	return nil
}

func replace(ctx context.Context, f folder) error {
	for seed, size := range []int{small, 1, large, 0} {
		data := randomBytes(uint64(seed), size)
		if err := f.put(ctx, "deep/object", data); err != nil {
			return err
		}
		if err := f.holds(ctx, "deep/object", data); err != nil {
			return fmt.Errorf("after put %d: %w", seed+1, err)
		}
	}
	return nil
}

func readAfterWrite(ctx context.Context, f folder) error {
	for i := range 50 {
		name, data := fmt.Sprintf("object-%02d", i), randomBytes(uint64(i), 100+i)
		if err := f.put(ctx, name, data); err != nil {
			return err
		}
		if err := f.holds(ctx, name, data); err != nil {
			return err
		}
		if i%2 == 1 {
			continue
		}
		if err := f.sink.Delete(ctx, f.root+name); err != nil {
			return err
		}
		if err := f.lacks(ctx, name); err != nil {
			return err
		}
	}
	return nil
}

func missing(ctx context.Context, f folder) error {
	if err := f.put(ctx, "folder/object", randomBytes(1, 10)); err != nil {
		return err
	}
	for _, name := range []string{"nothing", "folder", "folder/nothing", "no/folder/nothing"} {
		if err := f.lacks(ctx, name); err != nil {
			return err
		}
		if err := f.sink.Delete(ctx, f.root+name); err != nil {
			return fmt.Errorf("delete of the absent %q: %w", name, err)
		}
	}
	return f.holds(ctx, "folder/object", randomBytes(1, 10))
}

func readAt(ctx context.Context, f folder) (err error) {
	data := randomBytes(1, large)
	if err := f.put(ctx, "object", data); err != nil {
		return err
	}
	object, err := f.open(ctx, "object")
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, object.Close()) }()
	group, _ := errgroup.WithContext(ctx)
	for i := range 16 {
		group.Go(func() error { return readsAt(object, data, int64(i)*(large/16)+int64(i*997%4096), 50_000+i) })
	}
	group.Go(func() error { return readsOn(object, data) })
	if err := group.Wait(); err != nil {
		return err
	}
	return readsAtTheEnd(object, data)
}

func readsAt(object io.ReaderAt, data []byte, offset int64, size int) error {
	size = min(size, len(data)-int(offset))
	got := make([]byte, size)
	if n, err := object.ReadAt(got, offset); n != size || (err != nil && !errors.Is(err, io.EOF)) {
		return fmt.Errorf("read %d of %d bytes at %d: %w", n, size, offset, unexpected(err))
	}
	if !bytes.Equal(got, data[offset:offset+int64(size)]) {
		return fmt.Errorf("other bytes at %d than were put", offset)
	}
	return nil
}

// readsOn tells whether Read goes its own way, whatever ReadAt does meanwhile.
func readsOn(object io.Reader, data []byte) error {
	got, err := io.ReadAll(object)
	if err != nil {
		return err
	}
	if !bytes.Equal(got, data) {
		return errors.New("read beside ReadAt gave other bytes than were put")
	}
	return nil
}

func readsAtTheEnd(object io.ReaderAt, data []byte) error {
	for _, test := range []struct{ back, want int }{{back: 10, want: 10}, {back: 0, want: 0}, {back: -10, want: 0}} {
		got := make([]byte, 20)
		n, err := object.ReadAt(got, int64(len(data)-test.back))
		if n != test.want || !errors.Is(err, io.EOF) || !bytes.Equal(got[:n], data[len(data)-n:]) {
			return fmt.Errorf("read 20 bytes %d before the end: %d bytes, %w", test.back, n, unexpected(err))
		}
	}
	return nil
}

func seek(ctx context.Context, f folder) (err error) {
	data := randomBytes(1, small)
	if err := f.put(ctx, "object", data); err != nil {
		return err
	}
	object, err := f.open(ctx, "object")
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, object.Close()) }()
	for _, test := range []struct {
		offset int64
		whence int
		want   int64
	}{
		{offset: 50_000, whence: io.SeekStart, want: 50_000},
		{offset: -20, whence: io.SeekCurrent, want: 49_990}, // 10 bytes were read
		{offset: -7, whence: io.SeekEnd, want: small - 7},
		{offset: 0, whence: io.SeekEnd, want: small},
		{offset: 0, whence: io.SeekStart, want: 0},
	} {
		if err := seeks(object, data, test.offset, test.whence, test.want); err != nil {
			return err
		}
	}
	return nil
}

// seeks tells whether seeking leads to want, and up to 10 bytes can be read from there.
func seeks(object io.ReadSeeker, data []byte, offset int64, whence int, want int64) error {
	at, err := object.Seek(offset, whence)
	if err != nil {
		return err
	}
	if at != want {
		return fmt.Errorf("seeking %d from %d led to %d, not %d", offset, whence, at, want)
	}
	got, err := io.ReadAll(io.LimitReader(object, 10))
	if err != nil {
		return err
	}
	if !bytes.Equal(got, data[want:min(want+10, int64(len(data)))]) {
		return fmt.Errorf("other bytes at %d, where seeking led, than were put", want)
	}
	return nil
}

func list(ctx context.Context, f folder) error {
	names := []string{"a-b", "a/b.c/d", "a/b/c-d", "a/b0", "a0", "b/a/a", "b/b", "c", "ca", "é/ü"} // in order
	for _, name := range slices.Backward(names) {
		if err := f.put(ctx, name, []byte(name)); err != nil {
			return err
		}
	}
	for _, prefix := range []string{"", "a", "a/", "a/b", "a/b/", "b/a/a", "c", "d", "b/a/a/", "é"} {
		want := slices.DeleteFunc(slices.Clone(names), func(name string) bool { return !strings.HasPrefix(name, prefix) })
		got, err := f.names(ctx, prefix)
		if err != nil {
			return err
		}
		if !slices.Equal(got, want) {
			return fmt.Errorf("list of prefix %q: %q, not %q", prefix, got, want)
		}
	}
	return breaksOff(ctx, f)
}

// breaksOff tells whether a list can be left before its end.
func breaksOff(ctx context.Context, f folder) error {
	for _, err := range f.sink.List(ctx, f.root) {
		return err
	}
	return errors.New("a list of objects is empty")
}

// tags are looked at where the sink tells any.
func tags(ctx context.Context, f folder) error {
	seen := map[string]bool{}
	for seed, size := range []int{100, 100, small, small, 100} {
		if err := f.put(ctx, "deep/object", randomBytes(uint64(seed), size)); err != nil {
			return err
		}
		info, err := f.listed(ctx, "deep/object")
		if err != nil || info.Tag == "" {
			return err
		}
		if seen[info.Tag] {
			return fmt.Errorf("an object that was replaced is listed with the tag %q that it had before", info.Tag)
		}
		seen[info.Tag] = true
		if again, err := f.listed(ctx, "deep/object"); err != nil || again.Tag != info.Tag {
			return fmt.Errorf("an object that nobody replaced is listed with the tags %q and %q: %w", info.Tag, again.Tag, err)
		}
	}
	return nil
}

func oddNames(ctx context.Context, f folder) error {
	names := []string{
		"with space", "plus+and%", "100%25", "%2F", "question?mark", "hash#mark", "semi;colon,comma", "a=b&c=d",
		`quotes'"`, "日本/語", "\u00e9", "e\u0301", "🙂", "(round) [square] {curly}", ".hidden", "trailing.", "...", "a..b", "~tilde",
		"star*", "<angle>", "pipe|", "dollar$", "colon:at@", "UPPER", "upper", "key=value/part-00000.parquet",
	}
	for i, name := range names {
		data := []byte(fmt.Sprint(i, name))
		if err := f.put(ctx, name, data); err != nil {
			return err
		}
	}
	for i, name := range names {
		if err := f.holds(ctx, name, []byte(fmt.Sprint(i, name))); err != nil {
			return err
		}
	}
	slices.Sort(names)
	got, err := f.names(ctx, "")
	if err != nil {
		return err
	}
	if !slices.Equal(got, names) {
		return fmt.Errorf("listed %q, not %q", got, names)
	}
	return nil
}

func badNames(ctx context.Context, f folder) error {
	for _, name := range []string{
		"", ".", "..", "/absolute", "a//b", "a/", "a/../b", "../a", "./a", "a/.. /b", "a\\b", "new\nline", "nul\x00", "\xff",
		"a/.object.x.partial",
	} {
		if err := refuses(ctx, f.sink, name); err != nil {
			return fmt.Errorf("name %q: %w", name, err)
		}
	}
	return nil
}

func refuses(ctx context.Context, sink sinks.Sink, name string) error {
	_, putErr := sink.Put(ctx, name, func(io.Writer) error { return nil })
	object, openErr := sink.Open(ctx, name)
	deleteErr := sink.Delete(ctx, name)
	for method, err := range map[string]error{"put": putErr, "open": openErr, "delete": deleteErr} {
		if err == nil || errors.Is(err, sinks.ErrNotExist) {
			return errors.Join(fmt.Errorf("%s does not refuse it: %w", method, unexpected(err)), closed(object))
		}
	}
	return nil
}
