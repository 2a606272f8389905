package double

import (
	"encoding/json"
	"fmt"
	"net/http"
	"strconv"
	"strings"
)

// Codes of Milvus' errors.
const (
	badRequest   = 1801
	needsLogin   = 1800
	importFailed = 2100
)

// request is what the calls are given; each uses some of it.
type request struct {
	DBName         string            `json:"dbName"`
	CollectionName string            `json:"collectionName"`
	PartitionName  string            `json:"partitionName"`
	Files          [][]string        `json:"files"`
	Options        map[string]string `json:"options"`
	JobID          string            `json:"jobId"`
	key            string
}

// call answers a request with data, or a code and a message.
type call func(request) (data any, code int, message string)

func (s *Server) rest() http.Handler {
	mux := http.NewServeMux()
	calls := map[Step]call{Create: s.create, List: s.list, Progress: s.progress}
	if s.cfg.Commit {
		calls[Commit], calls[Abort] = s.conclude("Committing"), s.conclude("Aborting")
	}
	for step, answer := range calls {
		mux.HandleFunc("POST /v2/vectordb/jobs/import/"+string(step), func(w http.ResponseWriter, r *http.Request) {
			s.answer(w, r, step, answer)
		})
	}
	return mux
}

func (s *Server) answer(w http.ResponseWriter, r *http.Request, step Step, answer call) {
	fault := s.faults.take(step)
	if fault.answer != nil && !fault.late {
		fault.answer(w)
		return
	}
	if login := s.cfg.Login; login != "" && r.Header.Get("Authorization") != "Bearer "+login {
		reply(w, http.StatusUnauthorized, map[string]any{"code": needsLogin, "message": "user hasn't authenticated"})
		return
	}
	req := request{key: r.Header.Get("Idempotency-Key")}
	if err := json.NewDecoder(r.Body).Decode(&req); err != nil {
		reply(w, http.StatusOK, map[string]any{"code": badRequest, "message": err.Error()})
		return
	}
	data, code, message := answer(req)
	if fault.late {
		fault.answer(w)
	}
	if code != 0 {
		reply(w, http.StatusOK, map[string]any{"code": code, "message": message})
		return
	}
	reply(w, http.StatusOK, map[string]any{"code": s.cfg.Success, "data": data})
}

func reply(w http.ResponseWriter, status int, body any) {
	w.Header().Set("Content-Type", "application/json; charset=utf-8")
	w.WriteHeader(status)
	_ = json.NewEncoder(w).Encode(body) // a client that has gone wants no answer
}

// mostFiles is how many files a job takes.
const mostFiles = 1024

func (s *Server) create(req request) (any, int, string) {
	if req.CollectionName == "" || len(req.Files) == 0 {
		return nil, badRequest, "missing required parameters"
	}
	if len(req.Files) > mostFiles {
		return nil, importFailed, fmt.Sprintf("The max number of import files should not exceed %d, but got %d", mostFiles, len(req.Files))
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	key := req.CollectionName + "\n" + req.key
	id, again := s.keys[key]
	if !again || !s.cfg.Idempotent || req.key == "" {
		id = s.begin(req)
		s.keys[key] = id
	}
	return map[string]any{"jobId": strconv.FormatInt(id, 10)}, 0, ""
}

func (s *Server) list(req request) (any, int, string) {
	records := []any{}
	for _, j := range s.all() {
		now, known := s.now(j)
		if !known || req.CollectionName != "" && req.CollectionName != j.collection {
			continue
		}
		record := map[string]any{"jobId": strconv.FormatInt(j.id, 10), "collectionName": j.collection, "state": now.state, "progress": now.percent}
		if now.reason != "" {
			record["reason"] = now.reason
		}
		records = append(records, record)
	}
	return map[string]any{"records": records}, 0, ""
}

func (s *Server) progress(req request) (any, int, string) {
	for _, j := range s.all() {
		now, known := s.now(j)
		if strconv.FormatInt(j.id, 10) == req.JobID && known {
			return now.json(j), 0, ""
		}
	}
	// A test must not get here: DataCoord panicked on this before milvus-io/milvus#33672.
	s.t.Errorf("the double was asked for job %s, which it does not know", req.JobID)
	return nil, importFailed, "importing data failed: import job does not exist, jobID=" + req.JobID
}

// conclude has a job that waits for it go on to an end.
func (s *Server) conclude(state string) call {
	return func(req request) (any, int, string) {
		s.mu.Lock()
		defer s.mu.Unlock()
		for _, j := range s.jobs {
			if strconv.FormatInt(j.id, 10) == req.JobID && j.at.state == "Uncommitted" {
				j.at.state = state
				close(j.concluded)
				return map[string]any{}, 0, ""
			}
		}
		return nil, importFailed, "no uncommitted job " + req.JobID
	}
}

// json is a job as get_progress gives it.
func (n moment) json(j *job) map[string]any {
	details := []any{}
	if n.looked {
		for _, f := range j.files {
			details = append(details, map[string]any{"fileName": "[" + f + "]", "progress": n.percent, "state": strings.ToLower(n.state)})
		}
	}
	all := map[string]any{
		"jobId": strconv.FormatInt(j.id, 10), "collectionName": j.collection, "state": n.state, "progress": n.percent,
		"importedRows": n.rows, "totalRows": n.rows, "details": details,
	}
	if n.reason != "" {
		all["reason"] = n.reason
	}
	return all
}
