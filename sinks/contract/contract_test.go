package contract_test

import (
	"testing"

	"migrate/deploy/lab"
	"migrate/sinks"
	"migrate/sinks/contract"
)

func TestLocalKeepsTheContract(t *testing.T) {
	sink, err := sinks.NewLocal(t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	keepsTheContract(t, sink)
}

func TestS3KeepsTheContract(t *testing.T) {
	for _, prefix := range []string{"", "sinks/contract"} {
		t.Run("prefix="+prefix, func(t *testing.T) { keepsTheContract(t, labS3(t, prefix)) })
	}
}

func keepsTheContract(t *testing.T, sink sinks.Sink) {
	t.Helper()
	for _, check := range append(contract.Checks(), contract.SwapChecks()...) {
		t.Run(check.Name, func(t *testing.T) {
			if err := check.Run(t.Context(), sink); err != nil {
				t.Error(err)
			}
		})
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
