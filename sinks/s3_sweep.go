package sinks

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
)

// Sweep implements Sweeper. Keys that may not list uploads, a right on the whole bucket, leave them there.
func (s *S3) Sweep(ctx context.Context, name string) error {
	if err := begin(ctx, name); err != nil {
		return fmt.Errorf("sweeping %s: %w", s.URL(""), err)
	}
	if err := s.sweep(ctx, s.key(name)); err != nil {
		return fmt.Errorf("sweeping %s: %w", s.URL(name), err)
	}
	return nil
}

func (s *S3) sweep(ctx context.Context, key string) error {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	for found := range s.core.ListIncompleteUploads(ctx, s.config.Bucket, key, true) {
		if found.Err != nil {
			return s.afterSweep(s.explain(ctx, s.on("s3:ListBucketMultipartUploads", ""), found.Err))
		}
		if found.Key != key {
			continue
		}
		if err := s.core.AbortMultipartUpload(ctx, s.config.Bucket, key, found.UploadID); err != nil {
			return s.explain(ctx, s.on("s3:AbortMultipartUpload", key), err)
		}
	}
	return ctx.Err()
}

// afterSweep warns once of uploads that can't be seen.
func (s *S3) afterSweep(err error) error {
	if !errors.Is(err, ErrAccess) {
		return err
	}
	s.unswept.Do(func() {
		slog.Warn("uploads that were interrupted stay in the store, and take space: a rule of the bucket can remove them", "error", err)
	})
	return nil
}
