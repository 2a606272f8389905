//go:build lab

package sinks_test

import "testing"

// MinIO lists a folder by its delimiter.
func TestLevelOfS3(t *testing.T) { listsLevels(t, openS3(t, labConfig(t))) }
