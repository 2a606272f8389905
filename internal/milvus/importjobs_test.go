package milvus

import (
	"context"
	"encoding/json"
	"encoding/pem"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"reflect"
	"slices"
	"sync"
	"testing"
	"time"
)

// answering is a server that gives its answers one by one, the last one for ever, and keeps what it was asked.
type answering struct {
	answers []func(w http.ResponseWriter)

	mu    sync.Mutex
	asked []question
}

type question struct {
	path, body string
	header     http.Header
}

func (a *answering) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	body, _ := io.ReadAll(r.Body)
	a.mu.Lock()
	a.asked = append(a.asked, question{r.URL.Path, string(body), r.Header})
	answer := a.answers[min(len(a.asked), len(a.answers))-1]
	a.mu.Unlock()
	answer(w)
}

func (a *answering) questions() []question {
	a.mu.Lock()
	defer a.mu.Unlock()
	return a.asked
}

func text(status int, body string) func(http.ResponseWriter) {
	return func(w http.ResponseWriter) {
		w.WriteHeader(status)
		fmt.Fprint(w, body)
	}
}

func broken(http.ResponseWriter) { panic(http.ErrAbortHandler) }

// jobsAt is a client of a server that answers so.
func jobsAt(t *testing.T, cfg Config, answers ...func(http.ResponseWriter)) (*ImportJobs, *answering) {
	t.Helper()
	a := &answering{answers: answers}
	server := httptest.NewServer(a)
	t.Cleanup(server.Close)
	cfg.RESTURL = server.URL + "/"
	return newImportJobs(cfg, nil), a
}

func TestCreateImportJob(t *testing.T) {
	jobs, a := jobsAt(t, Config{Username: "root", Password: "Milvus", Database: "books"}, text(200, `{"code": 200, "data": {"jobId": "448707763884413158"}}`))
	id, err := jobs.Create(t.Context(), ImportOrder{Collection: "c", Partition: "p", Files: []string{"a", "b"}, Key: "k"})
	if err != nil || id != 448707763884413158 {
		t.Fatalf("job %d, %v", id, err)
	}
	if want := `{"collectionName":"c","dbName":"books","files":[["a"],["b"]],"partitionName":"p"}`; a.questions()[0].body != want {
		t.Errorf("asked with %s, want %s", a.questions()[0].body, want)
	}
	q := a.questions()[0]
	if q.path != "/v2/vectordb/jobs/import/create" || q.header.Get("Authorization") != "Bearer root:Milvus" || q.header.Get("Idempotency-Key") != "k" {
		t.Errorf("asked %s with %v", q.path, q.header)
	}
	jobs, a = jobsAt(t, Config{Token: "key"}, text(200, `{"code": 0, "data": {"jobId": 7}}`))
	if id, err = jobs.Create(t.Context(), ImportOrder{Collection: "c", Files: []string{"a"}}); err != nil || id != 7 {
		t.Fatalf("job %d, %v", id, err)
	}
	q = a.questions()[0]
	if want := `{"collectionName":"c","files":[["a"]]}`; q.body != want || q.header.Get("Authorization") != "Bearer key" {
		t.Errorf("asked with %s, %v, want %s", q.body, q.header, want)
	}
}

// TestTwoPhases: a job that is to wait says so, as a string, and is committed or aborted by its id, once.
func TestTwoPhases(t *testing.T) {
	jobs, a := jobsAt(t, Config{}, text(200, `{"code": 0, "data": {"jobId": "7"}}`), text(200, `{"code": 0}`), text(502, ""), text(200, `{"code": 0, "data": {}}`))
	jobs.twoPhases = true
	_, createErr := jobs.Create(t.Context(), ImportOrder{Collection: "c", Files: []string{"a"}})
	commitErr, unheard, abortErr := jobs.Commit(t.Context(), 7), jobs.Commit(t.Context(), 7), jobs.Abort(t.Context(), 7)
	if createErr != nil || commitErr != nil || abortErr != nil || !CanPass(unheard) {
		t.Errorf("created %v, committed %v and %v, aborted %v", createErr, commitErr, unheard, abortErr)
	}
	want := []string{
		`/v2/vectordb/jobs/import/create {"collectionName":"c","files":[["a"]],"options":{"auto_commit":"false"}}`,
		`/v2/vectordb/jobs/import/commit {"jobId":"7"}`, `/v2/vectordb/jobs/import/commit {"jobId":"7"}`, `/v2/vectordb/jobs/import/abort {"jobId":"7"}`,
	}
	var got []string
	for _, q := range a.questions() {
		got = append(got, q.path+" "+q.body)
	}
	if !slices.Equal(got, want) {
		t.Errorf("asked %q, want %q", got, want)
	}
}

// TestCreateIsNotRepeated where the server would take it for another job.
func TestCreateIsNotRepeated(t *testing.T) {
	for name, fault := range map[string]func(http.ResponseWriter){
		"broken": broken, "gateway": text(502, "<html>"), "rate limit": text(429, ""), "not ready": text(200, `{"code": 1, "message": "not ready"}`),
	} {
		for _, idempotent := range []bool{false, true} {
			// The list leaves an open connection, on which net/http would send a request with a key twice.
			jobs, a := jobsAt(t, Config{}, text(200, `{"code": 0, "data": {}}`), fault, text(200, `{"code": 0, "data": {"jobId": "7"}}`))
			jobs.idempotent = idempotent
			if err := jobs.Check(t.Context()); err != nil {
				t.Fatal(err)
			}
			_, err := jobs.Create(t.Context(), ImportOrder{Collection: "c", Files: []string{"a"}, Key: "k"})
			if idempotent != (err == nil) || err != nil && !CanPass(err) {
				t.Errorf("%s, idempotent %t: %v", name, idempotent, err)
			}
			if want := map[bool]int{false: 2, true: 3}[idempotent]; len(a.questions()) != want {
				t.Errorf("%s, idempotent %t: %d calls, want %d", name, idempotent, len(a.questions()), want)
			}
		}
	}
}

func TestImportJobsRead(t *testing.T) {
	jobs, _ := jobsAt(t, Config{},
		text(200, `{"code":0,"data":{"records":[{"collectionName":"c","jobId":"12","progress":40,"state":"Importing"},{"jobId":13,"progress":"0","reason":"no disk","state":"Failed"}]}}`),
		text(200, `{"code":0,"data":{"collectionName":"c","jobId":"12","completeTime":"","details":[],"fileSize":0,"importedRows":0,"progress":10,"state":"Pending","totalRows":0}}`),
		text(200, `{"code":200,"data":{"jobId":"12","details":[{"fileName":"[a/b.parquet]","state":"completed"},{"fileName":"plain"}],"progress":100,"state":"Completed"}}`))
	list, err := jobs.List(t.Context(), "c")
	if want := []ImportJob{{12, "Importing", 40, ""}, {13, ImportFailed, 0, "no disk"}}; err != nil || !reflect.DeepEqual(list, want) {
		t.Errorf("listed %+v, %v, want %+v", list, err, want)
	}
	for _, want := range []ImportProgress{
		{ImportJob: ImportJob{12, "Pending", 10, ""}},
		{ImportJob: ImportJob{12, ImportCompleted, 100, ""}, Rows: -1, Files: []string{"a/b.parquet", "plain"}},
	} {
		if got, err := jobs.Progress(t.Context(), 12); err != nil || !reflect.DeepEqual(got, want) {
			t.Errorf("progress %+v, %v, want %+v", got, err, want)
		}
	}
}

// TestReadsAreRepeated while what is wrong can pass, and what is wrong for good is told at once.
func TestReadsAreRepeated(t *testing.T) {
	good := text(200, `{"code": 0, "data": {"records": []}}`)
	cut := func(w http.ResponseWriter) {
		w.Header().Set("Content-Length", "100")
		fmt.Fprint(w, `{"code": 0, "da`)
	}
	for name, test := range map[string]struct {
		fault func(http.ResponseWriter)
		want  error
	}{
		"broken":             {broken, nil},
		"cut off":            {cut, nil},
		"500":                {text(500, "<html>"), nil},
		"503":                {text(503, `{"code": 1, "message": "starting"}`), nil},
		"408":                {text(408, ""), nil},
		"429":                {text(429, ""), nil},
		"rate limit":         {text(200, `{"code": 8, "message": "slow down"}`), nil},
		"HTTP's rate limit":  {text(200, `{"code": 1807, "message": "slow down"}`), nil},
		"401":                {text(401, `{"code": 1800, "message": "who are you"}`), ErrLogin},
		"403":                {text(403, `<html>`), ErrLogin},
		"privilege in a 403": {text(403, `{"code": 65535, "message": "rpc error: code = PermissionDenied desc = PrivilegeImport: permission deny to foo"}`), ErrPrivilege},
		"login in a 200":     {text(200, `{"code": 1800, "message": "who are you"}`), ErrLogin},
		"404":                {text(404, "404 page not found"), ErrNoREST},
		"page":               {text(200, "<html>hello</html>"), ErrNoREST},
		"redirect":           {text(302, ""), ErrNoREST},
		"empty":              {text(200, ""), ErrNoREST},
		"other JSON":         {text(200, `{"status": "ok"}`), ErrNoREST},
		"other data":         {text(200, `{"code": 0, "data": [1]}`), ErrNoREST},
		"no collection":      {text(200, `{"code": 100, "message": "can't find it"}`), ErrNotFound},
	} {
		jobs, a := jobsAt(t, Config{}, test.fault, good)
		_, err := jobs.List(t.Context(), "c")
		if !errors.Is(err, test.want) {
			t.Errorf("%s: %v, want %v", name, err, test.want)
		}
		if want := map[bool]int{true: 2, false: 1}[test.want == nil]; len(a.questions()) != want {
			t.Errorf("%s: %d calls, want %d", name, len(a.questions()), want)
		}
	}
}

// TestImportJobsGiveUp when nobody answers for too long, and at once when the context ends.
func TestImportJobsGiveUp(t *testing.T) {
	jobs, _ := jobsAt(t, Config{RetryFor: 200 * time.Millisecond}, broken)
	if _, err := jobs.List(t.Context(), "c"); !errors.Is(err, ErrUnreachable) {
		t.Errorf("a server that breaks off: %v", err)
	}
	jobs, _ = jobsAt(t, Config{}, broken)
	ctx, cancel := context.WithTimeout(t.Context(), 100*time.Millisecond)
	defer cancel()
	if _, err := jobs.List(ctx, "c"); err == nil || ctx.Err() == nil {
		t.Errorf("a context that ends: %v", err)
	}
}

// TestImportJobsTLS trusts the authority that it is given, and tells at once where it may not.
func TestImportJobsTLS(t *testing.T) {
	a := &answering{answers: []func(http.ResponseWriter){text(200, `{"code": 0, "data": {}}`)}}
	server := httptest.NewTLSServer(a)
	t.Cleanup(server.Close)
	ca := filepath.Join(t.TempDir(), "ca.pem")
	if err := os.WriteFile(ca, pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: server.Certificate().Raw}), 0o600); err != nil {
		t.Fatal(err)
	}
	for name, test := range map[string]struct {
		cfg Config
		ok  bool
	}{
		"trusted":   {Config{TLS: true, CAFile: ca}, true},
		"untrusted": {Config{TLS: true}, false},
	} {
		test.cfg.Address = server.Listener.Addr().String()
		security, err := test.cfg.tlsConfig()
		if err != nil {
			t.Fatal(err)
		}
		err = newImportJobs(test.cfg, security).Check(t.Context())
		if test.ok != (err == nil) || CanPass(err) {
			t.Errorf("%s: %v", name, err)
		}
	}
}

// FuzzReadAnswer: whatever comes back is data or an error, and only what Milvus says of success is taken for it.
func FuzzReadAnswer(f *testing.F) {
	for _, seed := range []string{
		`{"code":0,"data":{"jobId":"1"}}`, `{"code":200,"data":{"jobId":1}}`, `{"code":"0","data":null}`, `{"code":2100,"message":"gone"}`,
		`{"code":0}`, `<html>`, ``, `null`, `[]`, `{"code":1e3}`, `{"code":0,"data":{"jobId":"9223372036854775808"}}`, `{"code":null,"data":{}}`,
	} {
		f.Add(200, seed)
		f.Add(502, seed)
	}
	f.Fuzz(func(t *testing.T, status int, body string) {
		var made struct {
			JobID number `json:"jobId"`
		}
		err := readAnswer("create", status, []byte(body), &made)
		if err == nil && (status != 200 || !json.Valid([]byte(body))) {
			t.Errorf("%d %q taken for an answer", status, body)
		}
		if err != nil && err.Error() == "" {
			t.Errorf("%d %q: an error without words", status, body)
		}
	})
}
