package milvus

import (
	"sync"
	"time"

	"golang.org/x/time/rate"
)

// seldom lets through a few log lines of a name, then one every few seconds, and counts the others. The zero value is
// ready.
type seldom struct {
	burst int // lines that may follow each other; 1 where zero

	mu    sync.Mutex
	lines map[string]*line
}

type line struct {
	allowed *rate.Limiter
	leftOut int
}

const seldomEvery = 5 * time.Second

// do logs a line, which says how many of its name were left out since the last, or leaves it out.
func (s *seldom) do(name string, log func(leftOut int)) {
	s.mu.Lock()
	defer s.mu.Unlock()
	l := s.line(name)
	if !l.allowed.Allow() {
		l.leftOut++
		return
	}
	log(l.leftOut)
	l.leftOut = 0
}

func (s *seldom) line(name string) *line {
	if s.lines == nil {
		s.lines = map[string]*line{}
	}
	if s.lines[name] == nil {
		s.lines[name] = &line{allowed: rate.NewLimiter(rate.Every(seldomEvery), max(s.burst, 1))}
	}
	return s.lines[name]
}
