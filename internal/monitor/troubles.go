package monitor

import (
	"errors"
	"slices"
	"time"

	"migrate/checkpoint"
	"migrate/internal/milvus"
	"migrate/internal/syncer"
	"migrate/sinks"
)

// trouble is an error, as often as it came.
type trouble struct {
	Where, Text string
	First, Last time.Time
	Times       int
}

// note keeps an error. One that came before moves to the end, so that a server that is away does not drive out all others.
func (m *Monitor) note(where, text string, at time.Time) {
	t := trouble{Where: where, Text: text, First: at}
	if i := slices.IndexFunc(m.troubles.values, func(t trouble) bool { return t.Where == where && t.Text == text }); i >= 0 {
		t = m.troubles.values[i]
		m.troubles.values = slices.Delete(m.troubles.values, i, i+1)
	}
	t.Last = at
	t.Times++
	m.troubles.add(t)
}

// tryingAgain reports whether something went wrong since the last cycle ended: the one under way waits for it to pass.
func (m *Monitor) tryingAgain() bool {
	n := len(m.troubles.values)
	return n > 0 && m.troubles.values[n-1].Last.After(m.ended)
}

// Retries is what a server's WatchRetries is to be given: it takes note of each call that is made again.
func (m *Monitor) Retries(server string) func(method string, err error) {
	return func(method string, err error) {
		m.retries.WithLabelValues(server, method).Inc()
		m.mu.Lock()
		defer m.mu.Unlock()
		m.note(method+" on the "+server+", made again", err.Error(), time.Now())
	}
}

// Kinds of errors beside those of kinds.
const (
	bulkInsertFailed = "bulk_insert"
	otherKind        = "other"
)

// kinds name errors. The first that matches counts.
var kinds = []struct {
	err  error
	kind string
}{
	{syncer.ErrSource, "source_changed"},
	{syncer.ErrTarget, "target_unfit"},
	{syncer.ErrBase, "target_not_filled"},
	{syncer.ErrCursor, "no_cursor"},
	{syncer.ErrSwitched, "switched_before"},
	{syncer.ErrLate, "written_after_switch"},
	{syncer.ErrDeletes, "too_many_deletes"},
	{checkpoint.ErrLost, "job_lost"},
	{checkpoint.ErrExpired, "lease_expired"},
	{checkpoint.ErrHeld, "job_held"},
	{milvus.ErrLogin, "login"},
	{milvus.ErrPrivilege, "privilege"},
	{milvus.ErrUnreachable, "unreachable"},
	{milvus.ErrNotLoaded, "not_loaded"},
	{milvus.ErrNotFound, "not_found"},
	{sinks.ErrAccess, "store_access"},
	{sinks.ErrNoSpace, "store_full"},
}

func kindOf(err error) string {
	for _, k := range kinds {
		if errors.Is(err, k.err) {
			return k.kind
		}
	}
	return otherKind
}

func kindNames() (names []string) {
	for _, k := range kinds {
		names = append(names, k.kind)
	}
	return names
}
