package labtest

import (
	"context"
	"errors"
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
