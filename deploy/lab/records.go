package lab

import (
	"encoding/json"
	"errors"
	"fmt"
	"os"
)

func (l *Lab) recordPath(p part) string { return l.path("run", p.name+".json") }
func (l *Lab) lockPath(p part) string   { return l.path("run", p.name+".lock") }
func (l *Lab) logPath(p part) string    { return l.path("log", p.name+".log") }

// record notes the process that a part runs as.
func (l *Lab) record(p part, as process) error {
	text, err := json.Marshal(as)
	if err == nil {
		err = writeFile(l.recordPath(p), string(text))
	}
	if err != nil {
		return fmt.Errorf("noting the process of %s: %w", p.name, err)
	}
	return nil
}

// recorded returns the process that the part was last started as, which may have ended. Where there is none on record,
// it is the zero process.
func (l *Lab) recorded(p part) (process, error) {
	text, err := os.ReadFile(l.recordPath(p))
	if errors.Is(err, os.ErrNotExist) {
		return process{}, nil
	}
	if err != nil {
		return process{}, fmt.Errorf("reading the process of %s: %w", p.name, err)
	}
	var as process
	if err := json.Unmarshal(text, &as); err != nil {
		return process{}, fmt.Errorf("reading the process of %s from %s: %w", p.name, l.recordPath(p), err)
	}
	return as, nil
}

// forget removes the part's record.
func (l *Lab) forget(p part) error {
	if err := os.Remove(l.recordPath(p)); err != nil && !errors.Is(err, os.ErrNotExist) {
		return fmt.Errorf("removing the record of %s: %w", p.name, err)
	}
	return nil
}
