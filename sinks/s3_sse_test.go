package sinks_test

import (
	"bytes"
	"crypto/rand"
	"encoding/pem"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"net/url"
	"slices"
	"strings"
	"sync"
	"testing"

	"migrate/sinks"
)

// encrypting is a stand-in for an S3 bucket whose policy demands encryption, in memory and over TLS: the lab's MinIO has no
// KMS and refuses to encrypt. It denies each request that makes an object without the headers, and its ETags are no hashes of
// the content, as S3's are none then.
type encrypting struct {
	want http.Header // what a request that makes an object has to bear

	mu      sync.Mutex
	objects map[string]object
	uploads map[string][][]byte
	denied  int
}

type object struct {
	data []byte
	etag string
}

func (e *encrypting) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	e.mu.Lock()
	defer e.mu.Unlock()
	body, _ := io.ReadAll(r.Body)
	_, bucket, _ := strings.Cut(r.URL.Path, "/")
	_, key, _ := strings.Cut(bucket, "/")
	switch q := r.URL.Query(); {
	case key == "" && q.Has("location"):
		_, _ = io.WriteString(w, "<LocationConstraint></LocationConstraint>")
	case key == "":
		_, _ = io.WriteString(w, "<ListBucketResult></ListBucketResult>")
	case r.Method == http.MethodGet || r.Method == http.MethodHead:
		e.get(w, key)
	case q.Has("partNumber"):
		e.part(w, r, q.Get("uploadId"), body)
	case q.Has("uploadId"):
		e.store(w, key, slices.Concat(e.uploads[q.Get("uploadId")]...))
		_, _ = io.WriteString(w, "<CompleteMultipartUploadResult><Bucket>bucket</Bucket></CompleteMultipartUploadResult>")
	case !e.bears(r.Header):
		e.denied++
		refuse(w, http.StatusForbidden, "AccessDenied", "explicit deny in a resource-based policy")
	case q.Has("uploads"):
		id := rand.Text()
		e.uploads[id] = nil
		fmt.Fprintf(w, "<InitiateMultipartUploadResult><UploadId>%s</UploadId></InitiateMultipartUploadResult>", id)
	case !e.matches(r.Header, key):
		refuse(w, http.StatusPreconditionFailed, "PreconditionFailed", "another version")
	case r.Header.Get("X-Amz-Copy-Source") != "":
		e.store(w, key, e.source(r))
		_, _ = io.WriteString(w, "<CopyObjectResult></CopyObjectResult>")
	default:
		e.store(w, key, body)
	}
}

func (e *encrypting) bears(h http.Header) bool {
	for name := range e.want {
		if h.Get(name) != e.want.Get(name) {
			return false
		}
	}
	return true
}

func (e *encrypting) matches(h http.Header, key string) bool {
	there, exists := e.objects[key]
	if h.Get("If-None-Match") == "*" {
		return !exists
	}
	want := strings.Trim(h.Get("If-Match"), `"`)
	return want == "" || exists && want == there.etag
}

func (e *encrypting) get(w http.ResponseWriter, key string) {
	there, exists := e.objects[key]
	if !exists {
		refuse(w, http.StatusNotFound, "NoSuchKey", "nothing there")
		return
	}
	w.Header().Set("ETag", `"`+there.etag+`"`)
	w.Header().Set("Last-Modified", "Mon, 02 Jan 2006 15:04:05 GMT")
	w.Header().Set("Content-Length", fmt.Sprint(len(there.data)))
	_, _ = w.Write(there.data)
}

func (e *encrypting) part(w http.ResponseWriter, r *http.Request, id string, body []byte) {
	if r.Header.Get("X-Amz-Copy-Source") != "" {
		var from, to int
		_, _ = fmt.Sscanf(r.Header.Get("X-Amz-Copy-Source-Range"), "bytes=%d-%d", &from, &to)
		body = e.source(r)[from : to+1]
		_, _ = io.WriteString(w, "<CopyPartResult><ETag>part</ETag></CopyPartResult>")
	}
	w.Header().Set("ETag", `"part"`)
	e.uploads[id] = append(e.uploads[id], body)
}

func (e *encrypting) source(r *http.Request) []byte {
	path, _ := url.PathUnescape(r.Header.Get("X-Amz-Copy-Source"))
	_, key, _ := strings.Cut(strings.TrimPrefix(path, "/"), "/")
	return e.objects[key].data
}

func (e *encrypting) store(w http.ResponseWriter, key string, data []byte) {
	e.objects[key] = object{data, strings.ToLower(rand.Text())}
	w.Header().Set("ETag", `"`+e.objects[key].etag+`"`)
}

// encryptingStore returns the stand-in, and how to reach it.
func encryptingStore(t *testing.T, want http.Header) (*encrypting, sinks.S3Config) {
	t.Helper()
	store := &encrypting{want: want, objects: map[string]object{}, uploads: map[string][][]byte{}}
	server := httptest.NewTLSServer(store)
	t.Cleanup(server.Close)
	return store, sinks.S3Config{
		Endpoint: server.Listener.Addr().String(), Bucket: "bucket", Prefix: "prefix", AccessKey: "key", SecretKey: "secret",
		TLS: true, CAFile: caFile(t, server),
	}
}

// Each request that makes an object asks for the encryption: a put, an upload of parts, copies of both kinds, and swaps, which
// go by ETags that are no hashes.
func TestWhatIsPutIsEncrypted(t *testing.T) {
	const header = "X-Amz-Server-Side-Encryption"
	for sse, want := range map[string]http.Header{
		"s3":           {header: {"AES256"}},
		"kms":          {header: {"aws:kms"}},
		"kms:arn:1/ab": {header: {"aws:kms"}, header + "-Aws-Kms-Key-Id": {"arn:1/ab"}},
	} {
		t.Run(sse, func(t *testing.T) {
			store, config := encryptingStore(t, want)
			config.SSE = sse
			sink := openS3(t, config)
			sinks.CopyPartsOf(sink, 6*mib)
			for _, size := range []int{100, uploadTwo} {
				data := bytesOf(size)
				put(t, sink, "object", data)
				if copied, err := sink.CopyFrom(t.Context(), "copy", sink, "object"); !copied || err != nil {
					t.Fatalf("copy of %d bytes: %t, %v", size, copied, err)
				}
				if !bytes.Equal(read(t, sink, "copy"), data) {
					t.Errorf("copy of %d bytes: other bytes read", size)
				}
			}
			first := swap(t, sink, "swapped", "", "one")
			second := swap(t, sink, "swapped", first, "two")
			if _, err := sink.Swap(t.Context(), "swapped", first, []byte("late")); !errors.Is(err, sinks.ErrChanged) {
				t.Errorf("swap of an old version: %v", err)
			}
			if data, version, err := sink.Load(t.Context(), "swapped"); string(data) != "two" || version != second || err != nil {
				t.Errorf("loaded %q as %q, %v", data, version, err)
			}
			if store.denied > 0 {
				t.Errorf("%d requests without the headers", store.denied)
			}
		})
	}
}

// A bucket that demands encryption which was not asked for: the message says that this may be it.
func TestABucketThatDemandsEncryption(t *testing.T) {
	_, config := encryptingStore(t, http.Header{"X-Amz-Server-Side-Encryption": {"AES256"}})
	_, err := openS3(t, config).Put(t.Context(), "object", writes(nil))
	wantDenied(t, err, "s3:PutObject", "or the bucket demands encryption")
}

func wantDenied(t *testing.T, err error, says ...string) {
	t.Helper()
	if !errors.Is(err, sinks.ErrAccess) {
		t.Errorf("error %v, want that access is denied", err)
		return
	}
	for _, s := range says {
		if !strings.Contains(err.Error(), s) {
			t.Errorf("error %v does not say %q", err, s)
		}
	}
}

func caFile(t *testing.T, server *httptest.Server) string {
	return write(t, string(pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: server.Certificate().Raw})))
}
