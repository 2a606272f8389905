package lab

import (
	"context"
	"fmt"
	"net/http"

	"github.com/minio/minio-go/v7"
	"github.com/minio/minio-go/v7/pkg/credentials"
)

// makesBuckets makes the buckets at the endpoint that are not there yet.
func makesBuckets(endpoint string, trust trust, buckets ...string) check {
	return func(ctx context.Context) error {
		client, err := minioClient(endpoint, trust)
		if err != nil {
			return fmt.Errorf("connecting to %s: %w", endpoint, err)
		}
		for _, bucket := range buckets {
			if err := makeBucket(ctx, client, bucket); err != nil {
				return fmt.Errorf("making bucket %s at %s: %w", bucket, endpoint, err)
			}
		}
		return nil
	}
}

func makeBucket(ctx context.Context, client *minio.Client, bucket string) error {
	exists, err := client.BucketExists(ctx, bucket)
	if err != nil || exists {
		return err
	}
	err = client.MakeBucket(ctx, bucket, minio.MakeBucketOptions{})
	if minio.ToErrorResponse(err).Code == "BucketAlreadyOwnedByYou" {
		return nil
	}
	return err
}

// minioClient connects to the endpoint with the lab's keys, over TLS where trust is given.
func minioClient(endpoint string, trust trust) (*minio.Client, error) {
	options := &minio.Options{Creds: credentials.NewStaticV4(MinIOUser, MinIOPassword, "")}
	if trust != nil {
		config, err := trust()
		if err != nil {
			return nil, err
		}
		options.Secure = true
		options.Transport = &http.Transport{TLSClientConfig: config}
	}
	return minio.New(endpoint, options)
}
