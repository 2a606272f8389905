//go:build lab

package contract_test

import (
	"testing"

	"migrate/deploy/lab"
	"migrate/sinks"
)

func TestS3KeepsTheContract(t *testing.T) {
	for _, prefix := range []string{"", "sinks/contract"} {
		t.Run("prefix="+prefix, func(t *testing.T) { keepsTheContract(t, labS3(t, prefix)) })
	}
}

// labS3 opens the lab's bucket for exports.
func labS3(t *testing.T, prefix string) *sinks.S3 {
	t.Helper()
	sink, err := sinks.NewS3(t.Context(), sinks.S3Config{
		Endpoint: lab.MinIO, AccessKey: lab.MinIOUser, SecretKey: lab.MinIOPassword,
		Bucket: lab.ExportBucket, Prefix: prefix,
	})
	if err != nil {
		t.Fatalf("the lab's MinIO is needed; start the lab with make lab-up: %v", err)
	}
	return sink
}
