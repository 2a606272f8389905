package main

import "testing"

// TestReading says by which way rows are read.
func TestReading(t *testing.T) {
	t.Parallel()
	s := newInMemory(t, 1)
	folder := args("--source-storage-url", t.TempDir())
	nowhere := args("--source-storage-url", "s3://a-bucket/files", "--source-storage-endpoint", "127.0.0.1:1", "--source-storage-access-key", "k", "--source-storage-secret-key", "s")
	for title, c := range map[string]struct {
		version string
		flags   []string
		code    int
		says    string
	}{
		"nothing said":                          {"v2.3.5", nil, exitOK, "exported"},
		"queries, though there is a storage":    {"v2.3.5", args(folder, "--source-read", "query"), exitOK, "exported"},
		"a loaded collection of 2.3":            {"v2.3.5", folder, exitOK, "say --source-read storage"},
		"of a version whose storage is unknown": {"v2.6.5", folder, exitOK, "rows are read by queries"},
		"the same, but it has to be":            {"v2.6.5", args(folder, "--source-read", "storage"), exitFailed, "--source-read query"},
		"a folder of another server":            {"v2.4.9", folder, exitOK, "no row of it lies in the storage"},
		"the same folder, but it has to be":     {"v2.4.9", args(folder, "--source-read", "storage"), exitFailed, "the folder or prefix that insert_log/ is in"},
		"a bucket that does not answer":         {"v2.3.5", nowhere, exitOK, "rows are read by queries"},
		"the same bucket, but it has to be":     {"v2.3.5", args(nowhere, "--source-read", "storage"), exitFailed, "opening the storage of the source"},
		"a storage that is not said":            {"v2.3.5", args("--source-read", "storage"), exitUsage, "source.storage.url"},
		"no way":                                {"v2.3.5", args("--source-read", "files"), exitUsage, "auto, query or storage"},
	} {
		s.Upgrade(t, c.version)
		t.Run(title, func(t *testing.T) {
			migrate(t, nil, args(s.export, sink, t.TempDir(), c.flags)...).want(t, c.code, c.says)
		})
	}
}
