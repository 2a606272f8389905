//go:build lab

package sinks_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/minio/minio-go/v7"
	"golang.org/x/sync/errgroup"

	"migrate/deploy/lab"
	"migrate/sinks"
)

func TestAPutIsAsManyRequestsAsItHasParts(t *testing.T) {
	proxy := newProxy(t, httptest.NewServer)
	sink := openS3(t, proxy.through(labConfig(t)))
	for _, test := range []struct {
		size int
		want []string
	}{
		{0, []string{onePut}},
		{16 * mib, []string{onePut}},
		{16*mib + 1, []string{beginUpload, putPart, putPart, completeAll}},
		{33 * mib, []string{beginUpload, putPart, putPart, putPart, completeAll}},
	} {
		data := bytesOf(test.size)
		proxy.watch(nil)
		put(t, sink, "object", data)
		if got := proxy.seen(); !slices.Equal(got, test.want) {
			t.Errorf("put of %d bytes: requests %q, want %q", test.size, got, test.want)
		}
		if !bytes.Equal(read(t, sink, "object"), data) {
			t.Errorf("put of %d bytes: other bytes read", test.size)
		}
	}
}

func TestAFailedPutLeavesNoUpload(t *testing.T) {
	sink := openS3(t, labConfig(t))
	for _, test := range []struct {
		name string
		fail func(cancel context.CancelFunc) error
		want error
	}{
		{"write error", func(context.CancelFunc) error { return errEncode }, errEncode},
		{"context ends", func(cancel context.CancelFunc) error { cancel(); return nil }, context.Canceled},
		{"both", func(cancel context.CancelFunc) error { cancel(); return errEncode }, errEncode},
	} {
		t.Run(test.name, func(t *testing.T) {
			ctx, cancel := context.WithCancel(t.Context())
			defer cancel()
			_, err := sink.Put(ctx, "object", func(w io.Writer) error {
				if err := writes(bytesOf(uploadTwo))(w); err != nil {
					return err
				}
				if n := uploads(t, sink, "object"); n != 1 {
					t.Errorf("%d uploads while putting, want 1", n)
				}
				return test.fail(cancel)
			})
			if !errors.Is(err, test.want) {
				t.Errorf("error %v, want %v", err, test.want)
			}
			if n := uploads(t, sink, "object"); n != 0 {
				t.Errorf("%d incomplete uploads are left", n)
			}
			if left := names(t, sink, ""); len(left) > 0 {
				t.Errorf("visible: %q", left)
			}
		})
	}
}

// The context ends while a request is under way, at each kind of request that a put makes.
func TestContextEndsDuringARequest(t *testing.T) {
	proxy := newProxy(t, httptest.NewServer)
	sink := openS3(t, proxy.through(labConfig(t)))
	for _, test := range []struct {
		request string
		size    int
		want    error // nil: the commit is under way, and is waited for
	}{
		{onePut, 100, nil},
		{beginUpload, uploadTwo, context.Canceled},
		{putPart, uploadTwo, context.Canceled},
		{completeAll, uploadTwo, nil},
	} {
		t.Run(test.request, func(t *testing.T) {
			ctx, cancel := context.WithCancel(t.Context())
			defer cancel()
			proxy.watch(func(_ http.ResponseWriter, _ *http.Request, request string) bool {
				if request == test.request {
					cancel()
				}
				return false
			})
			_, err := sink.Put(ctx, "object", writes(bytesOf(test.size)))
			if !errors.Is(err, test.want) {
				t.Errorf("error %v, want %v", err, test.want)
			}
			if got := names(t, sink, ""); (len(got) == 1) != (test.want == nil) {
				t.Errorf("put returned %v and %q is visible", err, got)
			}
			if n := uploads(t, sink, "object"); n != 0 {
				t.Errorf("%d incomplete uploads are left", n)
			}
			empty(t, sink)
		})
	}
}

// The store takes requests and never answers: every method returns when its context has ended, after a second at most where the machine is
// not busy.
func TestAHungStoreHoldsNobody(t *testing.T) {
	config := labConfig(t)
	put(t, openS3(t, config), "object", bytesOf(100))
	proxy := newProxy(t, httptest.NewServer)
	sink := openS3(t, proxy.through(config))
	other := openS3(t, proxy.through(config))
	object, err := sink.Open(t.Context(), "object")
	if err != nil {
		t.Fatal(err)
	}
	if err := object.Close(); err != nil {
		t.Fatal(err)
	}
	for _, test := range []struct {
		name string
		call func(ctx context.Context) error
	}{
		{"put", func(ctx context.Context) error {
			_, err := sink.Put(ctx, "small", writes(bytesOf(100)))
			return err
		}},
		{"put of parts", func(ctx context.Context) error {
			_, err := sink.Put(ctx, "large", writes(bytesOf(uploadTwo)))
			return err
		}},
		{"open", func(ctx context.Context) error { _, err := sink.Open(ctx, "object"); return err }},
		{"list", func(ctx context.Context) error {
			for _, err := range sink.List(ctx, "") {
				return err
			}
			return nil
		}},
		{"delete", func(ctx context.Context) error { return sink.Delete(ctx, "object") }},
		{"copy", func(ctx context.Context) error { _, err := other.CopyFrom(ctx, "copy", sink, "object"); return err }},
		{"sweep", func(ctx context.Context) error { return sink.Sweep(ctx, "object") }},
		{"load", func(ctx context.Context) error { _, _, err := sink.Load(ctx, "object"); return err }},
		{"swap", func(ctx context.Context) error { _, err := sink.Swap(ctx, "new", "", bytesOf(100)); return err }},
		{"new", func(ctx context.Context) error { _, err := sinks.NewS3(ctx, proxy.through(config)); return err }},
	} {
		t.Run(test.name, func(t *testing.T) {
			ctx, cancel := context.WithCancel(t.Context())
			defer cancel()
			canceled := make(chan time.Time, 1)
			proxy.watch(func(_ http.ResponseWriter, r *http.Request, _ string) bool {
				select {
				case canceled <- time.Now():
					cancel()
				default: // at an earlier request
				}
				_, _ = io.Copy(io.Discard, r.Body)
				<-r.Context().Done()
				return true
			})
			err := test.call(ctx)
			if took := time.Since(<-canceled); took > time.Minute {
				t.Errorf("took %v after the context's end", took)
			}
			if !errors.Is(err, context.Canceled) {
				t.Errorf("error %v", err)
			}
		})
	}
}

func TestRetries(t *testing.T) {
	for _, test := range []struct {
		name    string
		request string
		status  int
		code    string
		times   int // that the request is refused
		want    error
		tries   int
	}{
		{"overloaded at the beginning", beginUpload, http.StatusServiceUnavailable, "SlowDownWrite", 2, nil, 3},
		{"overloaded at a part", putPart, http.StatusServiceUnavailable, "SlowDownWrite", 1, nil, 3},
		{"broken at the end", completeAll, http.StatusInternalServerError, "InternalError", 1, nil, 2},
		{"full at a part", putPart, http.StatusInsufficientStorage, "XMinioStorageFull", 9, sinks.ErrNoSpace, 1},
		{"over quota", putPart, http.StatusBadRequest, "XMinioAdminBucketQuotaExceeded", 9, sinks.ErrNoSpace, 1},
		{"bucket gone", beginUpload, http.StatusNotFound, "NoSuchBucket", 9, sinks.ErrNoBucket, 1},
		{"keys withdrawn", putPart, http.StatusForbidden, "InvalidAccessKeyId", 9, sinks.ErrAccess, 1},
		{"denied while another object is deleted", completeAll, http.StatusForbidden, "AccessDenied", 2, nil, 3},
		{"clock off", putPart, http.StatusForbidden, "RequestTimeTooSkewed", 9, sinks.ErrAccess, 1},
	} {
		t.Run(test.name, func(t *testing.T) {
			proxy := newProxy(t, httptest.NewServer)
			sink := openS3(t, proxy.through(labConfig(t)))
			proxy.watch(func(w http.ResponseWriter, r *http.Request, request string) bool {
				if request != test.request || proxy.count(request) > test.times {
					return false
				}
				_, _ = io.Copy(io.Discard, r.Body)
				refuse(w, test.status, test.code, "as the test has it")
				return true
			})
			_, err := sink.Put(t.Context(), "object", writes(bytesOf(uploadTwo)))
			if !errors.Is(err, test.want) {
				t.Errorf("error %v, want %v", err, test.want)
			}
			if got := proxy.count(test.request); got != test.tries {
				t.Errorf("%d tries, want %d", got, test.tries)
			}
			if n := uploads(t, sink, "object"); n != 0 {
				t.Errorf("%d incomplete uploads are left", n)
			}
		})
	}
}

// Every first request of its kind loses its connection.
func TestLostConnections(t *testing.T) {
	proxy := newProxy(t, httptest.NewServer)
	sink := openS3(t, proxy.through(labConfig(t)))
	proxy.watch(func(w http.ResponseWriter, r *http.Request, request string) bool {
		if proxy.count(request) > 1 {
			return false
		}
		reset(t, w)
		return true
	})
	for _, size := range []int{1000, uploadTwo} {
		data := bytesOf(size)
		put(t, sink, "object", data)
		if !bytes.Equal(read(t, sink, "object"), data) {
			t.Errorf("put of %d bytes: other bytes read", size)
		}
	}
	if got := names(t, sink, ""); !slices.Equal(got, []string{"object"}) {
		t.Errorf("the folder holds %q", got)
	}
	if err := sink.Delete(t.Context(), "object"); err != nil {
		t.Error(err)
	}
}

// reset ends a request's connection as a store that is killed does.
func reset(t *testing.T, w http.ResponseWriter) {
	connection, _, err := w.(http.Hijacker).Hijack()
	if err == nil {
		err = errors.Join(connection.(*net.TCPConn).SetLinger(0), connection.Close())
	}
	if err != nil {
		t.Error(err)
	}
}

// An encoder between may hide what the store said; the caller still has to learn it.
func TestAStoreErrorThatWriteHides(t *testing.T) {
	proxy := newProxy(t, httptest.NewServer)
	sink := openS3(t, proxy.through(labConfig(t)))
	proxy.watch(func(w http.ResponseWriter, r *http.Request, request string) bool {
		if request != putPart {
			return false
		}
		_, _ = io.Copy(io.Discard, r.Body)
		refuse(w, http.StatusInsufficientStorage, "XMinioStorageFull", "full")
		return true
	})
	for _, hidden := range []error{nil, errEncode} {
		_, err := sink.Put(t.Context(), "object", func(w io.Writer) error {
			_ = writes(bytesOf(uploadTwo))(w)
			return hidden
		})
		if !errors.Is(err, sinks.ErrNoSpace) || (hidden != nil && !errors.Is(err, hidden)) {
			t.Errorf("write returned %v, put %v", hidden, err)
		}
	}
}

func TestNewS3Refuses(t *testing.T) {
	noKeysAround(t)
	config := labConfig(t)
	plain := func(change func(*sinks.S3Config)) func(*testing.T) sinks.S3Config {
		return func(*testing.T) sinks.S3Config {
			changed := config
			change(&changed)
			return changed
		}
	}
	for _, test := range []struct {
		name   string
		config func(*testing.T) sinks.S3Config
		want   error // nil: any
		says   string
	}{
		{"missing bucket", plain(func(c *sinks.S3Config) { c.Bucket = "no-such-bucket" }), sinks.ErrNoBucket, "create it or correct the name"},
		{"unknown access key", plain(func(c *sinks.S3Config) { c.AccessKey = "nobody" }), sinks.ErrAccess, "check the access key"},
		{"wrong secret key", plain(func(c *sinks.S3Config) { c.SecretKey = "wrong-secret" }), sinks.ErrAccess, "check the access key"},
		{"wrong session token", plain(func(c *sinks.S3Config) { c.SessionToken = "wrong-token" }), sinks.ErrAccess, ""},
		{"no keys", plain(func(c *sinks.S3Config) { c.AccessKey, c.SecretKey = "", "" }), sinks.ErrAccess, "exports"},
		{"half of the keys", plain(func(c *sinks.S3Config) { c.SecretKey = "" }), nil, "given together"},
		{"a session token alone", plain(func(c *sinks.S3Config) { c.AccessKey, c.SecretKey, c.SessionToken = "", "", "wrong-token" }), nil, "given together"},
		{"bad encryption", plain(func(c *sinks.S3Config) { c.SSE = "kms:" }), nil, "kms:KEY-ID"},
		{"bad bucket name", plain(func(c *sinks.S3Config) { c.Bucket = "Not_A_Bucket!" }), nil, "ucket name"},
		{"bad prefix", plain(func(c *sinks.S3Config) { c.Prefix = "a/../b" }), nil, "a/../b"},
		{"no endpoint", plain(func(c *sinks.S3Config) { c.Endpoint = "" }), nil, "host:port"},
		{"URL for an endpoint", plain(func(c *sinks.S3Config) { c.Endpoint = "http://user:wrong-secret@host" }), nil, "host:port"},
		{"nobody listens", closedPort, nil, "check that it runs there"},
		{"TLS to a plain port", plain(func(c *sinks.S3Config) { c.TLS = true }), nil, "turn TLS off"},
		{"plain to a TLS port", tlsServer(func(c *sinks.S3Config) { c.TLS = false }), nil, "turn TLS on"},
		{"unknown authority", tlsServer(func(c *sinks.S3Config) { c.CAFile = "" }), nil, "name the file of the authority"},
		{"no CA file", plain(func(c *sinks.S3Config) { c.TLS, c.CAFile = true, "nowhere.pem" }), os.ErrNotExist, "nowhere.pem"},
		{"empty CA file", plain(func(c *sinks.S3Config) { c.TLS, c.CAFile = true, os.DevNull }), nil, "no certificate"},
	} {
		t.Run(test.name, func(t *testing.T) {
			asked, config := newProxy(t, httptest.NewServer), test.config(t)
			if config.Endpoint == lab.MinIO && !config.TLS {
				config = asked.through(config)
			}
			_, err := sinks.NewS3(t.Context(), config)
			if err == nil || (test.want != nil && !errors.Is(err, test.want)) || !strings.Contains(err.Error(), test.says) {
				t.Fatalf("error %v, want %v that says %q", err, test.want, test.says)
			}
			if strings.Contains(err.Error(), "wrong-") {
				t.Errorf("error holds a secret: %v", err)
			}
			if n := len(asked.seen()); n > 2 {
				t.Errorf("what is final was tried again: %q", asked.seen())
			}
		})
	}
}

func closedPort(*testing.T) sinks.S3Config {
	return sinks.S3Config{Endpoint: "127.0.0.1:9", Bucket: "bucket", AccessKey: "key", SecretKey: "wrong-secret"}
}

// tlsServer has the lab's MinIO behind TLS, and the authority's certificate in a file.
func tlsServer(change func(*sinks.S3Config)) func(*testing.T) sinks.S3Config {
	return func(t *testing.T) sinks.S3Config {
		proxy := newProxy(t, httptest.NewTLSServer)
		config := proxy.through(labConfig(t))
		config.TLS = true
		config.CAFile = caFile(t, proxy.Server)
		change(&config)
		return config
	}
}

func TestS3OverTLS(t *testing.T) {
	sink := openS3(t, tlsServer(func(*sinks.S3Config) {})(t))
	data := bytesOf(uploadTwo)
	put(t, sink, "object", data)
	if !bytes.Equal(read(t, sink, "object"), data) {
		t.Error("other bytes read than put")
	}
}

func TestCopyFrom(t *testing.T) {
	from, to := openS3(t, labConfig(t)), openS3(t, labConfig(t))
	sinks.CopyPartsOf(to, 6*mib)
	for _, size := range []int{0, 1, 6 * mib, 6*mib + 1, uploadTwo} {
		data := bytesOf(size)
		put(t, from, "deep/from", data)
		copied, err := to.CopyFrom(t.Context(), "to", wrapper{from}, "deep/from")
		if err != nil || !copied {
			t.Fatalf("copy of %d bytes: %t, %v", size, copied, err)
		}
		if !bytes.Equal(read(t, to, "to"), data) {
			t.Errorf("copy of %d bytes: other bytes", size)
		}
	}
}

// wrapper wraps a sink, as retries or faults do.
type wrapper struct{ sinks.Sink }

func (w wrapper) Unwrap() sinks.Sink { return w.Sink }

func TestCopyFromAnotherStore(t *testing.T) {
	config := labConfig(t)
	to := openS3(t, config)
	proxy := newProxy(t, httptest.NewServer)
	for name, from := range map[string]sinks.Sink{
		"local":            openLocal(t, t.TempDir()),
		"another endpoint": openS3(t, proxy.through(config)),
		"hidden":           struct{ sinks.Sink }{to},
	} {
		t.Run(name, func(t *testing.T) {
			put(t, from, "from", bytesOf(1))
			copied, err := to.CopyFrom(t.Context(), "to", from, "from")
			if copied || err != nil {
				t.Errorf("%t, %v; want nothing done", copied, err)
			}
		})
	}
	if slices.Contains(names(t, to, ""), "to") {
		t.Error("something was copied")
	}
}

func TestAFailedCopyLeavesNothing(t *testing.T) {
	config := labConfig(t)
	direct, proxy := openS3(t, config), newProxy(t, httptest.NewServer)
	sink := openS3(t, proxy.through(config))
	sinks.CopyPartsOf(sink, 6*mib)
	put(t, direct, "from", bytesOf(uploadTwo))
	for _, test := range []struct {
		name   string
		from   string
		during func(cancel context.CancelFunc)
		want   error // nil: any
	}{
		{"missing", "nothing", func(context.CancelFunc) {}, sinks.ErrNotExist},
		{"bad name", "../from", func(context.CancelFunc) {}, nil},
		{"context ends", "from", func(cancel context.CancelFunc) { cancel() }, context.Canceled},
		{"replaced", "from", func(context.CancelFunc) { put(t, direct, "from", bytesOf(uploadTwo)) }, nil},
	} {
		t.Run(test.name, func(t *testing.T) {
			ctx, cancel := context.WithCancel(t.Context())
			defer cancel()
			proxy.watch(func(_ http.ResponseWriter, _ *http.Request, request string) bool {
				if request == putPart && proxy.count(putPart) == 2 {
					test.during(cancel)
				}
				return false
			})
			copied, err := sink.CopyFrom(ctx, "to", sink, test.from)
			if err == nil || (test.want != nil && !errors.Is(err, test.want)) {
				t.Errorf("%t, %v; want %v", copied, err, test.want)
			}
			if _, err := direct.Open(t.Context(), "to"); !errors.Is(err, sinks.ErrNotExist) {
				t.Errorf("open of the copy: %v", err)
			}
			if n := uploads(t, direct, "to"); n != 0 {
				t.Errorf("%d incomplete uploads are left", n)
			}
		})
	}
}

func TestAReaderNeverMixesTwoObjects(t *testing.T) {
	sink := openS3(t, labConfig(t))
	put(t, sink, "object", bytesOf(100))
	object, err := sink.Open(t.Context(), "object")
	if err != nil {
		t.Fatal(err)
	}
	defer object.Close()
	put(t, sink, "object", bytesOf(100))
	if _, err := object.ReadAt(make([]byte, 10), 0); err == nil || !strings.Contains(err.Error(), "replaced") {
		t.Errorf("read of a replaced object: %v", err)
	}
}

func TestABrokenReadIsNoEnd(t *testing.T) {
	config := labConfig(t)
	put(t, openS3(t, config), "object", bytesOf(uploadTwo))
	proxy := newProxy(t, httptest.NewServer)
	sink := openS3(t, proxy.through(config))
	object, err := sink.Open(t.Context(), "object")
	if err != nil {
		t.Fatal(err)
	}
	defer object.Close()
	proxy.watch(func(w http.ResponseWriter, r *http.Request, request string) bool {
		w.Header().Set("Content-Length", fmt.Sprint(uploadTwo))
		w.Header().Set("Last-Modified", time.Now().UTC().Format(http.TimeFormat))
		_, _ = w.Write(make([]byte, mib))
		return true // and the connection ends before the object does
	})
	if n, err := io.Copy(io.Discard, object); err == nil {
		t.Errorf("read %d of %d bytes without an error", n, object.Size())
	}
	if n, err := object.ReadAt(make([]byte, 2*mib), 0); err == nil || errors.Is(err, io.EOF) {
		t.Errorf("read %d of %d bytes at once: %v", n, 2*mib, err)
	}
}

func TestListGoesOnPastAPage(t *testing.T) {
	const objects = 1100 // a page has 1000
	sink := openS3(t, labConfig(t))
	group, ctx := errgroup.WithContext(t.Context())
	group.SetLimit(8)
	for i := range objects {
		group.Go(func() error {
			_, err := sink.Put(ctx, fmt.Sprintf("%d/object-%04d", i%3, i), writes([]byte{byte(i)}))
			return err
		})
	}
	if err := group.Wait(); err != nil {
		t.Fatal(err)
	}
	got := names(t, sink, "")
	if len(got) != objects || !slices.IsSorted(got) {
		t.Errorf("listed %d of %d, in order: %t", len(got), objects, slices.IsSorted(got))
	}
}

// A list that ends early because its context did must not look like a short one.
func TestAListThatIsCutOffSaysSo(t *testing.T) {
	sink := openS3(t, labConfig(t))
	put(t, sink, "a", nil)
	put(t, sink, "b", nil)
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	var last error
	for _, err := range sink.List(ctx, "") {
		cancel()
		last = err
	}
	if !errors.Is(last, context.Canceled) {
		t.Errorf("last error %v", last)
	}
}

func TestMarksOfFoldersAreNoObjects(t *testing.T) {
	sink := openS3(t, labConfig(t))
	put(t, sink, "folder/object", nil)
	core, bucket := sinks.Core(sink)
	mark := sink.Key("folder") + "/"
	if _, err := core.Client.PutObject(t.Context(), bucket, mark, strings.NewReader(""), 0, minio.PutObjectOptions{}); err != nil {
		t.Fatal(err)
	}
	if got, want := names(t, sink, ""), []string{"folder/object"}; !slices.Equal(got, want) {
		t.Errorf("listed %q, want %q", got, want)
	}
	if err := core.RemoveObject(t.Context(), bucket, mark, minio.RemoveObjectOptions{}); err != nil {
		t.Error(err)
	}
}
