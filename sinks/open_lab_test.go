//go:build lab

package sinks_test

import (
	"context"
	"errors"
	"testing"

	"migrate/sinks"
)

func init() {
	kinds["s3"] = kind{
		open: func(t *testing.T) (sinks.Sink, string) { return openS3(t, labConfig(t)), "" },
		left: func(t *testing.T, sink sinks.Sink, _ string) int { return uploads(t, sink.(*sinks.S3), "job/object") },
	}
}

func TestOpenBucket(t *testing.T) {
	config := labConfig(t)
	url := "s3://" + config.Bucket + "/" + config.Prefix
	opens(t, opened{url, url + "/a%20b", config})
	if sink, err := sinks.Open(t.Context(), "s3://no-such-bucket/a", config); !errors.Is(err, sinks.ErrNoBucket) || sink != nil {
		t.Errorf("sink %v, error %v", sink, err)
	}
}

// uploads counts the incomplete uploads of an object. MinIO lists them only by its full key.
func uploads(t *testing.T, sink *sinks.S3, name string) int {
	t.Helper()
	core, bucket := sinks.Core(sink)
	list, err := core.ListMultipartUploads(context.WithoutCancel(t.Context()), bucket, sink.Key(name), "", "", "", 1000)
	if err != nil {
		t.Fatal(err)
	}
	return len(list.Uploads)
}
