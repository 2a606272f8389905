package milvus

import (
	"bytes"
	"context"
	"crypto/tls"
	"crypto/x509"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strconv"
	"strings"
	"time"

	"google.golang.org/grpc/codes"
)

// ImportJobs is bulk insert as Milvus serves it from 2.4 on, as JSON over HTTP. The names of fields and states are those of
// internal/distributed/proxy/httpserver/handler_v2.go in milvus-io/milvus.
type ImportJobs struct {
	base       string // URL that the actions' names are added to
	login      string // value of the Authorization header
	database   string
	idempotent bool
	twoPhases  bool // jobs wait to be committed
	client     *http.Client
	retry      *retrier
}

// jobsImport is what the actions of bulk insert begin with.
const jobsImport = "jobs/import/"

// ImportOrder is one job to start.
type ImportOrder struct {
	Collection string
	Partition  string // none for a collection with a partition key
	Files      []string
	// Key is of printable ASCII, and the same for the same job only.
	Key string
}

// ImportJob is a job as a list of jobs shows it.
type ImportJob struct {
	ID      int64
	State   ImportState
	Percent int64
	Reason  string // why it failed
}

// ImportProgress is all that a server tells of one job.
type ImportProgress struct {
	ImportJob
	Rows  int64    // that it brought, -1 where the server does not say
	Files []string // none until the server has looked into them
}

// ImportState is how far a job is.
type ImportState string

// The states in which a job ends, or waits to be committed or aborted.
const (
	ImportUncommitted ImportState = "Uncommitted"
	ImportCompleted   ImportState = "Completed"
	ImportFailed      ImportState = "Failed"
)

// oneAnswer bounds one call; the server's own limit is 30 seconds.
const oneAnswer = time.Minute

func newImportJobs(cfg Config, security *tls.Config) *ImportJobs {
	url := strings.TrimSuffix(cfg.RESTURL, "/")
	switch {
	case url == "" && cfg.TLS:
		url = "https://" + cfg.Address
	case url == "":
		url = "http://" + cfg.Address
	}
	login := cfg.Token
	if login == "" && cfg.Username != "" {
		login = cfg.Username + ":" + cfg.Password
	}
	return &ImportJobs{
		base: url + "/v2/vectordb/", login: login, database: cfg.Database, retry: &retrier{total: cfg.RetryFor},
		client: newHTTPClient(security),
	}
}

func newHTTPClient(security *tls.Config) *http.Client {
	return &http.Client{
		Transport: &http.Transport{Proxy: http.ProxyFromEnvironment, TLSClientConfig: security, IdleConnTimeout: 30 * time.Second},
		Timeout:   oneAnswer,
		// A server that sends elsewhere is not Milvus.
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
	}
}

// Check asks for the list of jobs, to see whether the API answers: ErrNoREST where something else does.
func (j *ImportJobs) Check(ctx context.Context) error {
	if _, err := j.List(ctx, ""); err != nil {
		return fmt.Errorf("trying the REST API that bulk insert needs: %w", err)
	}
	return nil
}

// Create starts a job. The call is repeated only where the server takes the same key for the same job: elsewhere the
// caller has to find out whether an unanswered one was heard.
func (j *ImportJobs) Create(ctx context.Context, order ImportOrder) (id int64, err error) {
	body := map[string]any{"collectionName": order.Collection, "files": alone(order.Files)}
	if order.Partition != "" {
		body["partitionName"] = order.Partition
	}
	if j.twoPhases {
		body["options"] = map[string]string{"auto_commit": "false"}
	}
	var made struct {
		JobID number `json:"jobId"`
	}
	send := j.once
	if j.idempotent {
		send = j.ask
	}
	if err := send(ctx, jobsImport+"create", order.Key, body, &made); err != nil {
		return 0, err
	}
	if made.JobID == 0 {
		return 0, &RESTError{Action: jobsImport + "create", Status: http.StatusOK, Reason: "the answer has no jobId"}
	}
	return int64(made.JobID), nil
}

// alone makes each file one to be read by itself, not a column of a set.
func alone(files []string) [][]string {
	sets := make([][]string, len(files))
	for i, f := range files {
		sets[i] = []string{f}
	}
	return sets
}

// jobJSON is what list and get_progress have in common.
type jobJSON struct {
	JobID    number      `json:"jobId"`
	State    ImportState `json:"state"`
	Progress number      `json:"progress"`
	Reason   string      `json:"reason"`
}

func (r jobJSON) job() ImportJob {
	return ImportJob{ID: int64(r.JobID), State: r.State, Percent: int64(r.Progress), Reason: r.Reason}
}

// List lists the jobs of a collection, or of all where none is named. Ended ones are listed for three hours.
func (j *ImportJobs) List(ctx context.Context, collection string) ([]ImportJob, error) {
	var data struct {
		Records []jobJSON `json:"records"`
	}
	if err := j.ask(ctx, jobsImport+"list", "", map[string]any{"collectionName": collection}, &data); err != nil {
		return nil, err
	}
	jobs := make([]ImportJob, len(data.Records))
	for i, r := range data.Records {
		jobs[i] = r.job()
	}
	return jobs, nil
}

// Progress asks for one job. It has to be one that List has shown: early servers of 2.4 break down when they are asked
// for one that is gone (milvus-io/milvus#33672).
func (j *ImportJobs) Progress(ctx context.Context, id int64) (ImportProgress, error) {
	var data struct {
		jobJSON
		ImportedRows *number `json:"importedRows"`
		Details      []struct {
			FileName string `json:"fileName"`
		} `json:"details"`
	}
	if err := j.ask(ctx, jobsImport+"get_progress", "", map[string]any{"jobId": strconv.FormatInt(id, 10)}, &data); err != nil {
		return ImportProgress{}, err
	}
	p := ImportProgress{ImportJob: data.job(), Rows: -1}
	if data.ImportedRows != nil {
		p.Rows = int64(*data.ImportedRows)
	}
	for _, d := range data.Details {
		// The server prints the list of paths that make up one set: "[path]".
		p.Files = append(p.Files, strings.TrimSuffix(strings.TrimPrefix(d.FileName, "["), "]"))
	}
	return p, nil
}

// Commit makes the rows of a job visible that waits for it. It is sent once: what became of the job tells whether it was
// heard. That it and Abort take the id alone is as in milvus-io/milvus#50177.
func (j *ImportJobs) Commit(ctx context.Context, id int64) error {
	return j.conclude(ctx, "commit", id)
}

// Abort ends a job that waits to be committed, with no row of it left.
func (j *ImportJobs) Abort(ctx context.Context, id int64) error { return j.conclude(ctx, "abort", id) }

func (j *ImportJobs) conclude(ctx context.Context, action string, id int64) error {
	var ignored json.RawMessage
	return j.once(ctx, jobsImport+action, "", map[string]any{"jobId": strconv.FormatInt(id, 10)}, &ignored)
}

// ask makes a call that may be repeated.
func (j *ImportJobs) ask(ctx context.Context, action, key string, body map[string]any, into any) error {
	return j.retry.do(ctx, action, j.base, CanPass, func() error { return j.once(ctx, action, key, body, into) })
}

// once makes a call.
func (j *ImportJobs) once(ctx context.Context, action, key string, body map[string]any, into any) error {
	if j.database != "" {
		body["dbName"] = j.database
	}
	text, err := json.Marshal(body)
	if err != nil {
		return fmt.Errorf("encoding a request to %s%s: %w", j.base, action, err)
	}
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, j.base+action, bytes.NewReader(text))
	if err != nil {
		return fmt.Errorf("calling %s%s: %w", j.base, action, err)
	}
	req.Header.Set("Content-Type", "application/json")
	if j.login != "" {
		req.Header.Set("Authorization", "Bearer "+j.login)
	}
	if key != "" {
		req.Header.Set("Idempotency-Key", key)
	}
	// A POST is sent once: without this, net/http repeats one that has a key when the connection breaks.
	req.GetBody = nil
	return j.send(req, action, into)
}

// mostAnswer bounds what is read of an answer; a list of the most jobs that a server takes is far below.
const mostAnswer = 16 << 20

func (j *ImportJobs) send(req *http.Request, action string, into any) error {
	resp, err := j.client.Do(req)
	if err != nil {
		return unanswered(req.Context(), err)
	}
	defer resp.Body.Close()
	text, err := io.ReadAll(io.LimitReader(resp.Body, mostAnswer))
	if err != nil {
		return unanswered(req.Context(), fmt.Errorf("reading the answer of %s: %w", req.URL, err))
	}
	return readAnswer(action, resp.StatusCode, text, into)
}

// unanswered is a call that got no answer, in the terms of the calls by gRPC.
func unanswered(ctx context.Context, err error) error {
	var badCertificate *tls.CertificateVerificationError
	var unknownAuthority x509.UnknownAuthorityError
	code := codes.Unavailable
	switch {
	case ctx.Err() != nil:
		code = codes.Canceled
	case errors.As(err, &badCertificate), errors.As(err, &unknownAuthority), errors.Is(err, http.ErrSchemeMismatch), certificateAlert.MatchString(err.Error()):
		code = codes.FailedPrecondition // it stays so
	}
	return &callError{code: code, msg: err.Error(), err: err}
}

// readAnswer takes the data out of an answer, or the error.
func readAnswer(action string, status int, text []byte, into any) error {
	var answer struct {
		Code    *number         `json:"code"`
		Message string          `json:"message"`
		Data    json.RawMessage `json:"data"`
	}
	refusal := &RESTError{Action: action, Status: status}
	if json.Unmarshal(text, &answer) != nil || answer.Code == nil {
		refusal.Reason = "not an answer of Milvus: " + beginning(text)
		return refusal
	}
	// 2.4.0 says 200 where later servers say 0.
	if code := int64(*answer.Code); status != http.StatusOK || code != 0 && code != http.StatusOK {
		refusal.Code, refusal.Reason = code, answer.Message
		return refusal
	}
	if answer.Data == nil {
		answer.Data = []byte("{}")
	}
	if err := json.Unmarshal(answer.Data, into); err != nil {
		refusal.Reason = fmt.Sprintf("not an answer of Milvus: %v: %s", err, beginning(text))
		return refusal
	}
	return nil
}

// beginning is enough of an unexpected answer to recognize it by.
func beginning(text []byte) string {
	const enough = 80
	return strconv.QuoteToASCII(string(text[:min(enough, len(text))]))
}

// number is an integer that some versions write as a string.
type number int64

// UnmarshalJSON reads 12 and "12".
func (n *number) UnmarshalJSON(text []byte) error {
	i, err := strconv.ParseInt(strings.Trim(string(text), `"`), 10, 64)
	if err != nil {
		return fmt.Errorf("%s is not a whole number", beginning(text))
	}
	*n = number(i)
	return nil
}
