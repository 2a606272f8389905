package labtest

import (
	"context"
	_ "embed"
	"errors"
	"os"
	"path/filepath"
	"testing"

	"github.com/apache/arrow/go/v15/parquet/file"

	"migrate/deploy/lab"
	"migrate/internal/labtest/double"
	"migrate/sinks"
)

// Later starts a double of a later version in front of the lab's cluster.
func Later(t *testing.T, cfg double.Config) *double.Server {
	t.Helper()
	bucket, err := sinks.NewS3(t.Context(), sinks.S3Config{
		Endpoint: lab.MinIO, AccessKey: lab.MinIOUser, SecretKey: lab.MinIOPassword, Bucket: lab.ClusterBucket,
	})
	if err != nil {
		t.Fatal(err)
	}
	cfg.Upstream = lab.Proxy1
	cfg.Rows = func(ctx context.Context, name string) (int64, bool, error) {
		obj, err := bucket.Open(ctx, name)
		if errors.Is(err, sinks.ErrNotExist) {
			return 0, false, nil
		}
		if err != nil {
			return 0, false, err
		}
		defer obj.Close()
		parquet, err := file.NewParquetReader(obj)
		if err != nil {
			return 0, false, err
		}
		return parquet.NumRows(), true, nil
	}
	return double.Start(t, cfg)
}

//go:embed testdata/bulkinsert.py
var bulkInsert string

// LaterLite starts a double of a later version in front of a Milvus Lite. Files of its bucket, a folder, are imported by the rules of that
// version as testdata/bulkinsert.py has them, which shares nothing with migrate.
func LaterLite(t *testing.T, version, lite string) (standIn *double.Server, bucket *sinks.Local) {
	t.Helper()
	folder := t.TempDir()
	bucket, err := sinks.NewLocal(folder)
	if err != nil {
		t.Fatal(err)
	}
	return double.Start(t, double.Config{
		Version: version, Upstream: lite,
		Rows: func(_ context.Context, name string) (int64, bool, error) {
			_, err := os.Stat(filepath.Join(folder, name))
			return 0, err == nil, nil
		},
		Import: func(ctx context.Context, collection, partition, name string) (int64, error) {
			var answer struct {
				Rows    int64
				Refused string
			}
			if err := NewPython(ctx, &answer, "-c", bulkInsert, version, lite, collection, partition, filepath.Join(folder, name)); err != nil {
				return 0, err
			}
			if answer.Refused != "" {
				return 0, errors.New(answer.Refused)
			}
			return answer.Rows, nil
		},
	}), bucket
}
