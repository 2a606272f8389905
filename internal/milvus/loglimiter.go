package milvus

import (
	"sync"
	"time"

	"golang.org/x/time/rate"
)

// logLimiter lets through a few log lines of a name, then one every few seconds, and counts the others. The zero value is
// ready.
type logLimiter struct {
	burst int // lines that may follow each other; 1 where zero

	mu    sync.Mutex
	lines map[string]*line
}

type line struct {
	allowed *rate.Limiter
	leftOut int
}

const lineEvery = 5 * time.Second

// do logs a line, which says how many of its name were left out since the last, or leaves it out.
func (l *logLimiter) do(name string, log func(leftOut int)) {
	l.mu.Lock()
	defer l.mu.Unlock()
	last := l.line(name)
	if !last.allowed.Allow() {
		last.leftOut++
		return
	}
	log(last.leftOut)
	last.leftOut = 0
}

func (l *logLimiter) line(name string) *line {
	if l.lines == nil {
		l.lines = map[string]*line{}
	}
	if l.lines[name] == nil {
		l.lines[name] = &line{allowed: rate.NewLimiter(rate.Every(lineEvery), max(l.burst, 1))}
	}
	return l.lines[name]
}
