package sinks

import (
	"os"

	"github.com/minio/minio-go/v7"
)

// CopyPartsOf has s copy objects within the store in parts of size bytes.
func CopyPartsOf(s *S3, size int64) { s.copyPartSize = size }

// Core is the client of s, and its bucket.
func Core(s *S3) (minio.Core, string) { return s.core, s.config.Bucket }

// CreateWith has l create its partial files with create.
func CreateWith(l *Local, create func(path string) (*os.File, error)) { l.create = create }

// Parse is what Open takes a URL for.
func Parse(rawURL string) (folder, bucket, prefix string, err error) {
	place, err := parse(rawURL)
	return place.folder, place.bucket, place.prefix, err
}
