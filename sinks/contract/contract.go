// Package contract checks that a sink keeps what the interface sinks.Sink promises. The checks work on any sink, in a
// test as on an operator's own bucket: each writes under a random name and removes what it wrote. Together they put
// some 170 MiB.
package contract

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"time"

	"migrate/sinks"
)

// Check is one promise. Run returns nil where the sink keeps it, and otherwise what it did instead.
type Check struct {
	Name string
	Run  func(ctx context.Context, sink sinks.Sink) error
}

// Checks returns the checks of every sink, the plainest first.
func Checks() []Check {
	return []Check{
		check("what was put is what is opened", putThenOpen),
		check("a put replaces", replace),
		check("what was put is there at once", readAfterWrite),
		check("a missing object is said to be missing", missing),
		check("an object is read from any place, by many at once", readAt),
		check("an object is read on from where it was sought", seek),
		check("a list is in order and keeps to its prefix", list),
		check("a tag changes with its object", tags),
		check("names may hold odd characters", oddNames),
		check("bad names are refused", badNames),
		check("an object is not seen while it is being put", unseen),
		check("a put that write fails leaves nothing", atomicOnWriteError),
		check("a put whose context ends leaves nothing", atomicOnCancel),
		check("an ended context ends every method", ended),
		check("many puts at once all arrive", concurrentPuts),
		check("deletes beside puts hurt nobody", deletesBesidePuts),
	}
}

// SwapChecks returns the checks of a sink that is a sinks.Swapper, as one that holds checkpoints has to be: any other
// fails them. They tell a store that takes conditional requests and ignores their conditions.
func SwapChecks() []Check {
	return []Check{
		swapCheck("what was swapped is what is loaded", swapThenLoad),
		swapCheck("a swap creates only what is absent", swapCreates),
		swapCheck("a swap replaces only the version that was seen", swapReplaces),
		swapCheck("a swap that fails leaves what was there", swapFails),
		swapCheck("a swap may be made again", swapAgain),
		swapCheck("of many swaps of one version one wins", oneSwapWins),
		swapCheck("what is swapped in and deleted has one owner at a time", oneOwner),
	}
}

// cleanUpTime bounds how long a check goes on after its context's end to remove what it wrote.
const cleanUpTime = 30 * time.Second

// check makes a Check of a function that works in a folder of its own.
func check(name string, run func(context.Context, folder) error) Check {
	return Check{Name: name, Run: func(ctx context.Context, sink sinks.Sink) error {
		f := folder{sink: sink, root: "contract-" + rand.Text() + "/"}
		err := run(ctx, f)
		cleanUp, cancel := context.WithTimeout(context.WithoutCancel(ctx), cleanUpTime)
		defer cancel()
		if err := errors.Join(err, f.remove(cleanUp)); err != nil {
			return fmt.Errorf("%s: %w", name, err)
		}
		return nil
	}}
}
