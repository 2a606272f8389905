//go:build lab

package sinks_test

import (
	"context"
	"crypto/rand"
	"net/http"
	"net/http/httptest"
	"net/http/httputil"
	"net/url"
	"slices"
	"strings"
	"sync"
	"testing"

	"migrate/deploy/lab"
	"migrate/sinks"
)

// labConfig is a folder of its own in the lab's bucket for exports.
func labConfig(t *testing.T) sinks.S3Config {
	t.Helper()
	config := labKeys()
	config.Bucket, config.Prefix = lab.ExportBucket, "sinks-"+rand.Text()
	t.Cleanup(func() { empty(t, openS3(t, config)) })
	return config
}

// empty deletes all objects of sink.
func empty(t *testing.T, sink sinks.Sink) {
	t.Helper()
	ctx := context.WithoutCancel(t.Context())
	for _, name := range names(t, sink, "") {
		if err := sink.Delete(ctx, name); err != nil {
			t.Error(err)
		}
	}
}

// proxy stands between a sink and the lab's MinIO. It notes the requests and may answer them itself.
type proxy struct {
	*httptest.Server

	mu       sync.Mutex
	requests []string // method, and the names of the query's parameters
	answer   func(w http.ResponseWriter, r *http.Request, request string) (answered bool)
}

func newProxy(t *testing.T, start func(http.Handler) *httptest.Server) *proxy {
	t.Helper()
	p := &proxy{}
	forward := httputil.NewSingleHostReverseProxy(&url.URL{Scheme: "http", Host: lab.MinIO})
	forward.ErrorHandler = func(w http.ResponseWriter, _ *http.Request, _ error) { w.WriteHeader(http.StatusBadGateway) }
	p.Server = start(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		request := describe(r)
		if !p.note(request)(w, r, request) {
			forward.ServeHTTP(w, r)
		}
	}))
	t.Cleanup(func() {
		p.CloseClientConnections()
		p.Close()
	})
	return p
}

// describe is "PUT partNumber uploadId" for the upload of a part.
func describe(r *http.Request) string {
	parameters := []string{}
	for parameter := range r.URL.Query() {
		parameters = append(parameters, parameter)
	}
	slices.Sort(parameters)
	return strings.Join(append([]string{r.Method}, parameters...), " ")
}

func (p *proxy) note(request string) func(http.ResponseWriter, *http.Request, string) bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.requests = append(p.requests, request)
	if p.answer == nil {
		return func(http.ResponseWriter, *http.Request, string) bool { return false }
	}
	return p.answer
}

// watch forgets the requests so far and has answer see those to come.
func (p *proxy) watch(answer func(http.ResponseWriter, *http.Request, string) bool) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.requests, p.answer = nil, answer
}

func (p *proxy) seen() []string {
	p.mu.Lock()
	defer p.mu.Unlock()
	return slices.Clone(p.requests)
}

func (p *proxy) count(request string) int {
	n := 0
	for _, seen := range p.seen() {
		if seen == request {
			n++
		}
	}
	return n
}

// through is config by way of the proxy.
func (p *proxy) through(config sinks.S3Config) sinks.S3Config {
	config.Endpoint = p.Listener.Addr().String()
	return config
}

const (
	onePut       = "PUT"
	oneGet       = "GET"
	beginUpload  = "POST uploads"
	putPart      = "PUT partNumber uploadId"
	completeAll  = "POST uploadId"
	abortUpload  = "DELETE uploadId"
	bucketExists = "HEAD"
)
