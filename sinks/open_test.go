package sinks_test

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"pgregory.net/rapid"

	"migrate/sinks"
)

func TestParse(t *testing.T) {
	for _, test := range []struct {
		url                    string
		folder, bucket, prefix string
	}{
		{url: "/abs/path", folder: "/abs/path"},
		{url: "relative/path/", folder: "relative/path"},
		{url: ".", folder: "."},
		{url: "a:b", folder: "a:b"},
		{url: "100%", folder: "100%"},
		{url: "what?", folder: "what?"},
		{url: "file:///abs/path", folder: "/abs/path"},
		{url: "FILE:///abs/a%20b", folder: "/abs/a b"},
		{url: "file://./relative", folder: "relative"},
		{url: "file://../up", folder: "../up"},
		{url: "file://.", folder: "."},
		{url: "file:///", folder: "/"},
		{url: "s3://bucket", bucket: "bucket"},
		{url: "s3://bucket/", bucket: "bucket"},
		{url: "s3://bucket/a/b/", bucket: "bucket", prefix: "a/b"},
		{url: "S3://bucket/a%2Bb@c", bucket: "bucket", prefix: "a+b@c"},
	} {
		folder, bucket, prefix, err := sinks.Parse(test.url)
		if err != nil || folder != test.folder || bucket != test.bucket || prefix != test.prefix {
			t.Errorf("%s: folder %q, bucket %q, prefix %q, %v; want %+v", test.url, folder, bucket, prefix, err, test)
		}
	}
}

func TestParseRefuses(t *testing.T) {
	for _, test := range []struct{ url, says string }{
		{"", "empty"},
		{"gs://bucket/prefix", `scheme "gs" is unknown`},
		{"http://127.0.0.1:9000/bucket", "use file:// or s3://"},
		{"://bucket", "unknown"},
		{"s3:/bucket/prefix", "write two"},
		{"file:/abs", "write two"},
		{"file://", "file:///folder"},
		{"file://host/path", "file://./folder"},
		{"file:///a?b", "%3F"},
		{"file:///100%", "%25"},
		{"file:///%00", "zero byte"},
		{"s3://", "no bucket"},
		{"s3:///prefix", "no bucket"},
		{"s3://key:hush@bucket/prefix", "credentials"},
		{"s3://bucket/a/../../b", "a/../../b"},
		{"s3://bucket/a//b", "a//b"},
		{"s3://bucket/prefix?region=hush", "parameters"},
		{"s3://bucket/%zz", "%25"},
	} {
		_, _, _, err := sinks.Parse(test.url)
		if err == nil || !strings.Contains(err.Error(), test.says) {
			t.Errorf("%s: %v, want an error that says %q", test.url, err, test.says)
		}
		if err != nil && strings.Contains(err.Error(), "hush") {
			t.Errorf("error holds a secret: %v", err)
		}
	}
}

// What a sink calls itself leads back to it.
func TestParseFindsWhatURLNames(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		root := "/" + rapid.StringMatching(`[^\x00/]{1,20}(/[^\x00/]{1,20}){0,3}`).Draw(t, "root")
		sink, err := sinks.NewLocal(root)
		if err != nil {
			t.Fatal(err)
		}
		folder, bucket, _, err := sinks.Parse(sink.URL(""))
		if err != nil || bucket != "" || folder != filepath.Clean(root) {
			t.Fatalf("%q became %q, bucket %q, %v", root, folder, bucket, err)
		}
	})
}

func FuzzParse(f *testing.F) {
	for _, seed := range []string{"", "/a", "a", "file:///a", "file://./a", "s3://b/p", "s3://k:s@b/p", "s3:/b", "x://y", "s3://b/%2e%2e/%2fp", "file://%2e%2e"} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, url string) {
		folder, bucket, prefix, err := sinks.Parse(url)
		switch {
		case err != nil && (folder != "" || bucket != ""):
			t.Errorf("folder %q and bucket %q beside the error %v", folder, bucket, err)
		case err != nil:
		case (folder == "") == (bucket == ""):
			t.Errorf("folder %q and bucket %q", folder, bucket)
		case bucket == "" && folder != filepath.Clean(folder):
			t.Errorf("folder %q is not clean", folder)
		case strings.ContainsAny(bucket, "/@"):
			t.Errorf("bucket %q", bucket)
		case prefix != "" && sinks.CheckName(prefix) != nil:
			t.Errorf("prefix %q is not the beginning of names", prefix)
		}
	})
}

// opened is what Open is given, and what the sink calls its object "a b".
type opened struct {
	url, want string
	config    sinks.S3Config
}

func TestOpen(t *testing.T) { opens(t, opened{url: "/exports", want: "file:///exports/a%20b"}) }

func opens(t *testing.T, test opened) {
	t.Helper()
	sink, err := sinks.Open(t.Context(), test.url, test.config)
	if err != nil {
		t.Fatal(err)
	}
	if got := sink.URL("a b"); got != test.want {
		t.Errorf("%s: URL of an object %s, want %s", test.url, got, test.want)
	}
}

func TestOpenRefuses(t *testing.T) {
	for _, url := range []string{os.DevNull, "gs://a"} {
		if sink, err := sinks.Open(t.Context(), url, sinks.S3Config{}); err == nil || sink != nil {
			t.Errorf("%s: sink %v, error %v", url, sink, err)
		}
	}
}
