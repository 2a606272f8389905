package sinks

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"net/http"
	"net/url"
	"os"
	"strings"
	"time"

	"github.com/minio/minio-go/v7/pkg/credentials"
)

const (
	keysTimeout = 5 * time.Second  // of all ways to find keys together, and of renewing what was found
	renewPause  = 10 * time.Second // after keys could not be renewed that are still good
)

// keys are those that are given, or else the first that are found in the usual ways. Where there are none it tells which
// ways were tried, and the store is asked as nobody: its bucket may be open to everyone.
func (c S3Config) keys(ctx context.Context, transport http.RoundTripper) (keys *credentials.Credentials, tried string) {
	if c.AccessKey != "" {
		return credentials.NewStaticV4(c.AccessKey, c.SecretKey, c.SessionToken), ""
	}
	ctx, cancel := context.WithTimeout(ctx, keysTimeout)
	defer cancel()
	cc := &credentials.CredContext{Client: &http.Client{Transport: transport}, Context: ctx}
	var none []string
	for _, w := range ways() {
		value, why := w.ask(cc)
		if why == "" {
			return credentials.New(&renewed{Provider: w.provider, value: value}), ""
		}
		none = append(none, w.name+": "+why)
	}
	return credentials.NewStatic("", "", "", credentials.SignatureAnonymous), strings.Join(none, "; ")
}

// way is one in which keys are found.
type way struct {
	name     string
	provider credentials.Provider // nil where nothing says that this way is to be taken
}

// ways are those of the AWS SDKs, in their order.
func ways() []way {
	profile := cmp.Or(os.Getenv("AWS_PROFILE"), "default")
	return append([]way{
		{"AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY", &credentials.EnvAWS{}},
		{"MINIO_ROOT_USER or MINIO_ACCESS_KEY, with its secret", &credentials.EnvMinio{}},
		{fmt.Sprintf("shared files, profile %q", profile), &credentials.FileAWSCredentials{}},
	}, roles()...)
}

// roles are the ways to a role, of which one is taken: that which the environment names, or the machine's own.
func roles() []way {
	web, container, instance := way{name: "web identity, AWS_WEB_IDENTITY_TOKEN_FILE"},
		way{name: "container role, AWS_CONTAINER_CREDENTIALS_FULL_URI or _RELATIVE_URI"}, way{name: "instance role"}
	switch {
	case os.Getenv("AWS_WEB_IDENTITY_TOKEN_FILE") != "":
		web.provider = &credentials.IAM{Endpoint: os.Getenv("AWS_ENDPOINT_URL_STS")}
		return []way{web}
	case os.Getenv("AWS_CONTAINER_CREDENTIALS_FULL_URI")+os.Getenv("AWS_CONTAINER_CREDENTIALS_RELATIVE_URI") != "":
		container.provider = &credentials.IAM{}
		return []way{web, container}
	case !strings.EqualFold(os.Getenv("AWS_EC2_METADATA_DISABLED"), "true"):
		instance.provider = &credentials.IAM{Endpoint: os.Getenv("AWS_EC2_METADATA_SERVICE_ENDPOINT")}
	}
	return []way{web, container, instance}
}

// ask tells why there are no keys in this way, if there are none.
func (w way) ask(cc *credentials.CredContext) (value credentials.Value, why string) {
	if w.provider == nil {
		return value, "not set"
	}
	value, err := w.provider.RetrieveWithCredContext(cc)
	switch _, files := w.provider.(*credentials.FileAWSCredentials); {
	case err == nil && value.AccessKeyID != "" && value.SecretAccessKey != "":
		return value, ""
	case err == nil:
		return value, "not set"
	case errors.Is(err, fs.ErrNotExist):
		return value, "a file that it needs is not there"
	case files: // the error may repeat a line of the file, with a secret in it
		return value, "it gives no keys that can be used"
	}
	return value, whyNot(err)
}

// whyNot is why a role gave no keys, without the address that was asked, which may hold a token.
func whyNot(err error) string {
	var failed *url.Error
	if errors.As(err, &failed) {
		err = failed.Err
	}
	if errors.Is(err, context.DeadlineExceeded) {
		return fmt.Sprintf("no answer within %v", keysTimeout)
	}
	return err.Error()
}

// renewed asks for keys again before they expire. Where that fails, those that it has stay in use as long as they are good.
type renewed struct {
	credentials.Provider
	value credentials.Value
	next  time.Time // not to be renewed before
}

// RetrieveWithCredContext implements credentials.Provider. Its error wraps none: it is not the store that did not answer.
func (r *renewed) RetrieveWithCredContext(cc *credentials.CredContext) (credentials.Value, error) {
	if !r.IsExpired() {
		return r.value, nil
	}
	value, why := r.renew(cc)
	switch {
	case why == "":
		r.value = value
	case time.Now().Before(r.value.Expiration):
		r.next = time.Now().Add(min(renewPause, time.Until(r.value.Expiration)))
	default:
		return credentials.Value{}, errors.New("renewing the keys: " + why)
	}
	return r.value, nil
}

func (r *renewed) renew(cc *credentials.CredContext) (credentials.Value, string) {
	ctx := cc.Context
	if ctx == nil {
		ctx = context.Background()
	}
	ctx, cancel := context.WithTimeout(ctx, keysTimeout)
	defer cancel()
	return way{provider: r.Provider}.ask(&credentials.CredContext{Client: cc.Client, Context: ctx})
}

// IsExpired implements credentials.Provider.
func (r *renewed) IsExpired() bool { return time.Now().After(r.next) && r.Provider.IsExpired() }
