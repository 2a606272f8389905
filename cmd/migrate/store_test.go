package main

import (
	"errors"
	"fmt"
	"strings"
	"testing"

	"github.com/spf13/pflag"

	"migrate/sinks"
)

// stores is the configuration of a command that is given these flags.
func stores(t *testing.T, flags ...string) (config, error) {
	t.Helper()
	set := pflag.NewFlagSet("import", pflag.ContinueOnError)
	addFlags(set, sinkSettings...)
	addFlags(set, stagingSettings...)
	if err := set.Parse(flags); err != nil {
		t.Fatal(err)
	}
	return loadConfig(set)
}

// TestEndpoint may have a scheme, which tells whether TLS is on.
func TestEndpoint(t *testing.T) {
	for _, c := range []struct {
		flags []string
		host  string
		tls   bool
	}{
		{[]string{"--sink-endpoint", "minio:9000"}, "minio:9000", false},
		{[]string{"--sink-endpoint", "minio:9000", "--sink-tls"}, "minio:9000", true},
		{[]string{"--sink-endpoint", "https://s3.amazonaws.com"}, "s3.amazonaws.com", true},
		{[]string{"--sink-endpoint", "HTTPS://minio:9000/"}, "minio:9000", true},
		{[]string{"--sink-endpoint", "https://[::1]:9000", "--sink-tls"}, "[::1]:9000", true},
		{[]string{"--sink-endpoint", "http://minio:9000"}, "minio:9000", false},
	} {
		got, err := stores(t, c.flags...)
		if err != nil {
			t.Errorf("%s: %v", c.flags, err)
			continue
		}
		if s3 := got.Sink.s3(); s3.Endpoint != c.host || s3.TLS != c.tls {
			t.Errorf("%s: endpoint %s, TLS %t", c.flags, s3.Endpoint, s3.TLS)
		}
	}
}

// TestStoreRefuses what can't be meant, as wrong usage and without a password that stands in it.
func TestStoreRefuses(t *testing.T) {
	for _, c := range []struct {
		flags []string
		says  string
	}{
		{[]string{"--sink-endpoint", "https://root:hunter2@minio:9000"}, "sink.endpoint: user and password"},
		{[]string{"--staging-endpoint", "HTTP://root:hunter2@minio"}, "staging.endpoint: user and password"},
		{[]string{"--sink-endpoint", "root:hunter2@minio:9000"}, "sink.endpoint: user and password"},
		{[]string{"--sink-endpoint", "https://minio/hunter2"}, "https://host:port"},
		{[]string{"--sink-endpoint", "https://minio?token=hunter2"}, "https://host:port"},
		{[]string{"--sink-endpoint", "s3://hunter2"}, "https://host:port"},
		{[]string{"--sink-endpoint", "https://"}, "https://host:port"},
		{[]string{"--sink-endpoint", "http://minio:9000", "--sink-tls"}, "TLS is turned on"},
		{[]string{"--sink-sse", "AES256"}, "sink.sse: encryption"},
		{[]string{"--staging-sse", "kms:"}, "staging.sse: encryption"},
	} {
		_, err := stores(t, c.flags...)
		if !errors.As(err, new(usageError)) || !strings.Contains(err.Error(), c.says) || strings.Contains(err.Error(), "hunter2") {
			t.Errorf("%s: %v, want %q", c.flags, err, c.says)
		}
	}
}

// TestStagingStore has of the sink what is not said of it, where it is the same server. A session token goes with its keys.
func TestStagingStore(t *testing.T) {
	sink := []string{"--sink-endpoint", "https://minio:9000", "--sink-access-key", "a", "--sink-secret-key", "b", "--sink-session-token", "c", "--sink-sse", "s3"}
	for _, c := range []struct {
		name    string
		staging []string
		want    store
	}{
		{"nothing said", nil, store{Endpoint: "minio:9000", TLS: true, AccessKey: "a", SecretKey: "b", SessionToken: "c", SSE: "s3"}},
		{"the same server", []string{"--staging-endpoint", "minio:9000"}, store{Endpoint: "minio:9000", TLS: true, AccessKey: "a", SecretKey: "b", SessionToken: "c", SSE: "s3"}},
		{"other keys", []string{"--staging-access-key", "d", "--staging-secret-key", "e"}, store{Endpoint: "minio:9000", TLS: true, AccessKey: "d", SecretKey: "e", SSE: "s3"}},
		{"other temporary keys", []string{"--staging-access-key", "d", "--staging-secret-key", "e", "--staging-session-token", "f"},
			store{Endpoint: "minio:9000", TLS: true, AccessKey: "d", SecretKey: "e", SessionToken: "f", SSE: "s3"}},
		{"no encryption", []string{"--staging-sse", "none"}, store{Endpoint: "minio:9000", TLS: true, AccessKey: "a", SecretKey: "b", SessionToken: "c", SSE: "none"}},
		{"another server", []string{"--staging-endpoint", "https://other:9000"}, store{Endpoint: "other:9000", TLS: true}},
		{"without TLS", []string{"--staging-endpoint", "http://minio:9000"}, store{Endpoint: "minio:9000", plain: true}},
	} {
		got, err := stores(t, append(c.staging, sink...)...)
		if err != nil {
			t.Fatal(err)
		}
		c.want.URL = got.Staging.URL
		if s := got.stagingStore(); s != c.want {
			t.Errorf("%s: %+v, want %+v", c.name, s, c.want)
		}
	}
}

// TestExplainAccess says where keys can come from, and where it stands what they have to be allowed.
func TestExplainAccess(t *testing.T) {
	got := explain(fmt.Errorf("opening: %w", sinks.ErrAccess))
	for _, says := range []string{"MIGRATE_SINK_SESSION_TOKEN", "AWS_PROFILE", "AWS_WEB_IDENTITY_TOKEN_FILE", "role", "docs/permissions.md"} {
		if !strings.Contains(got, says) {
			t.Errorf("%s: lacks %q", got, says)
		}
	}
}
