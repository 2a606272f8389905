package double

import (
	"fmt"
	"net/http"
	"sync"
)

// Step is where a fault strikes: one of the calls, or the life of a job.
type Step string

// The steps that faults are queued for.
const (
	Create   Step = "create"
	List     Step = "list"
	Progress Step = "get_progress"
	Commit   Step = "commit"
	Abort    Step = "abort"
	Run      Step = "run"
)

// Fault is what happens to one call or job.
type Fault struct {
	what   string
	answer func(w http.ResponseWriter)
	late   bool // it strikes when the work is done
	stuck  bool
	failed string
	lost   int64 // rows
}

// Answer has a call answered with a status and a text, with nothing done.
func Answer(status int, contentType, text string) Fault {
	return Fault{what: fmt.Sprintf("%d %s", status, text), answer: func(w http.ResponseWriter) {
		w.Header().Set("Content-Type", contentType)
		w.WriteHeader(status)
		fmt.Fprint(w, text)
	}}
}

// Refuse has a call answered with an error of Milvus' own.
func Refuse(code int, message string) Fault {
	return Answer(http.StatusOK, "application/json", fmt.Sprintf(`{"code": %d, "message": %q}`, code, message))
}

// Break closes the connection of a call before anything is done.
func Break() Fault { return Fault{what: "broken connection", answer: hangUp} }

// LoseAnswer has a call do its work, and closes the connection before the answer.
func LoseAnswer() Fault { return Fault{what: "lost answer", answer: hangUp, late: true} }

func hangUp(http.ResponseWriter) { panic(http.ErrAbortHandler) }

// Stuck holds a job, once it names its files, until Free.
func Stuck() Fault { return Fault{what: "stuck job", stuck: true} }

// Fail ends a job before it has imported anything.
func Fail(reason string) Fault { return Fault{what: "failing job", failed: reason} }

// Lose has a job that waits for its commit count some rows less.
func Lose(rows int64) Fault { return Fault{what: "rows lost", lost: rows} }

// queue holds the faults to come.
type queue struct {
	mu     sync.Mutex
	faults map[Step][]Fault
}

func (q *queue) add(step Step, faults []Fault) {
	q.mu.Lock()
	defer q.mu.Unlock()
	if q.faults == nil {
		q.faults = map[Step][]Fault{}
	}
	q.faults[step] = append(q.faults[step], faults...)
}

// take is the next fault of a step; one that does nothing where there is none.
func (q *queue) take(step Step) (f Fault) {
	q.mu.Lock()
	defer q.mu.Unlock()
	if waiting := q.faults[step]; len(waiting) > 0 {
		f, q.faults[step] = waiting[0], waiting[1:]
	}
	return f
}

func (q *queue) unused() (left []string) {
	q.mu.Lock()
	defer q.mu.Unlock()
	for step, waiting := range q.faults {
		for _, f := range waiting {
			left = append(left, fmt.Sprintf("%s: %s", step, f.what))
		}
	}
	return left
}
