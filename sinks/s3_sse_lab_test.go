//go:build lab

package sinks_test

import (
	"strings"
	"testing"
)

// The lab's MinIO has nothing to encrypt with, and says so.
func TestAStoreThatCantEncrypt(t *testing.T) {
	config := labConfig(t)
	config.SSE = "s3"
	_, err := openS3(t, config).Put(t.Context(), "object", writes(nil))
	if err == nil || !strings.Contains(err.Error(), "can encrypt") {
		t.Errorf("error %v", err)
	}
}
