package sinks

import (
	"context"
	"errors"
	"fmt"
	"io"
	"iter"
	"net/http"
	"net/url"
	"path"
	"strings"
	"sync"
	"time"

	"github.com/minio/minio-go/v7"
	"github.com/minio/minio-go/v7/pkg/encrypt"
)

const (
	partSize     = 16 << 20  // bytes of an object's parts, and the memory that a Put takes
	copyPartSize = 128 << 20 // bytes that are copied within the store by one request
	dialTimeout  = 10 * time.Second
	maxTries     = 10 // of one request, over some 5 s, where it met with what can pass
)

// S3 stores objects in a bucket of MinIO or another S3 store.
//
// A Put holds 16 MiB of memory while it runs. An object of up to 16 MiB is one request, a larger one a multipart
// upload of at most 10,000 parts (156 GiB), which is aborted on an error. Requests that met with what can pass (a lost
// connection, an overloaded store) are repeated for some 5 s; wrong keys, a missing bucket and a full store fail at
// once.
type S3 struct {
	config  S3Config
	core    minio.Core
	tried   string             // the ways in which no keys were found
	sse     encrypt.ServerSide // what is put is to be encrypted so
	buffers sync.Pool          // of *[]byte of partSize

	unswept sync.Once

	copyPartSize int64
}

var (
	_ Sink    = (*S3)(nil)
	_ Copier  = (*S3)(nil)
	_ Sweeper = (*S3)(nil)
	_ Swapper = (*S3)(nil)
)

// NewS3 returns a sink in a bucket that exists and that the keys open: otherwise its error is ErrNoBucket or
// ErrAccess, or tells that the endpoint can't be reached.
func NewS3(ctx context.Context, config S3Config) (*S3, error) {
	config.Prefix = strings.Trim(config.Prefix, "/")
	s := &S3{config: config, copyPartSize: copyPartSize}
	s.buffers.New = func() any {
		buffer := make([]byte, 0, partSize)
		return &buffer
	}
	if err := s.connect(ctx); err != nil {
		return nil, fmt.Errorf("opening %s: %w", s.URL(""), err)
	}
	return s, nil
}

// Put implements Sink.
func (s *S3) Put(ctx context.Context, name string, write func(io.Writer) error) (Info, error) {
	if err := begin(ctx, name); err != nil {
		return Info{}, fmt.Errorf("putting into %s: %w", s.URL(""), err)
	}
	size, err := s.put(ctx, s.key(name), write)
	if err != nil {
		return Info{}, fmt.Errorf("putting %s: %w", s.URL(name), err)
	}
	return Info{Name: name, Size: size}, nil
}

func (s *S3) put(ctx context.Context, key string, write func(io.Writer) error) (int64, error) {
	buffer := s.buffers.Get().(*[]byte)
	defer s.buffers.Put(buffer)
	parts := &partWriter{upload: upload{s: s, ctx: ctx, key: key}, buffer: (*buffer)[:0]}
	w := &writer{ctx: ctx, to: parts}
	err := w.fill(write)
	if err == nil {
		err = parts.finish()
	}
	if err != nil {
		return 0, errors.Join(err, parts.abort())
	}
	return w.size, nil
}

// Open implements Sink.
func (s *S3) Open(ctx context.Context, name string) (Object, error) {
	if err := begin(ctx, name); err != nil {
		return nil, fmt.Errorf("opening in %s: %w", s.URL(""), err)
	}
	info, err := s.stat(ctx, s.key(name))
	if err != nil {
		return nil, fmt.Errorf("opening %s: %w", s.URL(name), err)
	}
	return newS3Object(ctx, s, name, info), nil
}

func (s *S3) stat(ctx context.Context, key string) (minio.ObjectInfo, error) {
	info, err := s.core.StatObject(ctx, s.config.Bucket, key, minio.StatObjectOptions{})
	return info, s.explain(ctx, s.on("s3:GetObject", key), s.orMissing(ctx, key, err))
}

// orMissing makes of a read that was denied one of what is not there, if the list does not have it: S3 denies such reads to
// keys without s3:ListBucket, as which it may take keys that may list a prefix only.
func (s *S3) orMissing(ctx context.Context, key string, err error) error {
	if minio.ToErrorResponse(err).Code != minio.AccessDenied {
		return err
	}
	if first, listErr := firstKey(ctx, s.core.Client, s.config.Bucket, key); listErr != nil || first == key {
		return err
	}
	return minio.ErrorResponse{Code: minio.NoSuchKey, StatusCode: http.StatusNotFound}
}

// List implements Sink.
func (s *S3) List(ctx context.Context, prefix string) iter.Seq2[Info, error] {
	return func(yield func(Info, error) bool) {
		err := checkPrefix(prefix)
		if err == nil {
			err = s.list(ctx, minio.ListObjectsOptions{Prefix: s.root() + prefix, Recursive: true}, yield)
		}
		if err != nil {
			yield(Info{}, fmt.Errorf("listing %s: %w", s.URL(prefix), err))
		}
	}
}

// Level implements Leveler.
func (s *S3) Level(ctx context.Context, folder string) iter.Seq2[Info, error] {
	return func(yield func(Info, error) bool) {
		err := checkPrefix(folder)
		if err == nil {
			err = s.list(ctx, minio.ListObjectsOptions{Prefix: s.root() + folder}, yield)
		}
		if err != nil {
			yield(Info{}, fmt.Errorf("listing %s: %w", s.URL(folder), err))
		}
	}
}

// list yields what is there, passing over keys that are no names: marks of folders, which consoles make.
func (s *S3) list(ctx context.Context, options minio.ListObjectsOptions, yield func(Info, error) bool) error {
	for object := range s.core.ListObjectsIter(ctx, s.config.Bucket, options) {
		if object.Err != nil {
			return s.explain(ctx, s.listing(options.Prefix), object.Err)
		}
		name := strings.TrimPrefix(object.Key, s.root())
		if CheckName(strings.TrimSuffix(name, "/")) != nil || options.Recursive && strings.HasSuffix(name, "/") {
			continue
		}
		if !yield(Info{Name: name, Size: object.Size, ModTime: object.LastModified, Tag: object.ETag}, nil) {
			return nil
		}
	}
	return ctx.Err() // the client ends a list silently when its context has ended
}

// Delete implements Sink.
func (s *S3) Delete(ctx context.Context, name string) error {
	if err := begin(ctx, name); err != nil {
		return fmt.Errorf("deleting from %s: %w", s.URL(""), err)
	}
	err := s.core.RemoveObject(ctx, s.config.Bucket, s.key(name), minio.RemoveObjectOptions{})
	if err = s.explain(ctx, s.on("s3:DeleteObject", s.key(name)), err); err != nil && !errors.Is(err, ErrNotExist) {
		return fmt.Errorf("deleting %s: %w", s.URL(name), err)
	}
	return nil
}

// URL implements Sink.
func (s *S3) URL(name string) string {
	return s.urlOf(s.key(name))
}

func (s *S3) urlOf(key string) string {
	return (&url.URL{Scheme: "s3", Host: s.config.Bucket, Path: "/" + key}).String()
}

// key is an object's key in the bucket.
func (s *S3) key(name string) string { return path.Join(s.config.Prefix, name) }

// root is what the keys of all objects begin with.
func (s *S3) root() string {
	if s.config.Prefix == "" {
		return ""
	}
	return s.config.Prefix + "/"
}
