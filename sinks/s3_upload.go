package sinks

import (
	"bytes"
	"context"
	"fmt"
	"time"

	"github.com/minio/minio-go/v7"

	"migrate/internal/clock"
)

// graceTime is how long requests that must not be cut off go on after their context's end: twice that, for a commit
// and the abort after it, stays below a second.
const graceTime = 400 * time.Millisecond

// grace returns a context that ends graceTime after ctx. Requests that create or commit something use it, so that
// their answer is not lost when ctx ends while they are under way.
func grace(ctx context.Context) (context.Context, context.CancelFunc) {
	late, cancel := context.WithCancel(context.WithoutCancel(ctx))
	stop := context.AfterFunc(ctx, func() { time.AfterFunc(graceTime, cancel) })
	return late, func() {
		stop()
		cancel()
	}
}

// A write that makes an object visible is tried so often where the store denies it. MinIO denies one, as if it had no right to
// it, when the last other object of its folder is deleted at that moment: minio/minio#12914 and #15157 tell of such races.
const (
	deniedTries = 4
	deniedPause = 50 * time.Millisecond
)

// undenied makes a write again while it is denied, a few times.
func undenied(ctx context.Context, write func() error) error {
	for try := 1; ; try++ {
		err := write()
		if try == deniedTries || minio.ToErrorResponse(err).Code != "AccessDenied" {
			return err
		}
		if err := clock.Sleep(ctx, deniedPause); err != nil {
			return err
		}
	}
}

// upload is a multipart upload, begun with its first part.
type upload struct {
	s     *S3
	ctx   context.Context
	key   string
	id    string
	parts []minio.CompletePart
}

func (u *upload) explain(err error) error {
	return u.s.explain(u.ctx, u.s.on("s3:PutObject", u.key), err)
}

func (u *upload) begin() error {
	if u.id != "" {
		return nil
	}
	ctx, cancel := grace(u.ctx)
	defer cancel()
	id, err := u.s.core.NewMultipartUpload(ctx, u.s.config.Bucket, u.key, minio.PutObjectOptions{ServerSideEncryption: u.s.sse})
	u.id = id
	return u.explain(err)
}

// put uploads the next part.
func (u *upload) put(data []byte) error {
	if err := u.begin(); err != nil {
		return err
	}
	number := len(u.parts) + 1
	part, err := u.s.core.PutObjectPart(u.ctx, u.s.config.Bucket, u.key, u.id, number,
		bytes.NewReader(data), int64(len(data)), minio.PutObjectPartOptions{})
	u.parts = append(u.parts, minio.CompletePart{PartNumber: number, ETag: part.ETag})
	return u.explain(err)
}

// copy makes the next part of size bytes of a stored object, if that still has the etag.
func (u *upload) copy(bucket, key, etag string, offset, size int64) error {
	if err := u.begin(); err != nil {
		return err
	}
	part, err := u.s.core.CopyObjectPart(u.ctx, bucket, key, u.s.config.Bucket, u.key, u.id, len(u.parts)+1,
		offset, size, map[string]string{"x-amz-copy-source-if-match": etag})
	u.parts = append(u.parts, part)
	return u.explain(err)
}

// complete makes the object of its parts.
func (u *upload) complete() error {
	if err := u.ctx.Err(); err != nil {
		return err
	}
	ctx, cancel := grace(u.ctx)
	defer cancel()
	err := undenied(ctx, func() error {
		_, err := u.s.core.CompleteMultipartUpload(ctx, u.s.config.Bucket, u.key, u.id, u.parts, minio.PutObjectOptions{})
		return err
	})
	return u.explain(err)
}

// abort drops the parts, where there are any, even after the context's end.
func (u *upload) abort() error {
	if u.id == "" {
		return nil
	}
	ctx, cancel := grace(u.ctx)
	defer cancel()
	err := u.s.core.AbortMultipartUpload(ctx, u.s.config.Bucket, u.key, u.id)
	if err == nil || minio.ToErrorResponse(err).Code == minio.NoSuchUpload {
		return nil
	}
	return fmt.Errorf("an incomplete upload is left in the store: aborting it: %w", u.s.explain(ctx, u.s.on("s3:AbortMultipartUpload", u.key), err))
}

// partWriter uploads what is written to it whenever another part is full, and an object that fits into one part by
// a single request.
type partWriter struct {
	upload
	buffer []byte // its capacity is the size of a part
}

func (w *partWriter) Write(p []byte) (int, error) {
	written := 0
	for written < len(p) {
		if len(w.buffer) == cap(w.buffer) {
			if err := w.flush(); err != nil {
				return written, err
			}
		}
		n := min(cap(w.buffer)-len(w.buffer), len(p)-written)
		w.buffer = append(w.buffer, p[written:written+n]...)
		written += n
	}
	return written, nil
}

func (w *partWriter) flush() error {
	err := w.put(w.buffer)
	w.buffer = w.buffer[:0]
	return err
}

// finish makes the object visible.
func (w *partWriter) finish() error {
	if w.id == "" {
		return w.putWhole()
	}
	if err := w.flush(); err != nil {
		return err
	}
	return w.complete()
}

func (w *partWriter) putWhole() error {
	ctx, cancel := grace(w.ctx)
	defer cancel()
	err := undenied(ctx, func() error {
		_, err := w.s.core.Client.PutObject(ctx, w.s.config.Bucket, w.key, bytes.NewReader(w.buffer), int64(len(w.buffer)),
			minio.PutObjectOptions{PartSize: partSize, ServerSideEncryption: w.s.sse})
		return err
	})
	return w.explain(err)
}
