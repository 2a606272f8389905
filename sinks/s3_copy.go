package sinks

import (
	"context"
	"errors"
	"fmt"

	"github.com/minio/minio-go/v7"
)

// CopyFrom implements Copier for a src that is an S3, or wraps one, of the same endpoint and access key.
func (s *S3) CopyFrom(ctx context.Context, name string, src Sink, srcName string) (bool, error) {
	from, ok := As[*S3](src)
	if !ok || !s.sharesStore(from) {
		return false, nil
	}
	err := errors.Join(begin(ctx, name), CheckName(srcName))
	if err == nil {
		err = s.copy(ctx, s.key(name), from, from.key(srcName))
	}
	if err != nil {
		return true, fmt.Errorf("copying %s to %s: %w", from.URL(srcName), s.URL(name), err)
	}
	return true, nil
}

func (s *S3) sharesStore(other *S3) bool {
	a, b := s.config, other.config
	return a.Endpoint == b.Endpoint && a.TLS == b.TLS && a.AccessKey == b.AccessKey
}

// copy copies one version of the object: it fails where the object is replaced meanwhile.
func (s *S3) copy(ctx context.Context, key string, from *S3, fromKey string) error {
	info, err := from.stat(ctx, fromKey)
	if err != nil {
		return err
	}
	if info.Size <= s.copyPartSize {
		return s.copyWhole(ctx, key, from.config.Bucket, info)
	}
	u := &upload{s: s, ctx: ctx, key: key}
	err = s.copyParts(u, from.config.Bucket, info)
	if err == nil {
		err = u.complete()
	}
	if err != nil {
		return errors.Join(err, u.abort())
	}
	return nil
}

func (s *S3) copyWhole(ctx context.Context, key, fromBucket string, from minio.ObjectInfo) error {
	late, cancel := grace(ctx)
	defer cancel()
	err := undenied(late, func() error {
		_, err := s.core.Client.CopyObject(late,
			minio.CopyDestOptions{Bucket: s.config.Bucket, Object: key, Encryption: s.sse},
			minio.CopySrcOptions{Bucket: fromBucket, Object: from.Key, MatchETag: from.ETag})
		return err
	})
	return s.explain(ctx, s.on("s3:PutObject", key), err)
}

func (s *S3) copyParts(u *upload, fromBucket string, from minio.ObjectInfo) error {
	for offset := int64(0); offset < from.Size; offset += s.copyPartSize {
		size := min(s.copyPartSize, from.Size-offset)
		if err := u.copy(fromBucket, from.Key, from.ETag, offset, size); err != nil {
			return err
		}
	}
	return nil
}
