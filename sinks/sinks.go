// Package sinks is where exported objects live: a folder of the local filesystem, or a bucket of MinIO or any
// other S3 store. A Sink is five methods; what they promise stands on the interface and is checked for every
// implementation by the contract in sinks/contract.
package sinks

import (
	"context"
	"errors"
	"io"
	"iter"
	"strings"
	"time"
)

// Errors that a caller decides on. Implementations wrap them with what was being done and to which object.
var (
	// ErrNotExist: no object has that name.
	ErrNotExist = errors.New("object does not exist")
	// ErrNoBucket: the bucket of an S3 sink does not exist.
	ErrNoBucket = errors.New("bucket does not exist")
	// ErrAccess: the store refused the credentials, or they do not allow the operation.
	ErrAccess = errors.New("access denied")
	// ErrNoSpace: the store or the filesystem is full.
	ErrNoSpace = errors.New("no space left")
)

// Info describes one stored object.
type Info struct {
	Name    string    // slash-separated, relative to the sink's root
	Size    int64     // bytes
	ModTime time.Time // as the store's clock has it; zero in what Put returns
	Tag     string    // another one whenever the object was replaced; empty in what Put returns, and where the store tells none
}

// Object is an open object. ReadAt may be called from several goroutines; Read and Seek may not.
type Object interface {
	io.ReadSeekCloser
	io.ReaderAt
	Size() int64 // bytes
}

// Sink stores whole objects under slash-separated names.
//
// Names are relative to the sink's root, without "." or ".." elements, and not empty; CheckName is the whole rule. No
// name may be that of a folder of another. A sink is safe for use by several goroutines. Every method returns within a
// second of its context's end.
type Sink interface {
	// Put stores what write writes, under name, replacing what was there. It is atomic: until Put has returned
	// nil no reader sees the new object, and after an error from write, from the store or from the context no
	// reader ever will. After nil the object is durable and seen by every Open and List that starts later.
	// There is one thing that nobody can promise: where the store's answer to the last request was lost, the new
	// object is there, whole, or it is not. Putting it again is safe.
	//
	// write is called once, by the goroutine that calls Put, which waits for it to return. Its writes fail from the
	// context's end on. What write returns is in Put's error by errors.Is, and so is what the store said, if write
	// hides it.
	Put(ctx context.Context, name string, write func(w io.Writer) error) (Info, error)
	// Open opens an object for reading, for as long as its context lasts. ErrNotExist where there is none. What is
	// read is that which was there when it was opened; a read fails where the store no longer has it.
	Open(ctx context.Context, name string) (Object, error)
	// List yields the objects whose names begin with prefix, in ascending order of name. An object that is
	// being put is not listed.
	List(ctx context.Context, prefix string) iter.Seq2[Info, error]
	// Delete removes an object. It is no error if there is none.
	Delete(ctx context.Context, name string) error
	// URL names the sink, or with a name an object in it, for people and documents. It holds no credentials.
	URL(name string) string
}

// Copier is a sink that can copy an object out of another sink without moving its bytes through this process.
type Copier interface {
	// CopyFrom stores src's object srcName as name, as atomically as Put does. It reports false, and has done
	// nothing, where the two sinks do not share a store.
	CopyFrom(ctx context.Context, name string, src Sink, srcName string) (bool, error)
}

// Sweeper is a sink in which a Put that was killed leaves behind something that takes up space, though no reader ever
// sees it.
type Sweeper interface {
	// Sweep removes what killed Puts of name have left behind. It is for the one who alone puts under that name,
	// between two Puts: one that is under way would fail.
	Sweep(ctx context.Context, name string) error
}

// Leveler is a sink that can list a folder without what is in the folders below.
type Leveler interface {
	// Level yields the objects of a folder, and the folders in it by names that end in a slash, in no order. The folder's own name is
	// empty or ends in a slash.
	Level(ctx context.Context, folder string) iter.Seq2[Info, error]
}

// Level lists a folder of any sink as a Leveler does.
func Level(ctx context.Context, sink Sink, folder string) iter.Seq2[Info, error] {
	if leveler, ok := As[Leveler](sink); ok {
		return leveler.Level(ctx, folder)
	}
	return func(yield func(Info, error) bool) {
		last := ""
		for info, err := range sink.List(ctx, folder) {
			name, _, below := strings.Cut(strings.TrimPrefix(info.Name, folder), "/")
			if below && err == nil {
				info = Info{Name: folder + name + "/"}
			}
			if (err != nil || info.Name != last) && !yield(info, err) {
				return
			}
			last = info.Name
		}
	}
}

// Version names the content of an object at one time; it is opaque. The zero Version stands for no object.
type Version string

// ErrChanged: an object is not, or no longer, the version that a Swap was to replace.
var ErrChanged = errors.New("object was changed by another")

// Swapper is a sink whose small objects can be replaced by compare and swap, so that of two writers one finds out.
// Local and S3 are Swappers. An object that is swapped must not be Put as well: a Put asks for no version.
type Swapper interface {
	// Load reads a whole object, and tells its version. ErrNotExist where there is none.
	Load(ctx context.Context, name string) ([]byte, Version, error)
	// Swap stores data as name, as atomically and durably as Put does, if the object still has version old, and
	// returns the new version. ErrChanged where it has another; then nothing was stored.
	//
	// After any other error nobody knows whether data was stored. The same Swap can then be made again: an object
	// that is exactly data is taken for this one's, whatever old is. So writers that compete must put something
	// into data that tells one from the other, and one of their writes from the next.
	Swap(ctx context.Context, name string, old Version, data []byte) (Version, error)
}
