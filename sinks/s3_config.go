package sinks

import (
	"crypto/x509"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"os"
	"strings"

	"github.com/minio/minio-go/v7"
	"github.com/minio/minio-go/v7/pkg/credentials"
	"github.com/minio/minio-go/v7/pkg/encrypt"
)

// S3Config says where a bucket is and who opens it. However it is printed, it keeps its secrets.
type S3Config struct {
	Endpoint     string // host or host:port
	Bucket       string
	Prefix       string // of all keys, without slashes at its ends; may be empty
	AccessKey    string // empty where keys are to be found as other programs do, or the bucket is open to everyone
	SecretKey    string `json:"-"`
	SessionToken string `json:"-"` // only with temporary keys
	Region       string // empty where the store is to be asked
	SSE          string // how the store is to encrypt what is put: s3, kms or kms:KEY-ID; nothing is asked of it where empty or none
	TLS          bool
	CAFile       string // PEM, trusted beside the system's authorities; may be empty
}

// String shows all but the secrets.
func (c S3Config) String() string {
	return fmt.Sprintf("{endpoint:%s bucket:%s prefix:%s access key:%s secret key:%s session token:%s region:%s sse:%s tls:%t ca file:%s}",
		c.Endpoint, c.Bucket, c.Prefix, c.AccessKey, redact(c.SecretKey), redact(c.SessionToken), c.Region, c.SSE, c.TLS, c.CAFile)
}

// GoString is what %#v shows.
func (c S3Config) GoString() string { return c.String() }

// LogValue implements slog.LogValuer.
func (c S3Config) LogValue() slog.Value { return slog.StringValue(c.String()) }

func redact(secret string) string {
	if secret == "" {
		return ""
	}
	return "redacted"
}

func (c S3Config) check() error {
	if c.Endpoint == "" || strings.ContainsAny(c.Endpoint, "/@") {
		return errors.New("the endpoint of the store must be host:port, without scheme, user or path; TLS is a setting of its own")
	}
	if (c.AccessKey == "") != (c.SecretKey == "") || c.SessionToken != "" && c.AccessKey == "" {
		return errors.New("the keys of the store must be given together: an access key, its secret key, and the session token if they are temporary")
	}
	if c.Prefix == "" {
		return nil
	}
	return CheckName(c.Prefix)
}

// CheckSSE says what is wrong with how the store is to encrypt.
func CheckSSE(sse string) error {
	_, err := encryption(sse)
	return err
}

// encryption is none where none is asked for.
func encryption(sse string) (encrypt.ServerSide, error) {
	kind, key, named := strings.Cut(sse, ":")
	switch {
	case sse == "" || sse == "none":
		return nil, nil
	case sse == "s3":
		return encrypt.NewSSE(), nil
	case kind == "kms" && named == (key != ""):
		return encrypt.NewSSEKMS(key, nil)
	}
	return nil, fmt.Errorf("encryption %q: none, s3, kms or kms:KEY-ID", sse)
}

func (c S3Config) client(transport http.RoundTripper, keys *credentials.Credentials, tries int) (*minio.Client, error) {
	return minio.New(c.Endpoint, &minio.Options{
		Creds:      keys,
		Secure:     c.TLS,
		Region:     c.Region,
		Transport:  transport,
		MaxRetries: tries,
	})
}

func (c S3Config) transport() (*http.Transport, error) {
	transport, err := minio.DefaultTransport(c.TLS)
	if err != nil {
		return nil, err
	}
	transport.DialContext = (&net.Dialer{Timeout: dialTimeout}).DialContext
	if c.CAFile == "" || !c.TLS {
		return transport, nil
	}
	pem, err := os.ReadFile(c.CAFile)
	if err != nil {
		return nil, fmt.Errorf("reading the CA file: %w", err)
	}
	roots, err := x509.SystemCertPool()
	if err != nil {
		roots = x509.NewCertPool()
	}
	if !roots.AppendCertsFromPEM(pem) {
		return nil, fmt.Errorf("CA file %s holds no certificate in PEM form", c.CAFile)
	}
	transport.TLSClientConfig.RootCAs = roots
	return transport, nil
}
