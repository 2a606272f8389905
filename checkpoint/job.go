// Package checkpoint is what is done of a job, durably: one document a job, replaced atomically by the one process that
// owns it. It lies on the store that the job writes to (an export's beside its parts, an import's beside what it
// staged), so that there is one copy, and another machine can go on from it. This package is the only place that knows
// the document's format.
package checkpoint

import (
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"migrate/internal/columns"
	"migrate/internal/document"
	"migrate/internal/export"
	"migrate/internal/milvus"
	"migrate/internal/model"
)

// Version is the newest format of the document that this program reads, and the one that it writes.
const Version = 1

// Errors that a caller decides on.
var (
	// ErrHeld: another process owns the job.
	ErrHeld = errors.New("job is held by another process")
	// ErrLost: another process has taken the job over; this one may write nothing more.
	ErrLost = errors.New("job was taken over by another process")
	// ErrLong: the objects that would be called by a collection's name could not be.
	ErrLong = errors.New("its name is too long for those of checkpoints and certificates")
	// ErrExpired: the lease ran out without being renewed, as while the store was away. Another process may have the job by
	// now, or nobody.
	ErrExpired = errors.New("the job could not be held on to")
	// ErrOther: the document belongs to a job with other parameters.
	ErrOther = errors.New("job has other parameters")
	// ErrDamaged: the document can't be read.
	ErrDamaged = errors.New("checkpoint damaged")
	// ErrNotDamaged: the document can be read, and so need not be made anew.
	ErrNotDamaged = errors.New("checkpoint is not damaged")
	// ErrVersion: the document was written by a newer migrate.
	ErrVersion = errors.New("checkpoint of a newer format")
)

// Kind is what a job does.
type Kind string

// The kinds of jobs.
const (
	Export Kind = "export"
	Import Kind = "import"
	Sync   Kind = "sync"
)

// State is how a job stands.
type State string

// The states of a job. A running one whose owner is gone was interrupted.
const (
	Running     State = "running"
	Interrupted State = "interrupted"
	Failed      State = "failed"
	Paused      State = "paused" // a sync that ended by itself, until it is called again
	Done        State = "done"
)

// Job is the document.
type Job struct {
	Format  int               `json:"format"`
	Kind    Kind              `json:"kind"`
	Name    string            `json:"name"`   // of the export, which is also its folder
	Params  map[string]string `json:"params"` // what the job is bound to
	State   State             `json:"state"`
	Error   string            `json:"error,omitempty"` // the last one
	Lease   Lease             `json:"lease"`
	Started time.Time         `json:"started"`
	Updated time.Time         `json:"updated"`
	Rows    int64             `json:"rows"` // expected in all
	Parts   []Part            `json:"parts,omitempty"`

	Taken     time.Time `json:"taken,omitzero"`       // when its owner did, or the last one; zero if that was an older migrate
	TakenRows int64     `json:"taken_rows,omitempty"` // that were finished by then

	Pin        json.RawMessage `json:"pin,omitempty"`               // of an export: has another process read the same rows in the same pages
	Extents    json.RawMessage `json:"extents,omitempty"`           // as earlier versions wrote them; part of Pin
	Snapshot   uint64          `json:"snapshot,omitempty"`          // of an export: the instant that all its reads see; 0 where the server holds none
	Target     int64           `json:"target_collection,omitempty"` // of an import: the id of the collection that it fills
	RowsBefore int64           `json:"rows_before,omitempty"`       // that the target had before it

	Sync *Position `json:"sync,omitempty"` // of a sync; never changed in place

	// Before is the job of this name that was done, as long as this one has done nothing: it is what stands then.
	Before *Job `json:"before,omitempty"`
}

// Parameters of an export: the address of the server that it reads from, as host:port, and the id of the collection.
const (
	SourceAddress = "source"
	CollectionID  = "collection id"
)

// Part is the unit of a job: a range of keys, and the object that holds its rows.
type Part struct {
	export.Part
	Number   int                      `json:"number"`            // within its partition
	Columns  map[string]columns.Stats `json:"columns,omitempty"` // of an export: what of the values decides whether a target takes them
	Planned  int64                    `json:"planned,omitempty"` // rows expected by an export
	State    PartState                `json:"state,omitempty"`
	Findings model.Findings           `json:"findings"`
	Staged   string                   `json:"staged,omitempty"` // name of the object that an import staged
	Task     int64                    `json:"task,omitempty"`   // bulk-insert job
}

// PartState is how far a part is.
type PartState string

// The states of a part; a part of an export is only ever Todo or Finished.
const (
	Todo      PartState = ""
	Intended  PartState = "intended"  // a bulk-insert job is about to be submitted, or was
	Submitted PartState = "submitted" // its id is known
	Finished  PartState = "finished"
)

// Finished counts the parts and rows that are done.
func (j *Job) Finished() (parts int, rows int64) {
	for _, p := range j.Parts {
		if p.State == Finished {
			parts++
			rows += p.Rows.Rows
		}
	}
	return parts, rows
}

// untouched reports whether nothing was done of a job that is bound to its parameters: an export that has finished no part. It may
// begin anew with others.
func (j *Job) untouched() bool {
	parts, _ := j.Finished()
	return j.Kind == Export && parts == 0
}

// begun reports whether something was done of a job, so that it stands instead of the one before.
func (j *Job) begun() bool {
	return slices.ContainsFunc(j.Parts, func(p Part) bool { return p.State != Todo })
}

// standing is the job that stands: the one before where this one has done nothing and nobody works at it.
func (j *Job) standing() *Job {
	if j.Before == nil || j.State == Done || j.begun() || j.Standing() == Running {
		return j
	}
	before := *j.Before
	before.Lease = j.Lease
	return &before
}

// Rate is how many rows a second its owner has finished, or the last one: what was finished before, and the time in which
// nobody owned it, tell nothing of how long the rest takes.
func (j *Job) Rate() float64 {
	since := j.Taken
	if since.IsZero() {
		since = j.Started
	}
	_, rows := j.Finished()
	took := j.Updated.Sub(since).Seconds()
	if took <= 0 || rows < j.TakenRows { // fewer where finished parts were found damaged, and are done again
		return 0
	}
	return float64(rows-j.TakenRows) / took
}

// parse looks at the format first: a newer one may hold anything else.
func parse(text []byte) (*Job, error) {
	var head struct{ Format int }
	if err := json.Unmarshal(text, &head); err != nil {
		return nil, fmt.Errorf("%w: %w", ErrDamaged, err)
	}
	if head.Format > Version {
		return nil, fmt.Errorf("%w: %d, and this migrate reads up to %d", ErrVersion, head.Format, Version)
	}
	j := &Job{}
	if err := document.Unmarshal(text, j); err != nil {
		return nil, fmt.Errorf("%w: %w", ErrDamaged, err)
	}
	if head.Format < 1 || j.Name == "" || j.Kind == "" {
		return nil, fmt.Errorf("%w: it describes no job", ErrDamaged)
	}
	j.maskLogins()
	return j, j.makePin()
}

// makePin makes the pin of an export that was planned by an earlier version.
func (j *Job) makePin() (err error) {
	if j.Kind != Export || len(j.Parts) == 0 || len(j.Pin) > 0 {
		return nil
	}
	j.Pin, err = json.Marshal(struct {
		Snapshot uint64          `json:"snapshot,omitempty"`
		Extents  json.RawMessage `json:"extents,omitempty"`
	}{j.Snapshot, j.Extents})
	j.Extents = nil
	return err
}

// maskLogins leaves the login out that earlier versions wrote, where it was given in the address.
func (j *Job) maskLogins() {
	if address, ok := j.Params[SourceAddress]; ok {
		j.Params[SourceAddress] = milvus.HostPort(address)
	}
	j.Error = milvus.MaskLogins(j.Error)
}

// bound refuses parameters that are not those that the job was begun with, and says which differ.
func (j *Job) bound(params map[string]string) error {
	var diffs []string
	for _, key := range slices.Sorted(maps.Keys(params)) {
		if was, is := j.Params[key], params[key]; was != is {
			diffs = append(diffs, fmt.Sprintf("%s was %q and is %q", key, was, is))
		}
	}
	if len(diffs) == 0 {
		return nil
	}
	return fmt.Errorf("%s %q: %w: %s", j.Kind, j.Name, ErrOther, strings.Join(diffs, "; "))
}
