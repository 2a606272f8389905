package double

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"
	"time"

	"github.com/milvus-io/milvus-proto/go-api/v2/commonpb"
	"github.com/milvus-io/milvus-proto/go-api/v2/milvuspb"

	"migrate/internal/clock"
)

// job is an import job of REST.
type job struct {
	id                    int64
	db, collection, named string // named is the partition
	files                 []string
	waits                 bool // to be committed
	concluded             chan struct{}
	ended                 chan struct{}
	freed                 chan struct{}
	free                  func()

	at        moment // the server's mutex guards it and what follows
	endedAt   time.Time
	forgotten bool
}

// moment is how a job stands.
type moment struct {
	state   string
	percent int64
	rows    int64
	reason  string
	looked  bool // into the files, which are named from then on
}

// begin makes a job; s.mu is held.
func (s *Server) begin(req request) int64 {
	j := &job{
		id: int64(449_000_000_000_000_000 + len(s.jobs)), db: req.DBName, collection: req.CollectionName, named: req.PartitionName,
		files: slices.Concat(req.Files...), waits: s.cfg.Commit && req.Options["auto_commit"] == "false",
		concluded: make(chan struct{}), ended: make(chan struct{}), freed: make(chan struct{}), at: moment{state: "Pending"},
	}
	j.free = sync.OnceFunc(func() { close(j.freed) })
	s.jobs = append(s.jobs, j)
	s.running.Go(func() {
		defer close(j.ended)
		end := moment{state: "Completed", percent: 100, looked: true}
		rows, err := s.run(s.ctx, j)
		if err != nil {
			end = moment{state: "Failed", reason: err.Error()}
		}
		end.rows = rows
		s.set(j, end)
	})
	return j.id
}

func (s *Server) set(j *job, m moment) {
	s.mu.Lock()
	defer s.mu.Unlock()
	j.at = m
	if m.state == "Completed" || m.state == "Failed" {
		j.endedAt = time.Now()
	}
}

// now is how a job stands, and whether the server still knows it.
func (s *Server) now(j *job) (moment, bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	old := !j.endedAt.IsZero() && time.Since(j.endedAt) > s.cfg.Keep
	return j.at, !old && !j.forgotten
}

// run does a job. It fails as a whole before its first row where a file is not there, as with real servers.
func (s *Server) run(ctx context.Context, j *job) (rows int64, err error) {
	fault := s.faults.take(Run)
	if err := clock.Sleep(ctx, s.cfg.Pending); err != nil {
		return 0, err
	}
	if fault.failed != "" {
		return 0, errors.New(fault.failed)
	}
	expected, err := s.lookInto(ctx, j)
	if err != nil {
		return 0, err
	}
	s.set(j, moment{state: "Importing", percent: 40, looked: true})
	if fault.stuck {
		if err := s.wait(ctx, j.freed); err != nil {
			return 0, err
		}
	}
	if j.waits {
		s.set(j, moment{state: "Uncommitted", percent: 99, rows: expected - fault.lost, looked: true})
		if err := s.wait(ctx, j.concluded); err != nil {
			return 0, err
		}
		if now, _ := s.now(j); now.state == "Aborting" {
			return 0, errors.New("aborted by user")
		}
	}
	return s.importFiles(ctx, j)
}

func (s *Server) wait(ctx context.Context, until <-chan struct{}) error {
	select {
	case <-until:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

// lookInto counts the rows of a job's files.
func (s *Server) lookInto(ctx context.Context, j *job) (rows int64, err error) {
	for _, f := range j.files {
		n, there, err := s.cfg.Rows(ctx, f)
		if err != nil {
			return 0, err
		}
		if !there {
			return 0, fmt.Errorf("no such file: %s", f)
		}
		rows += n
	}
	return rows, nil
}

// importFiles has each file imported by a task of the real server, or as the double was told.
func (s *Server) importFiles(ctx context.Context, j *job) (rows int64, err error) {
	if s.cfg.Import != nil {
		for _, f := range j.files {
			n, err := s.cfg.Import(ctx, j.collection, j.named, f)
			if err != nil {
				return 0, fmt.Errorf("error: %w, file: %s", err, f)
			}
			rows += n
		}
		return rows, nil
	}
	var tasks []int64
	for _, f := range j.files {
		resp, err := s.milvus.Import(ctx, &milvuspb.ImportRequest{DbName: j.db, CollectionName: j.collection, PartitionName: j.named, Files: []string{f}})
		if err != nil {
			return 0, err
		}
		if resp.GetStatus().GetReason() != "" {
			return 0, fmt.Errorf("%s: %s", f, resp.GetStatus().GetReason())
		}
		tasks = append(tasks, resp.GetTasks()...)
	}
	for done, task := range tasks {
		n, err := s.follow(ctx, task)
		if err != nil {
			return 0, err
		}
		rows += n
		state := "Importing"
		if j.waits {
			state = "Committing"
		}
		s.set(j, moment{state: state, percent: 40 + int64(30*(done+1)/len(tasks)), rows: rows, looked: true})
	}
	return rows, nil
}

func (s *Server) follow(ctx context.Context, task int64) (rows int64, err error) {
	for {
		resp, err := s.milvus.GetImportState(ctx, &milvuspb.GetImportStateRequest{Task: task})
		if err != nil {
			return 0, err
		}
		switch resp.GetState() {
		case commonpb.ImportState_ImportCompleted:
			return resp.GetRowCount(), nil
		case commonpb.ImportState_ImportFailed, commonpb.ImportState_ImportFailedAndCleaned:
			return 0, fmt.Errorf("task %d of the real server: %v", task, resp.GetInfos())
		}
		if err := clock.Sleep(ctx, s.cfg.Poll); err != nil {
			return 0, err
		}
	}
}
