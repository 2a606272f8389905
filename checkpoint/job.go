// Package checkpoint is what is done of a job, durably. A job is cut into chunks, each of which is claimed, done and recorded
// alone, so that what a chunk costs does not grow with their number. It lies on the store that the job writes to, so that there is
// one copy, and another machine can resume it. What the job does is nothing to this package: parameters, body, specs and
// results are its engine's, in JSON.
//
//	_migrate/jobs/<job>/export.json                   the job: small, written with its lease
//	_migrate/plans/<job>/export/<plan>/0.json         1,000 chunks of its plan, written once
//	_migrate/plans/<job>/export/<plan>/job.json       the job as it was planned, to rebuild it from
//	_migrate/chunks/<job>/export/<plan>/<chunk>.json  a chunk that was begun
//	<job>/export.checkpoint.json                      where format 1 had all of it: says that there is a newer one
//
// All of them are replaced by compare and swap. Plan and chunks go when the job is done.
package checkpoint

import (
	"bytes"
	"cmp"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"migrate/internal/document"
)

// Format is the newest that this program reads, and the one that it writes.
const Format = 2

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
	// ErrDamaged: a document can't be read.
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

// State is how a job or a chunk stands.
type State string

// The states of a job. A running one whose owner is gone was interrupted. A chunk is Todo until it is Done; between them its engine may
// have states of its own.
const (
	Running     State = "running"
	Interrupted State = "interrupted"
	Failed      State = "failed"
	Paused      State = "paused" // a sync that ended by itself, until it is called again
	Done        State = "done"
	Todo        State = ""
)

// Tally is an amount of work.
type Tally struct {
	Parts int   `json:"parts"`
	Rows  int64 `json:"rows"`
}

func (t Tally) plus(o Tally) Tally  { return Tally{t.Parts + o.Parts, t.Rows + o.Rows} }
func (t Tally) minus(o Tally) Tally { return Tally{t.Parts - o.Parts, t.Rows - o.Rows} }

// Job is the document. It is small, however many chunks there are.
type Job struct {
	Format  int             `json:"format"`
	Kind    Kind            `json:"kind"`
	Name    string          `json:"name"`             // of the export, which is also its folder
	Params  json.RawMessage `json:"params,omitempty"` // what the job is bound to: an object of texts, by the words that people are told
	Body    json.RawMessage `json:"body,omitempty"`   // what else its engine has to know to resume it
	State   State           `json:"state"`
	Error   string          `json:"error,omitempty"` // the last one
	Lease   Lease           `json:"lease"`
	Started time.Time       `json:"started"`
	Updated time.Time       `json:"updated"`

	Taken     time.Time `json:"taken,omitzero"`       // when its owner did, or the last one; zero if that was an older migrate
	TakenRows int64     `json:"taken_rows,omitempty"` // that were finished by then

	Plan    Plan  `json:"plan,omitzero"`
	Planned Tally `json:"planned"`
	Done    Tally `json:"done"` // as of the last write

	// Before is the job of this name that was done, as long as this one has done nothing: it is what stands then.
	Before *Job `json:"before,omitempty"`
}

// Plan is which plan a job has. The zero one is none.
type Plan struct {
	ID     string `json:"id"`
	Chunks int    `json:"chunks"`
}

// Param is one of the parameters; empty where it has none of that name.
func (j *Job) Param(name string) string { return texts(j.Params)[name] }

// Read reads the body of a job; nothing where there is none.
func (j *Job) Read(body any) error {
	if j.Body == nil {
		return nil
	}
	if err := json.Unmarshal(j.Body, body); err != nil {
		return fmt.Errorf("reading the checkpoint of %s %q: %w: %w", j.Kind, j.Name, ErrDamaged, err)
	}
	return nil
}

// standing is the job that stands: the one before where this one has done nothing and nobody works at it.
func (j *Job) standing() *Job {
	if j.Before == nil || j.State == Done || j.Standing() == Running {
		return j
	}
	before := *j.Before
	before.Lease = j.Lease
	return &before
}

// Standing is the state of a job as one look tells it: a running one whose owner is gone, or whose lease has run out by this
// machine's clock, was interrupted. It is for people: Acquire and Remove look longer, and at no clock.
func (j *Job) Standing() State {
	if j.State == Running && (!j.held() || time.Now().After(j.Lease.Expires)) {
		return Interrupted
	}
	return j.State
}

// Rate is how many rows a second its owner has finished, or the last one: what was finished before, and the time in which
// nobody owned it, tell nothing of how long the rest takes.
func (j *Job) Rate() float64 {
	since := cmp.Or(j.Taken, j.Started)
	took := j.Updated.Sub(since).Seconds()
	if took <= 0 || j.Done.Rows < j.TakenRows { // fewer where finished parts were found damaged, and are done again
		return 0
	}
	return float64(j.Done.Rows-j.TakenRows) / took
}

// parseJob looks at the format first: a newer one may hold anything else.
func parseJob(text []byte) (*Job, error) {
	if err := checkFormat(text); err != nil {
		return nil, err
	}
	j := &Job{}
	if err := document.Unmarshal(text, j); err != nil {
		return nil, fmt.Errorf("%w: %w", ErrDamaged, err)
	}
	if j.Format < 2 || j.Name == "" || j.Kind == "" {
		return nil, fmt.Errorf("%w: it describes no job", ErrDamaged)
	}
	return j, nil
}

func checkFormat(text []byte) error {
	var head struct{ Format int }
	if err := json.Unmarshal(text, &head); err != nil {
		return fmt.Errorf("%w: %w", ErrDamaged, err)
	}
	if head.Format > Format {
		return fmt.Errorf("%w: %d, and this migrate reads up to %d", ErrVersion, head.Format, Format)
	}
	return nil
}

// bound refuses parameters that are not those that the job was begun with, and says which differ.
func (j *Job) bound(params json.RawMessage) error {
	was, is := texts(j.Params), texts(params)
	all := maps.Clone(was)
	maps.Copy(all, is)
	var diffs []string
	for _, key := range slices.Sorted(maps.Keys(all)) {
		if was[key] != is[key] { // what is left out is the same as what is empty
			diffs = append(diffs, fmt.Sprintf("%s was %q and is %q", key, was[key], is[key]))
		}
	}
	if len(diffs) == 0 {
		return nil
	}
	return fmt.Errorf("%s %q: %w: %s", j.Kind, j.Name, ErrOther, strings.Join(diffs, "; "))
}

// texts are the members of an object: texts as they are, and anything else in JSON.
func texts(object json.RawMessage) map[string]string {
	var members map[string]json.RawMessage
	_ = json.Unmarshal(object, &members) // what is no object has no members, and differs from every other
	all := map[string]string{}
	for key, value := range members {
		var text string
		if json.Unmarshal(value, &text) != nil {
			var compact bytes.Buffer
			_ = json.Compact(&compact, value) // it was just read
			text = compact.String()
		}
		all[key] = text
	}
	return all
}
