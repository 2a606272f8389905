//go:build lab

package sinks_test

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/minio/minio-go/v7/pkg/credentials"

	"migrate/deploy/lab"
	"migrate/sinks"
)

// noKeysAround has a test begin without any of the keys that this machine may have.
func noKeysAround(t *testing.T) {
	t.Helper()
	for _, kv := range os.Environ() {
		if name, _, _ := strings.Cut(kv, "="); strings.HasPrefix(name, "AWS_") || strings.HasPrefix(name, "MINIO_") {
			t.Setenv(name, "")
		}
	}
	t.Setenv("HOME", t.TempDir())
	t.Setenv("AWS_EC2_METADATA_DISABLED", "true")
}

// temporaryKeys are keys of the lab's MinIO with a session token, which may do what the policy says; everything where it is empty.
func temporaryKeys(t *testing.T, policy string) credentials.Value {
	t.Helper()
	keys, err := credentials.NewSTSAssumeRole("http://"+lab.MinIO, credentials.STSAssumeRoleOptions{
		AccessKey: lab.MinIOUser, SecretKey: lab.MinIOPassword, Policy: policy, DurationSeconds: 900,
	})
	if err != nil {
		t.Fatal(err)
	}
	value, err := keys.GetWithContext(nil)
	if err != nil {
		t.Fatalf("the lab's MinIO is needed; start the lab with make lab-up: %v", err)
	}
	return value
}

// inProfile is a shared file with keys in a profile, and useless ones in the default one.
func inProfile(profile string, v credentials.Value) string {
	return fmt.Sprintf("[default]\naws_access_key_id = nobody\naws_secret_access_key = nothing\n"+
		"[%s]\naws_access_key_id = %s\naws_secret_access_key = %s\naws_session_token = %s\n", profile, v.AccessKeyID, v.SecretAccessKey, v.SessionToken)
}

// securityTokens is a stand-in for STS that gives v for the token "who I am".
func securityTokens(t *testing.T, v credentials.Value) *httptest.Server {
	t.Helper()
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.PostFormValue("WebIdentityToken") != "who I am" || r.PostFormValue("RoleArn") != "arn:aws:iam::1:role/migrate" {
			refuse(w, http.StatusForbidden, "AccessDenied", "not authorized to perform sts:AssumeRoleWithWebIdentity")
			return
		}
		fmt.Fprintf(w, `<AssumeRoleWithWebIdentityResponse xmlns="https://sts.amazonaws.com/doc/2011-06-15/"><AssumeRoleWithWebIdentityResult><Credentials>`+
			`<AccessKeyId>%s</AccessKeyId><SecretAccessKey>%s</SecretAccessKey><SessionToken>%s</SessionToken><Expiration>%s</Expiration>`+
			`</Credentials></AssumeRoleWithWebIdentityResult></AssumeRoleWithWebIdentityResponse>`,
			v.AccessKeyID, v.SecretAccessKey, v.SessionToken, time.Now().Add(time.Hour).UTC().Format(time.RFC3339))
	}))
	t.Cleanup(server.Close)
	return server
}

// metadata is a stand-in for the metadata of an instance and of a container, with a role whose keys are good so long. It
// tells how often they were asked for, and gives them only so often.
func metadata(t *testing.T, v credentials.Value, good time.Duration, times int) (*httptest.Server, func() int) {
	t.Helper()
	asked := make(chan struct{}, 100)
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		switch {
		case r.URL.Path == "/latest/api/token":
			_, _ = io.WriteString(w, "token")
		case strings.HasSuffix(r.URL.Path, "/security-credentials/"):
			_, _ = io.WriteString(w, "a-role")
		case len(asked) >= times:
			asked <- struct{}{}
			w.WriteHeader(http.StatusServiceUnavailable)
		default:
			asked <- struct{}{}
			_ = json.NewEncoder(w).Encode(map[string]any{
				"Code": "Success", "AccessKeyId": v.AccessKeyID, "SecretAccessKey": v.SecretAccessKey, "Token": v.SessionToken,
				"Expiration": time.Now().Add(good).UTC(),
			})
		}
	}))
	t.Cleanup(server.Close)
	return server, func() int { return len(asked) }
}

// Where no keys are given they are found in each of the usual ways: temporary ones of the real MinIO.
func TestKeysAreFound(t *testing.T) {
	keys := temporaryKeys(t, "")
	for _, test := range []struct {
		name string
		set  func(t *testing.T, config *sinks.S3Config)
	}{
		{"given", func(t *testing.T, config *sinks.S3Config) {
			config.AccessKey, config.SecretKey, config.SessionToken = keys.AccessKeyID, keys.SecretAccessKey, keys.SessionToken
			t.Setenv("AWS_ACCESS_KEY_ID", "nobody")
			t.Setenv("AWS_SECRET_ACCESS_KEY", "nothing")
		}},
		{"environment of AWS", func(t *testing.T, _ *sinks.S3Config) {
			t.Setenv("AWS_ACCESS_KEY_ID", keys.AccessKeyID)
			t.Setenv("AWS_SECRET_ACCESS_KEY", keys.SecretAccessKey)
			t.Setenv("AWS_SESSION_TOKEN", keys.SessionToken)
		}},
		{"environment of MinIO", func(t *testing.T, _ *sinks.S3Config) {
			t.Setenv("MINIO_ROOT_USER", lab.MinIOUser)
			t.Setenv("MINIO_ROOT_PASSWORD", lab.MinIOPassword)
		}},
		{"profile", func(t *testing.T, _ *sinks.S3Config) {
			t.Setenv("AWS_SHARED_CREDENTIALS_FILE", write(t, inProfile("moves", keys)))
			t.Setenv("AWS_PROFILE", "moves")
		}},
		{"web identity", func(t *testing.T, _ *sinks.S3Config) {
			t.Setenv("AWS_WEB_IDENTITY_TOKEN_FILE", write(t, "who I am"))
			t.Setenv("AWS_ROLE_ARN", "arn:aws:iam::1:role/migrate")
			t.Setenv("AWS_ENDPOINT_URL_STS", securityTokens(t, keys).URL)
		}},
		{"container role", func(t *testing.T, _ *sinks.S3Config) {
			server, _ := metadata(t, keys, time.Hour, 9)
			t.Setenv("AWS_CONTAINER_CREDENTIALS_FULL_URI", server.URL)
		}},
		{"instance role", func(t *testing.T, _ *sinks.S3Config) {
			server, _ := metadata(t, keys, time.Hour, 9)
			t.Setenv("AWS_EC2_METADATA_DISABLED", "")
			t.Setenv("AWS_EC2_METADATA_SERVICE_ENDPOINT", server.URL)
		}},
	} {
		t.Run(test.name, func(t *testing.T) {
			noKeysAround(t)
			config := labConfig(t)
			config.AccessKey, config.SecretKey = "", ""
			test.set(t, &config)
			sink := openS3(t, config)
			put(t, sink, "object", []byte("by found keys"))
			if got := string(read(t, sink, "object")); got != "by found keys" {
				t.Errorf("read %q", got)
			}
		})
	}
}

// Where there are no keys the message tells which ways were tried, and holds no secret.
func TestNoKeysAreFound(t *testing.T) {
	hangs := httptest.NewServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) { <-r.Context().Done() }))
	t.Cleanup(hangs.Close)
	for _, test := range []struct {
		name string
		set  func(t *testing.T)
		says []string
	}{
		{"nothing is set", func(*testing.T) {},
			[]string{"AWS_ACCESS_KEY_ID", "MINIO_ROOT_USER", `profile "default": a file that it needs is not there`, "web identity", "container role", "instance role: not set", "s3:ListBucket"}},
		{"half of the keys", func(t *testing.T) { t.Setenv("AWS_ACCESS_KEY_ID", "someone") }, []string{"AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY: not set"}},
		{"a file that is none", func(t *testing.T) {
			t.Setenv("AWS_SHARED_CREDENTIALS_FILE", write(t, "[default]\naws_secret_access_key hush\n"))
		}, []string{`profile "default": it gives no keys`}},
		{"no such profile", func(t *testing.T) {
			t.Setenv("AWS_SHARED_CREDENTIALS_FILE", write(t, "[default]\naws_secret_access_key = hush\naws_access_key_id = a\n"))
			t.Setenv("AWS_PROFILE", "moves")
		}, []string{`profile "moves": it gives no keys`}},
		{"a token that is refused", func(t *testing.T) {
			t.Setenv("AWS_WEB_IDENTITY_TOKEN_FILE", write(t, "hush"))
			t.Setenv("AWS_ENDPOINT_URL_STS", securityTokens(t, credentials.Value{}).URL)
		}, []string{"web identity", "not authorized to perform sts:AssumeRoleWithWebIdentity"}},
		{"metadata that hang", func(t *testing.T) {
			t.Setenv("AWS_EC2_METADATA_DISABLED", "")
			t.Setenv("AWS_EC2_METADATA_SERVICE_ENDPOINT", hangs.URL)
		}, []string{"instance role: no answer within 5s"}},
	} {
		t.Run(test.name, func(t *testing.T) {
			noKeysAround(t)
			test.set(t)
			config := labConfig(t)
			config.AccessKey, config.SecretKey = "", ""
			_, err := sinks.NewS3(t.Context(), config)
			if !errors.Is(err, sinks.ErrAccess) {
				t.Fatalf("error %v", err)
			}
			for _, says := range test.says {
				if !strings.Contains(err.Error(), says) {
					t.Errorf("error %v does not say %q", err, says)
				}
			}
			if strings.Contains(err.Error(), "hush") {
				t.Errorf("error holds a secret: %v", err)
			}
		})
	}
}

// Keys of a role are renewed before they expire. While that fails they stay in use as long as they are good, and then the error
// does not take the store for what did not answer.
func TestKeysAreRenewed(t *testing.T) {
	const good = 2 * time.Second
	for _, test := range []struct {
		name  string
		times int // that keys are given
		says  string
	}{
		{"renewed", 99, ""},
		{"not renewed", 1, "renewing the keys: 503"},
	} {
		t.Run(test.name, func(t *testing.T) {
			noKeysAround(t)
			server, asked := metadata(t, temporaryKeys(t, ""), good, test.times)
			t.Setenv("AWS_EC2_METADATA_DISABLED", "")
			t.Setenv("AWS_EC2_METADATA_SERVICE_ENDPOINT", server.URL)
			config := labConfig(t)
			config.AccessKey, config.SecretKey = "", ""
			since := time.Now()
			sink := openS3(t, config)
			for until := time.Now().Add(good); time.Now().Before(until); time.Sleep(good / 50) {
				_, err := sink.Put(t.Context(), "object", writes(nil))
				if err != nil && time.Since(since) < good {
					t.Errorf("with keys that are still good: %v", err)
				}
			}
			if n := asked(); n < 2 {
				t.Errorf("asked for keys %d times, want once more before they expire", n)
			}
			_, err := sink.Open(t.Context(), "object")
			if (err == nil) != (test.says == "") || err != nil && (!strings.Contains(err.Error(), test.says) || errors.Is(err, sinks.ErrAccess)) {
				t.Errorf("error %v, want one that says %q", err, test.says)
			}
		})
	}
}
