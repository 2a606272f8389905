package sinks

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"net"
	"net/http"
	"net/url"
	"strings"

	"github.com/minio/minio-go/v7"
)

// need is an S3 action, and what it is done to: what the keys have to be allowed.
type need struct{ action, on string }

func (s *S3) on(action, key string) need { return need{action, s.urlOf(key)} }

func (s *S3) listing(prefix string) need {
	if prefix == "" {
		return s.on("s3:ListBucket", "")
	}
	return need{"s3:ListBucket", fmt.Sprintf("%s with the prefix %s", s.urlOf(""), prefix)}
}

// explain gives what the client reports one of the package's errors, and a hint where an operator can mend it.
func (s *S3) explain(ctx context.Context, need need, err error) error {
	if err == nil {
		return nil
	}
	if ctx.Err() != nil {
		return ctx.Err()
	}
	var answer minio.ErrorResponse
	if errors.As(err, &answer) {
		return s.explainAnswer(need, answer)
	}
	var failed *url.Error
	if errors.As(err, &failed) {
		return s.explainFailure(failed.Err)
	}
	var broken net.Error
	if errors.As(err, &broken) {
		return s.explainFailure(err)
	}
	return err
}

// explainAnswer explains what the store answered.
func (s *S3) explainAnswer(need need, answer minio.ErrorResponse) error {
	err := fmt.Errorf("%w (%s)", answer, answer.Code)
	switch {
	case answer.Code == minio.NoSuchBucket:
		return s.noBucket()
	case answer.Code == minio.NoSuchKey:
		return ErrNotExist
	case strings.Contains(answer.Message, "HTTP request to an HTTPS server"):
		return fmt.Errorf("%w; the store at %s speaks TLS: turn TLS on", err, s.config.Endpoint)
	case answer.StatusCode == http.StatusNotImplemented && s.sse != nil && need.action == "s3:PutObject":
		return fmt.Errorf("%w; see whether the store at %s can encrypt as it is asked to", err, s.config.Endpoint)
	case answer.StatusCode == http.StatusNotImplemented:
		return fmt.Errorf("%w; the store at %s is too old or too plain for this: use another", err, s.config.Endpoint)
	case answer.Code == minio.PreconditionFailed:
		return fmt.Errorf("the object was replaced meanwhile: %w", err)
	case answer.StatusCode == http.StatusInsufficientStorage || strings.Contains(answer.Code, "QuotaExceeded"):
		return fmt.Errorf("%w: %w; make room in the store or raise the bucket's quota, and start again", ErrNoSpace, err)
	case answer.Code == "ExpiredToken":
		return fmt.Errorf("%w: %w; get new temporary keys", ErrAccess, err)
	case answer.Code == "RequestTimeTooSkewed":
		return fmt.Errorf("%w: %w; set this machine's clock", ErrAccess, err)
	case answer.Code == minio.AccessDenied:
		return fmt.Errorf("%w: %w; %s", ErrAccess, err, s.lacks(need))
	case answer.StatusCode == http.StatusUnauthorized || answer.StatusCode == http.StatusForbidden:
		return fmt.Errorf("%w: %w; check the access key, its secret, and the session token of temporary keys", ErrAccess, err)
	}
	return err
}

// lacks says which right is missing.
func (s *S3) lacks(need need) string {
	switch {
	case s.tried != "":
		return fmt.Sprintf("no keys were given or found (%s), and without any %s on %s is not allowed", s.tried, need.action, need.on)
	case need.action == "s3:PutObject" && s.sse == nil:
		return fmt.Sprintf("the keys are not allowed %s on %s, or the bucket demands encryption, which was not asked for", need.action, need.on)
	}
	return fmt.Sprintf("the keys are not allowed %s on %s", need.action, need.on)
}

// explainFailure explains why no answer came.
func (s *S3) explainFailure(err error) error {
	err = fmt.Errorf("reaching the store at %s: %w", s.config.Endpoint, err)
	var untrusted *tls.CertificateVerificationError
	switch {
	case errors.As(err, &untrusted):
		return fmt.Errorf("%w; name the file of the authority that signed the store's certificate", err)
	case strings.Contains(err.Error(), "HTTP response to HTTPS client"):
		return fmt.Errorf("%w; it does not speak TLS there: turn TLS off or correct the port", err)
	}
	return fmt.Errorf("%w; check that it runs there", err)
}

func (s *S3) noBucket() error {
	return fmt.Errorf("%w: %s at %s; create it or correct the name", ErrNoBucket, s.config.Bucket, s.config.Endpoint)
}
