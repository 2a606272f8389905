package sinks

import (
	"context"
	"errors"
	"fmt"
	"io"

	"github.com/minio/minio-go/v7"
)

// s3Object reads one version of an object, that which was there when it was opened: it fails where the object has
// been replaced since. Read goes along one stream; every ReadAt is a request of its own, so that several can run at
// once.
type s3Object struct {
	s      *S3
	name   string
	info   minio.ObjectInfo
	ctx    context.Context
	cancel context.CancelFunc

	offset int64
	stream io.ReadCloser // at offset, or nil
}

func newS3Object(ctx context.Context, s *S3, name string, info minio.ObjectInfo) *s3Object {
	o := &s3Object{s: s, name: name, info: info}
	o.ctx, o.cancel = context.WithCancel(ctx)
	return o
}

func (o *s3Object) Size() int64 { return o.info.Size }

func (o *s3Object) Read(p []byte) (int, error) {
	if o.offset >= o.Size() {
		return 0, io.EOF
	}
	if len(p) == 0 {
		return 0, nil
	}
	if o.stream == nil {
		stream, err := o.get(o.offset, o.Size())
		if err != nil {
			return 0, o.reading(err)
		}
		o.stream = stream
	}
	n, err := o.stream.Read(p)
	o.offset += int64(n)
	return n, o.afterRead(err)
}

// afterRead drops a stream that has ended.
func (o *s3Object) afterRead(err error) error {
	if err == nil {
		return nil
	}
	o.closeStream()
	switch {
	case !errors.Is(err, io.EOF):
		return o.reading(o.explain(err))
	case o.offset < o.Size():
		return o.reading(io.ErrUnexpectedEOF)
	}
	return io.EOF
}

func (o *s3Object) ReadAt(p []byte, offset int64) (int, error) {
	if offset < 0 {
		return 0, o.reading(errors.New("negative offset"))
	}
	if offset >= o.Size() {
		return 0, io.EOF
	}
	wanted := min(int64(len(p)), o.Size()-offset)
	n, err := o.readFull(p[:wanted], offset)
	if err != nil {
		return n, o.reading(err)
	}
	if n < len(p) {
		return n, io.EOF
	}
	return n, nil
}

func (o *s3Object) readFull(p []byte, offset int64) (n int, err error) {
	if len(p) == 0 {
		return 0, nil
	}
	stream, err := o.get(offset, offset+int64(len(p)))
	if err != nil {
		return 0, err
	}
	defer func() { err = errors.Join(err, stream.Close()) }()
	n, err = io.ReadFull(stream, p)
	return n, o.explain(err)
}

// get streams the bytes from start up to end, which are not none.
func (o *s3Object) get(start, end int64) (io.ReadCloser, error) {
	var options minio.GetObjectOptions
	if err := errors.Join(options.SetRange(start, end-1), options.SetMatchETag(o.info.ETag)); err != nil {
		return nil, err
	}
	stream, _, _, err := o.s.core.GetObject(o.ctx, o.s.config.Bucket, o.info.Key, options)
	return stream, o.explain(err)
}

func (o *s3Object) explain(err error) error {
	return o.s.explain(o.ctx, o.s.on("s3:GetObject", o.info.Key), err)
}

func (o *s3Object) Seek(offset int64, whence int) (int64, error) {
	switch whence {
	case io.SeekStart:
	case io.SeekCurrent:
		offset += o.offset
	case io.SeekEnd:
		offset += o.Size()
	default:
		return 0, o.reading(fmt.Errorf("seeking from %d: unknown whence", whence))
	}
	if offset < 0 {
		return 0, o.reading(errors.New("seeking before the beginning"))
	}
	if offset != o.offset {
		o.closeStream()
	}
	o.offset = offset
	return offset, nil
}

func (o *s3Object) closeStream() {
	if o.stream != nil {
		_ = o.stream.Close() // what was read is all that counts
		o.stream = nil
	}
}

// Close also ends the reads that are under way.
func (o *s3Object) Close() error {
	o.cancel()
	o.closeStream()
	return nil
}

func (o *s3Object) reading(err error) error {
	return fmt.Errorf("reading %s: %w", o.s.URL(o.name), err)
}
