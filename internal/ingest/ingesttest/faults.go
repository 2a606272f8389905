package ingesttest

// Step is where a fault strikes: one of the calls, or the life of a job.
type Step string

// The steps that faults are queued for.
const (
	Submit Step = "submit"
	Poll   Step = "poll"
	Find   Step = "find"
	Commit Step = "commit"
	Abort  Step = "abort"
	Run    Step = "run"
)

// Fault is what happens to one call or job.
type Fault struct {
	err    error // that a call ends with
	done   bool  // its work nevertheless
	late   bool  // its work, some time later
	quick  bool  // and all of the job at once
	stuck  bool
	failed string
	silent int // looks
	lost   int64
}

// Refuse has a call end with an error, and nothing done.
func Refuse(err error) Fault { return Fault{err: err} }

// Break has the connection of a call break before anything is done: it may be made again.
func Break() Fault { return Refuse(away) }

// LoseAnswer has a call do its work, and the connection break before the answer.
func LoseAnswer() Fault { return Fault{err: away, done: true} }

// Late has the connection of a Submit break. The server hears of the job after it was next asked to find some.
func Late() Fault { return Fault{err: away, late: true} }

// LateAndQuick is Late, and the job is done as soon as it is heard of.
func LateAndQuick() Fault { return Fault{err: away, late: true, quick: true} }

// Stuck holds a job, once it names its files, until Free.
func Stuck() Fault { return Fault{stuck: true} }

// Fail ends a job before it has imported anything.
func Fail(reason string) Fault { return Fault{failed: reason} }

// Silent has a job name no files for so many looks.
func Silent(looks int) Fault { return Fault{silent: looks} }

// Lose has a job say that it brought some rows less than it did, or will once it is committed.
func Lose(rows int64) Fault { return Fault{lost: rows} }
