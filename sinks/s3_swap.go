package sinks

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"time"

	"github.com/minio/minio-go/v7"

	"migrate/internal/clock"
)

const (
	swapTries = 3                      // of a swap that the store refuses without showing another version
	swapPause = 100 * time.Millisecond // between them
)

// Load implements Swapper. An S3's version is the ETag that the store gives the object.
func (s *S3) Load(ctx context.Context, name string) ([]byte, Version, error) {
	if err := begin(ctx, name); err != nil {
		return nil, "", fmt.Errorf("loading from %s: %w", s.URL(""), err)
	}
	data, version, err := s.load(ctx, s.key(name))
	if err != nil {
		return nil, "", fmt.Errorf("loading %s: %w", s.URL(name), s.explain(ctx, s.on("s3:GetObject", s.key(name)), err))
	}
	return data, version, nil
}

// load gets bytes and version by one request.
func (s *S3) load(ctx context.Context, key string) ([]byte, Version, error) {
	body, info, _, err := s.core.GetObject(ctx, s.config.Bucket, key, minio.GetObjectOptions{})
	if err != nil {
		return nil, "", s.orMissing(ctx, key, err)
	}
	data, err := io.ReadAll(body)
	if err := errors.Join(err, body.Close()); err != nil {
		return nil, "", err
	}
	version, err := versionOf(info.ETag)
	return data, version, err
}

func versionOf(etag string) (Version, error) {
	if etag == "" {
		return "", errors.New("the store tells no ETag of the object, and so no version: use another store")
	}
	return Version(etag), nil
}

// Swap implements Swapper by a conditional PUT, which is one request whatever the size of data, up to the store's
// limit (5 GiB). The store has to know conditional PUTs, as S3 since 2024 and MinIO do: one that takes If-Match and
// If-None-Match and ignores them lets every Swap win. That can't be seen here; contract.SwapChecks finds it.
//
// A PUT that was stored and whose answer was lost is repeated, and refused for what it has stored itself; so where the
// object has exactly the bytes of data, Swap takes it for its own. Where another has replaced it since, Swap returns
// ErrChanged, although data was there for a while.
func (s *S3) Swap(ctx context.Context, name string, old Version, data []byte) (Version, error) {
	if err := begin(ctx, name); err != nil {
		return "", fmt.Errorf("swapping in %s: %w", s.URL(""), err)
	}
	version, err := s.swap(ctx, s.key(name), old, data)
	if err != nil {
		return "", fmt.Errorf("swapping %s: %w", s.URL(name), err)
	}
	return version, nil
}

// swap asks again where the store refused a version that is there: two requests met (409), or another swapped and
// swapped back.
func (s *S3) swap(ctx context.Context, key string, old Version, data []byte) (Version, error) {
	late, cancel := grace(ctx)
	defer cancel()
	for try := 1; ; try++ {
		version, refusal := s.putIf(late, key, old, data)
		if !isRefusal(refusal) {
			return version, s.explain(ctx, s.on("s3:PutObject", key), refusal)
		}
		there, ours, err := s.holds(late, key, data)
		switch {
		case err != nil:
			return "", fmt.Errorf("looking why the store refused: %w", s.explain(ctx, s.on("s3:GetObject", key), err))
		case ours:
			return there, nil
		case there != old:
			return "", ErrChanged
		case try == swapTries:
			return "", fmt.Errorf("%w, says the store, and shows the same version as before: %w", ErrChanged, refusal)
		}
		if err := clock.Sleep(ctx, swapPause); err != nil {
			return "", err
		}
	}
}

// holds tells the object's version, zero where there is none, and whether it has exactly these bytes.
func (s *S3) holds(ctx context.Context, key string, data []byte) (Version, bool, error) {
	there, version, err := s.load(ctx, key)
	if isRefusal(err) {
		return "", false, nil // it is gone
	}
	return version, err == nil && bytes.Equal(there, data), err
}

// putIf puts data if the object has version old.
func (s *S3) putIf(ctx context.Context, key string, old Version, data []byte) (Version, error) {
	options := minio.PutObjectOptions{DisableMultipart: true, ServerSideEncryption: s.sse}
	if old == "" {
		options.SetMatchETagExcept("*")
	} else {
		options.SetMatchETag(string(old))
	}
	var info minio.UploadInfo
	err := undenied(ctx, func() (err error) {
		info, err = s.core.Client.PutObject(ctx, s.config.Bucket, key, bytes.NewReader(data), int64(len(data)), options)
		return err
	})
	if err != nil {
		return "", err
	}
	return versionOf(info.ETag)
}

// isRefusal tells whether the store did nothing because of what the object is: missing (404), another version (412),
// or being changed at this moment (409).
func isRefusal(err error) bool {
	var answer minio.ErrorResponse
	if !errors.As(err, &answer) {
		return false
	}
	return answer.Code == minio.NoSuchKey ||
		answer.StatusCode == http.StatusPreconditionFailed || answer.StatusCode == http.StatusConflict
}
