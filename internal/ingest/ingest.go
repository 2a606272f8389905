// Package ingest has a server import files that lie in its own bucket (bulk insert), in the dialect of its version: the calls of
// 2.3, or the REST jobs of 2.4 and later.
package ingest

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	"migrate/internal/milvus"
)

// Errors that a caller decides on.
var (
	// ErrNoDialect: nothing is known of bulk insert into that version.
	ErrNoDialect = errors.New("this migrate bulk-inserts into Milvus 2.3 and later, and not into Milvus Lite, which has no bulk insert")
	// ErrGone: the server does not know a job, or no longer.
	ErrGone = errors.New("bulk-insert job is not known to the server")
	// ErrFailed: the server has given a job up, and none of its rows is there.
	ErrFailed = errors.New("bulk-insert job failed")
	// ErrValue: a job failed for a value that bulk insert refuses, whenever it is tried: NaN or an infinity.
	ErrValue = errors.New("a value is refused")
)

// Dialect is how a server is told to import files.
type Dialect interface {
	// Limits are what a job can hold, and how long it is remembered.
	Limits() Limits
	// Submit starts a job and returns its id. It is never repeated inside where a second call would import twice: where
	// milvus.CanPass says so of its error, the job may be there nevertheless, and Find tells.
	Submit(ctx context.Context, order Order) (id int64, err error)
	// Poll asks how far a job of a collection is. ErrGone where the server does not know it.
	Poll(ctx context.Context, collection string, id int64) (Status, error)
	// Find looks for the jobs of a collection that import some files, among those that the server still knows: it returns
	// them by file. It has not decided while a job is there that does not name its files yet.
	Find(ctx context.Context, collection string, files []string) (jobs map[string]int64, decided bool, err error)
}

// Committer is a dialect whose jobs may wait, when all is imported and no row visible, until they are told how to end. Both
// calls are made once; what becomes of the job tells whether they were heard.
type Committer interface {
	// Commit makes the rows of a job visible.
	Commit(ctx context.Context, id int64) error
	// Abort ends a job with no row of it left: it has failed then.
	Abort(ctx context.Context, id int64) error
}

// Limits are those of a server.
type Limits struct {
	Files    int           // of one job
	KnownFor time.Duration // a job that has ended is surely known for so long
}

// Order is what one job is to import.
type Order struct {
	Collection string
	Partition  string   // none is named where empty, as for a collection with a partition key
	Files      []string // their paths in the server's bucket
}

// Status is how far a job is.
type Status struct {
	State   State
	Named   string // the state, as the server calls it
	Reason  string // why it failed; never empty where it has
	Percent string // as the server says it
	Rows    int64  // that it brought; UnknownRows where the server does not tell
}

// UnknownRows is the number of rows where the server does not tell.
const UnknownRows = -1

// State is how far a job is, in words that are the same for all versions of Milvus.
type State string

// The states of a job.
const (
	Pending     State = "pending" // it waits for its turn on the server
	Importing   State = "importing"
	Uncommitted State = "uncommitted" // all is imported, no row visible, and it waits for a Committer
	Completed   State = "completed"
	Failed      State = "failed"
)

// unended is the state of a job that goes on, of which nothing but the server's word for it is known.
func unended(named string) State {
	if strings.HasSuffix(named, "Pending") { // ImportPending of 2.3, Pending of 2.4 and later
		return Pending
	}
	return Importing
}

// noReason stands for the reason of a failure where the server gives none.
const noReason = "the server gives no reason"

// Err is why a job has failed: ErrFailed, and ErrValue where that is so. It is nil of any other job.
func (s Status) Err() error {
	switch {
	case s.State != Failed:
		return nil
	case strings.Contains(s.Reason, "is not a number or infinity"):
		return fmt.Errorf("%w: %w: %s", ErrFailed, ErrValue, s.Reason)
	}
	return fmt.Errorf("%w: %s", ErrFailed, s.Reason)
}

// Open chooses the dialect of a server, and makes sure that it listens. ErrNoDialect where there is none;
// milvus.ErrNoREST where something else answers.
func Open(ctx context.Context, server *milvus.Server) (Dialect, error) {
	switch can := server.Capabilities(); {
	case can.GRPCImport:
		return grpc{server}, nil
	case can.RESTImport:
		return rest{server.ImportJobs(), limitsOf(server)}, server.ImportJobs().Check(ctx)
	}
	return nil, fmt.Errorf("%w, and %s is %q", ErrNoDialect, server.Address, server.Version())
}

func limitsOf(server *milvus.Server) Limits {
	can := server.Capabilities()
	return Limits{Files: can.FilesPerJob, KnownFor: can.JobsKnownFor}
}
