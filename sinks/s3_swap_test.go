//go:build lab

package sinks_test

import (
	"bytes"
	"context"
	"errors"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"migrate/deploy/lab"
	"migrate/sinks"
)

// loseAnswer has the store answer a request and breaks the connection then.
func loseAnswer(t *testing.T, w http.ResponseWriter, r *http.Request) {
	t.Helper()
	request := r.Clone(r.Context())
	request.RequestURI, request.URL.Scheme, request.URL.Host = "", "http", lab.MinIO
	answer, err := http.DefaultTransport.RoundTrip(request)
	if err != nil {
		t.Error(err)
	} else {
		_, err = io.Copy(io.Discard, answer.Body)
		err = errors.Join(err, answer.Body.Close())
	}
	connection, _, hijackErr := http.NewResponseController(w).Hijack()
	if err := errors.Join(err, hijackErr); err != nil {
		t.Error(err)
		return
	}
	_ = connection.Close() // which is the point
}

func TestASwapWhoseAnswerIsLost(t *testing.T) {
	for _, test := range []struct {
		name   string
		exists bool
		after  func(t *testing.T, direct *sinks.S3) // between the answer and its repetition
		want   error
		stored string
	}{
		{"create", false, nil, nil, "ours"},
		{"replace", true, nil, nil, "ours"},
		{"replaced since", true, func(t *testing.T, direct *sinks.S3) { put(t, direct, "object", []byte("theirs")) }, sinks.ErrChanged, "theirs"},
		{"deleted since", true, func(t *testing.T, direct *sinks.S3) { empty(t, direct) }, sinks.ErrChanged, ""},
	} {
		t.Run(test.name, func(t *testing.T) {
			config := labConfig(t)
			direct, proxy := openS3(t, config), newProxy(t, httptest.NewServer)
			sink := openS3(t, proxy.through(config))
			var old sinks.Version
			if test.exists {
				old = swap(t, direct, "object", "", "before")
			}
			proxy.watch(func(w http.ResponseWriter, r *http.Request, request string) bool {
				if request != onePut || proxy.count(onePut) != 1 {
					return false
				}
				loseAnswer(t, w, r)
				if test.after != nil {
					test.after(t, direct)
				}
				return true
			})
			version, err := sink.Swap(t.Context(), "object", old, []byte("ours"))
			if !errors.Is(err, test.want) {
				t.Errorf("error %v, want %v", err, test.want)
			}
			if n := proxy.count(onePut); n != 2 {
				t.Errorf("%d requests to put, want 2", n)
			}
			data, there, err := direct.Load(t.Context(), "object")
			if string(data) != test.stored || (test.want == nil && there != version) {
				t.Errorf("stored %q as %q, %v; want %q as %q", data, there, err, test.stored, version)
			}
		})
	}
}

func TestARefusedSwap(t *testing.T) {
	for _, test := range []struct {
		name   string
		status int
		code   string
		times  int
		want   error // nil with no says: none
		says   string
		tries  int
	}{
		{"two requests met", http.StatusConflict, "ConditionalRequestConflict", 1, nil, "", 2},
		{"a refusal that can't be", http.StatusPreconditionFailed, "PreconditionFailed", 1, nil, "", 2},
		{"never taken", http.StatusPreconditionFailed, "PreconditionFailed", 9, sinks.ErrChanged, "shows the same version as before", 3},
		{"overloaded", http.StatusServiceUnavailable, "SlowDownWrite", 2, nil, "", 3},
		{"conditions are unknown", http.StatusNotImplemented, "NotImplemented", 9, nil, "too old or too plain", 1},
		{"bucket gone", http.StatusNotFound, "NoSuchBucket", 9, sinks.ErrNoBucket, "create it", 1},
		{"keys withdrawn", http.StatusForbidden, "AccessDenied", 9, sinks.ErrAccess, "s3:PutObject", 4},
		{"denied while another object is deleted", http.StatusForbidden, "AccessDenied", 2, nil, "", 3},
		{"full", http.StatusInsufficientStorage, "XMinioStorageFull", 9, sinks.ErrNoSpace, "make room", 1},
	} {
		t.Run(test.name, func(t *testing.T) {
			proxy := newProxy(t, httptest.NewServer)
			sink := openS3(t, proxy.through(labConfig(t)))
			old := swap(t, sink, "object", "", "before")
			proxy.watch(func(w http.ResponseWriter, r *http.Request, request string) bool {
				if request != onePut || proxy.count(request) > test.times {
					return false
				}
				_, _ = io.Copy(io.Discard, r.Body)
				refuse(w, test.status, test.code, "as the test has it")
				return true
			})
			_, err := sink.Swap(t.Context(), "object", old, []byte("after"))
			succeeds := test.want == nil && test.says == ""
			if (err == nil) != succeeds || !errors.Is(err, test.want) && test.want != nil {
				t.Errorf("error %v, want %v", err, test.want)
			}
			if err != nil && !strings.Contains(err.Error(), test.says) {
				t.Errorf("error %v does not say %q", err, test.says)
			}
			if got := proxy.count(onePut); got != test.tries {
				t.Errorf("%d tries, want %d", got, test.tries)
			}
		})
	}
}

// However large, a swap is one request, and so is a load.
func TestASwapIsOneRequest(t *testing.T) {
	proxy := newProxy(t, httptest.NewServer)
	sink := openS3(t, proxy.through(labConfig(t)))
	data := bytesOf(uploadTwo)
	version := swap(t, sink, "object", "", "small")
	proxy.watch(nil)
	if _, err := sink.Swap(t.Context(), "object", version, data); err != nil {
		t.Fatal(err)
	}
	if got, _, err := sink.Load(t.Context(), "object"); err != nil || !bytes.Equal(got, data) {
		t.Errorf("loaded other bytes, %v", err)
	}
	if got := strings.Join(proxy.seen(), ", "); got != "PUT, GET" {
		t.Errorf("requests %s", got)
	}
}

// A context that ends while the store swaps does not lose the answer, nor what the store is asked when it refuses.
func TestTheContextEndsDuringASwap(t *testing.T) {
	proxy := newProxy(t, httptest.NewServer)
	sink := openS3(t, proxy.through(labConfig(t)))
	version := swap(t, sink, "object", "", "before")
	for _, test := range []struct {
		name string
		old  sinks.Version
		want error
	}{{"swapped", version, nil}, {"refused", version, sinks.ErrChanged}} {
		t.Run(test.name, func(t *testing.T) {
			ctx, cancel := context.WithCancel(t.Context())
			defer cancel()
			proxy.watch(func(http.ResponseWriter, *http.Request, string) bool {
				cancel()
				return false
			})
			if _, err := sink.Swap(ctx, "object", test.old, []byte(test.name)); !errors.Is(err, test.want) {
				t.Errorf("error %v, want %v", err, test.want)
			}
			if got := string(read(t, sink, "object")); got != "swapped" {
				t.Errorf("read %q", got)
			}
		})
	}
}

func TestAStoreWithoutETags(t *testing.T) {
	proxy := newProxy(t, httptest.NewServer)
	sink := openS3(t, proxy.through(labConfig(t)))
	proxy.watch(func(w http.ResponseWriter, r *http.Request, request string) bool {
		if request != onePut && request != oneGet {
			return false
		}
		_, _ = io.Copy(io.Discard, r.Body)
		w.Header().Set("Last-Modified", "Mon, 02 Jan 2006 15:04:05 GMT")
		_, _ = io.WriteString(w, "data")
		return true
	})
	_, _, loadErr := sink.Load(t.Context(), "object")
	_, swapErr := sink.Swap(t.Context(), "object", "", []byte("data"))
	for _, err := range []error{loadErr, swapErr} {
		if err == nil || !strings.Contains(err.Error(), "use another store") {
			t.Errorf("error %v", err)
		}
	}
}

func TestALoadThatIsCutOff(t *testing.T) {
	proxy := newProxy(t, httptest.NewServer)
	sink := openS3(t, proxy.through(labConfig(t)))
	proxy.watch(func(w http.ResponseWriter, _ *http.Request, request string) bool {
		if request != oneGet {
			return false
		}
		w.Header().Set("Content-Length", "100")
		w.Header().Set("ETag", `"etag"`)
		w.Header().Set("Last-Modified", "Mon, 02 Jan 2006 15:04:05 GMT")
		_, _ = io.WriteString(w, "half")
		return true
	})
	if data, version, err := sink.Load(t.Context(), "object"); !errors.Is(err, io.ErrUnexpectedEOF) || version != "" {
		t.Errorf("loaded %q as %q: %v", data, version, err)
	}
}
