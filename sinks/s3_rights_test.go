//go:build lab

package sinks_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"migrate/deploy/lab"
	"migrate/sinks"
	"migrate/sinks/contract"
)

// onePrefix allows what a sink needs below the prefix of config, and nothing else: no HEAD of the bucket, no location, no list
// of uploads.
func onePrefix(config sinks.S3Config) string {
	return fmt.Sprintf(`{"Version": "2012-10-17", "Statement": [
		{"Effect": "Allow", "Action": ["s3:GetObject", "s3:PutObject", "s3:DeleteObject", "s3:AbortMultipartUpload"],
			"Resource": ["arn:aws:s3:::%[1]s/%[2]s/*"]},
		{"Effect": "Allow", "Action": ["s3:ListBucket"], "Resource": ["arn:aws:s3:::%[1]s"],
			"Condition": {"StringLike": {"s3:prefix": ["%[2]s/*"]}}}]}`, config.Bucket, config.Prefix)
}

// with is config with temporary keys that may do what the policy says.
func with(t *testing.T, config sinks.S3Config, policy string) sinks.S3Config {
	keys := temporaryKeys(t, policy)
	config.AccessKey, config.SecretKey, config.SessionToken = keys.AccessKeyID, keys.SecretAccessKey, keys.SessionToken
	return config
}

// Keys of one prefix, which the real MinIO holds to it, are all that the contract, copies and sweeps need.
func TestKeysOfOnePrefix(t *testing.T) {
	config := labConfig(t)
	restricted := with(t, config, onePrefix(config))
	sink := openS3(t, restricted)
	for _, check := range append(contract.Checks(), contract.SwapChecks()...) {
		t.Run(check.Name, func(t *testing.T) {
			if err := check.Run(t.Context(), sink); err != nil {
				t.Error(err)
			}
		})
	}
	put(t, sink, "from", bytesOf(uploadTwo))
	sinks.CopyPartsOf(sink, 6*mib)
	if copied, err := sink.CopyFrom(t.Context(), "to", sink, "from"); !copied || err != nil {
		t.Errorf("copy: %t, %v", copied, err)
	}
	if err := sink.Sweep(t.Context(), "from"); err != nil {
		t.Errorf("sweep: %v", err)
	}
	restricted.Prefix = config.Prefix + "-elsewhere"
	_, err := sinks.NewS3(t.Context(), restricted)
	wantDenied(t, err, "s3:ListBucket", "s3://"+config.Bucket+"/ with the prefix "+restricted.Prefix+"/")
}

// What the real MinIO denies is named: the action, and the object.
func TestADeniedActionIsNamed(t *testing.T) {
	config := labConfig(t)
	full := openS3(t, config)
	put(t, full, "object", bytesOf(10))
	for _, test := range []struct {
		action string
		call   func(ctx context.Context, s *sinks.S3) error
	}{
		{"s3:GetObject", func(ctx context.Context, s *sinks.S3) error { _, err := s.Open(ctx, "object"); return err }},
		{"s3:GetObject", func(ctx context.Context, s *sinks.S3) error { _, _, err := s.Load(ctx, "object"); return err }},
		{"s3:PutObject", func(ctx context.Context, s *sinks.S3) error { _, err := s.Swap(ctx, "object", "", nil); return err }},
		{"s3:PutObject", func(ctx context.Context, s *sinks.S3) error {
			_, err := s.Put(ctx, "object", writes(bytesOf(10)))
			return err
		}},
		{"s3:PutObject", func(ctx context.Context, s *sinks.S3) error {
			_, err := s.Put(ctx, "object", writes(bytesOf(uploadTwo)))
			return err
		}},
		{"s3:DeleteObject", func(ctx context.Context, s *sinks.S3) error { return s.Delete(ctx, "object") }},
		{"s3:AbortMultipartUpload", func(ctx context.Context, s *sinks.S3) error {
			_, err := s.Put(ctx, "object", func(w io.Writer) error { return errors.Join(writes(bytesOf(uploadTwo))(w), errEncode) })
			return err
		}},
	} {
		t.Run(test.action, func(t *testing.T) {
			policy := strings.Replace(onePrefix(config), `"`+test.action+`"`, `"s3:GetObjectTagging"`, 1)
			s := openS3(t, with(t, config, policy))
			wantDenied(t, test.call(t.Context(), s), test.action+" on "+full.URL("object"))
		})
	}
	if err := full.Sweep(t.Context(), "object"); err != nil {
		t.Error(err)
	}
}

// A store may deny the read of what is not there to keys that may list by a prefix only. MinIO does not: the proxy does it here.
func TestADeniedReadOfNothing(t *testing.T) {
	proxy := newProxy(t, httptest.NewServer)
	config := labConfig(t)
	sink := openS3(t, proxy.through(config))
	put(t, sink, "there", nil)
	proxy.watch(func(w http.ResponseWriter, r *http.Request, request string) bool {
		if request != oneGet && request != http.MethodHead {
			return false
		}
		refuse(w, http.StatusForbidden, "AccessDenied", "as S3 has it")
		return true
	})
	for name, want := range map[string]error{"nothing": sinks.ErrNotExist, "ther": sinks.ErrNotExist, "there": sinks.ErrAccess} {
		_, openErr := sink.Open(t.Context(), name)
		_, _, loadErr := sink.Load(t.Context(), name)
		if !errors.Is(openErr, want) || !errors.Is(loadErr, want) {
			t.Errorf("%s: open %v, load %v; want %v", name, openErr, loadErr, want)
		}
	}
}

// A bucket of another region than was guessed, where its location is denied, is found by what the store answers.
func TestTheRegionIsGuessed(t *testing.T) {
	proxy := newProxy(t, httptest.NewServer)
	config := proxy.through(labConfig(t))
	const region = "eu-west-9"
	proxy.watch(func(w http.ResponseWriter, r *http.Request, request string) bool {
		switch signed := r.Header.Get("Authorization"); {
		case request == "GET location":
			refuse(w, http.StatusForbidden, "AccessDenied", "as the test has it")
		case !strings.Contains(signed, "/"+region+"/"):
			w.Header().Set("X-Amz-Bucket-Region", region)
			refuse(w, http.StatusBadRequest, "AuthorizationHeaderMalformed", "the region is wrong")
		default:
			_, _ = io.WriteString(w, "<ListBucketResult></ListBucketResult>")
		}
		return true
	})
	openS3(t, config)
	config.Region = lab.ExportBucket // given ones count
	if _, err := sinks.NewS3(t.Context(), config); err == nil || !strings.Contains(err.Error(), "the region is wrong") {
		t.Errorf("opened with the wrong region: %v", err)
	}
}
