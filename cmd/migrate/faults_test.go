//go:build lab

package main

import (
	"net/http"
	"net/http/httptest"
	"net/http/httputil"
	"net/url"
	"os/exec"
	"strings"
	"sync/atomic"
	"syscall"
	"testing"

	"migrate/deploy/lab"
	"migrate/internal/labtest"
	"migrate/internal/labtest/faulttable"
)

// refusing is the lab's MinIO, but for the parts that it does not take: it answers in their place as refuse does.
func refusing(t *testing.T, times int32, refuse http.HandlerFunc) (endpoint string, refusals *atomic.Int32) {
	minio, refused := minioProxy(), &atomic.Int32{}
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.Method == http.MethodPut && strings.HasSuffix(r.URL.Path, "part-00001.parquet") && refused.Add(1) <= times {
			refuse(w, r)
			return
		}
		minio.ServeHTTP(w, r)
	}))
	t.Cleanup(server.Close)
	return strings.TrimPrefix(server.URL, "http://"), refused
}

func minioProxy() http.Handler {
	return &httputil.ReverseProxy{Rewrite: func(r *httputil.ProxyRequest) {
		r.SetURL(&url.URL{Scheme: "http", Host: lab.MinIO})
		r.Out.Host = r.In.Host // which the signature covers
	}}
}

func answer(status int, code string) http.HandlerFunc {
	return func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", "application/xml")
		w.WriteHeader(status)
		_, _ = w.Write([]byte("<Error><Code>" + code + "</Code><Message>refused on purpose</Message></Error>"))
	}
}

// cutOff passes the first half of a request's body on to MinIO, and then breaks off on both sides.
func cutOff(w http.ResponseWriter, r *http.Request) {
	half, err := http.NewRequestWithContext(r.Context(), r.Method, "http://"+lab.MinIO+r.URL.String(), http.MaxBytesReader(nil, r.Body, r.ContentLength/2))
	if err == nil {
		half.Host, half.Header, half.ContentLength = r.Host, r.Header.Clone(), r.ContentLength
		_, _ = http.DefaultTransport.RoundTrip(half) // the body ends too early, which is an error
	}
	panic(http.ErrAbortHandler)
}

// TestMinIORefuses ends an export well whatever MinIO says to a part: what can pass is tried again, what can't ends it at
// once with a clear error, and the same command goes on.
func TestMinIORefuses(t *testing.T) {
	t.Parallel()
	from := newInMemory(t, 3).export
	for title, c := range map[string]struct {
		times  int32
		refuse http.HandlerFunc
		want   string // in the error; none where the export is to end by itself
	}{
		"full":           {1, answer(http.StatusInsufficientStorage, "XMinioStorageFull"), "make room"},
		"over quota":     {1, answer(http.StatusBadRequest, "XMinioAdminBucketQuotaExceeded"), "make room"},
		"no permission":  {4, answer(http.StatusForbidden, "AccessDenied"), "access denied"},
		"denied once":    {1, answer(http.StatusForbidden, "AccessDenied"), ""}, // as MinIO does while a folder is emptied
		"busy":           {2, answer(http.StatusServiceUnavailable, "SlowDown"), ""},
		"broken":         {2, answer(http.StatusInternalServerError, "InternalError"), ""},
		"body cut off":   {2, cutOff, ""},
		"taken and lost": {1, answer(http.StatusOK, ""), "did not keep"},
	} {
		t.Run(title, func(t *testing.T) {
			t.Parallel()
			faulttable.Tried(t, "export: MinIO's answer to a part is "+title, 1, "a clear error or a retry, and the same command ends it")
			folder := labtest.Name()
			endpoint, refused := refusing(t, c.times, c.refuse)
			labtest.EmptyLater(t, lab.ExportBucket, folder)
			export := args(from, toMinIO, "--sink-endpoint", endpoint,
				sink, "s3://"+lab.ExportBucket+"/"+folder, "--job", strings.ReplaceAll(title, " ", "-"), "--workers", "1")
			r := migrate(t, nil, export...)
			if c.want != "" {
				r.want(t, exitFailed, c.want, "give the same command again")
				r = migrate(t, nil, export...)
			}
			r.want(t, exitOK, "exported 3,000 rows")
			if refused.Load() < c.times {
				t.Errorf("%d requests were refused, %d were to be", refused.Load(), c.times)
			}
		})
	}
}

// TestSecondSignal ends a process that is leaving its job in order after the first one, which takes long where the store
// has ceased to answer.
func TestSecondSignal(t *testing.T) {
	t.Parallel()
	faulttable.Tried(t, "a second signal, where the first one is held up by a store that does not answer", 1, "the process ends at once")
	s, minio, part, leaving := newInMemory(t, 3), minioProxy(), labtest.NewGate(), labtest.NewGate()
	labtest.EmptyLater(t, lab.ExportBucket, s.name)
	var signalled atomic.Bool
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		switch {
		case signalled.Load(): // what it does in order to leave its job
			leaving.Pass(r.Context())
		case strings.HasSuffix(r.URL.Path, "part-00001.parquet"):
			part.Pass(r.Context())
		default:
			minio.ServeHTTP(w, r)
		}
	}))
	t.Cleanup(server.Close)
	defer part.Open()
	defer leaving.Open()
	cmd := exec.CommandContext(t.Context(), binary, args(s.export, toMinIO, "--sink-endpoint", strings.TrimPrefix(server.URL, "http://"),
		sink, "s3://"+lab.ExportBucket+"/"+s.name, "--workers", "1")...)
	cmd.Dir = t.TempDir()
	end := begin(t, cmd)
	part.Await(t)
	signalled.Store(true)
	send(t, cmd.Process, syscall.SIGTERM)
	leaving.Await(t)
	send(t, cmd.Process, syscall.SIGTERM)
	end()
	if status := cmd.ProcessState.Sys().(syscall.WaitStatus); !status.Signaled() || status.Signal() != syscall.SIGTERM {
		t.Errorf("ended with %v, want it to be ended by the second signal", cmd.ProcessState)
	}
}
