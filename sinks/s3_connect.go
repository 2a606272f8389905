package sinks

import (
	"context"
	"net/http"

	"github.com/minio/minio-go/v7"
	"github.com/minio/minio-go/v7/pkg/credentials"
)

func (s *S3) connect(ctx context.Context) error {
	if err := s.config.check(); err != nil {
		return err
	}
	transport, err := s.config.transport()
	if err != nil {
		return err
	}
	if s.sse, err = encryption(s.config.SSE); err != nil {
		return err
	}
	var keys *credentials.Credentials
	keys, s.tried = s.config.keys(ctx, transport)
	located := s.config
	if located.Region, err = s.locate(ctx, transport, keys); err != nil {
		return err
	}
	client, err := located.client(transport, keys, maxTries)
	s.core = minio.Core{Client: client}
	return err
}

// locate finds the bucket's region, and tries the keys by a list of what they are for: HEAD of the bucket, and its location,
// may be denied to keys of one prefix. The client would ask for the region before its first requests, and give up with the
// first lost connection.
func (s *S3) locate(ctx context.Context, transport http.RoundTripper, keys *credentials.Credentials) (string, error) {
	located := s.config
	probe, err := located.client(transport, keys, 1)
	if err != nil {
		return "", err
	}
	if located.Region, err = probe.GetBucketLocation(ctx, s.config.Bucket); err != nil { // a denied one is a guess
		return "", s.explain(ctx, s.on("s3:GetBucketLocation", ""), err)
	}
	err = located.tryList(ctx, transport, keys, s.root())
	told := minio.ToErrorResponse(err).Region
	if s.config.Region == "" && told != "" && told != located.Region {
		located.Region = told
		err = located.tryList(ctx, transport, keys, s.root())
	}
	return located.Region, s.explain(ctx, s.listing(s.root()), err)
}

// tryList lists at most one object, once.
func (c S3Config) tryList(ctx context.Context, transport http.RoundTripper, keys *credentials.Credentials, prefix string) error {
	client, err := c.client(transport, keys, 1)
	if err != nil {
		return err
	}
	_, err = firstKey(ctx, client, c.Bucket, prefix)
	return err
}

// firstKey is the first key with the prefix, or nothing.
func firstKey(ctx context.Context, client *minio.Client, bucket, prefix string) (string, error) {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	for object := range client.ListObjectsIter(ctx, bucket, minio.ListObjectsOptions{Prefix: prefix, Recursive: true, MaxKeys: 1}) {
		return object.Key, object.Err
	}
	return "", ctx.Err() // the client ends a list silently when its context has ended
}
