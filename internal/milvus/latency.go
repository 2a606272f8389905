package milvus

import (
	"math/bits"
	"slices"
	"strings"
	"time"

	"github.com/milvus-io/milvus-proto/go-api/v2/milvuspb"
	"google.golang.org/protobuf/proto"
)

// kind is what must be the same for the times of two calls to be compared: what is asked for, and how large the answer
// is, within a factor of two. The zero value is a call whose time tells nothing.
type kind struct {
	collection, fields string
	size               int
}

// counts is the kind of every count(*). It costs what it counts, which its answer does not tell: that it takes long says
// nothing, and that it is quick says that the server is.
var counts = kind{fields: "count(*)"}

// kindOf is the kind of a query of rows, or of a count.
func kindOf(req, reply any, err error) kind {
	query, ok := req.(*milvuspb.QueryRequest)
	rows, isRows := reply.(*milvuspb.QueryResults)
	switch {
	case !ok || !isRows || err != nil:
		return kind{}
	case slices.Contains(query.GetOutputFields(), counts.fields):
		return counts
	}
	return kind{
		collection: query.GetDbName() + "/" + query.GetCollectionName(),
		fields:     strings.Join(query.GetOutputFields(), ","),
		size:       sizeClass(proto.Size(rows)),
	}
}

// sizeClass is the power of two that a size is nearest to, so that full pages are in one class.
func sizeClass(bytes int) int { return bits.Len(uint(bytes + bytes/2)) }

// usual is how long calls of one kind take. They are judged in rounds, since single calls are slow for many reasons: a
// pause of this process, a compaction, a page that nobody has read before.
type usual struct {
	took time.Duration // the quickest call of a round, slowly moving over rounds; 0 before the first has ended

	calls, slow int           // of the present round
	quickest    time.Duration // of the present round
}

const (
	slowTimes = 4                      // as long as usual, and
	slowLeast = 500 * time.Millisecond // longer than usual is slow
	inertia   = 8                      // rounds; a lasting slowness is usual after three of them
)

// add takes the time of a good answer. It tells whether that was slow, and whether with it a whole round was.
func (u *usual) add(took time.Duration) (slow, lasting bool) {
	if u == nil {
		return false, false
	}
	slow = u.took > 0 && took > slowTimes*u.took && took > u.took+slowLeast
	if slow {
		u.slow++
	}
	if u.calls == 0 || took < u.quickest {
		u.quickest = took
	}
	if u.calls++; u.calls < round {
		return slow, false
	}
	return slow, u.endRound()
}

// endRound moves what is usual towards the round that has ended, and tells whether all of that was slow.
func (u *usual) endRound() (lasting bool) {
	lasting = u.slow == u.calls
	if u.took == 0 {
		u.took = u.quickest
	}
	*u = usual{took: u.took + (u.quickest-u.took)/inertia}
	return lasting
}
