package move

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"slices"

	"migrate/checkpoint"
	"migrate/internal/document"
	"migrate/internal/model"
	"migrate/sinks"
)

// made is what a move makes on the target beside collections, and what it loads on the source for the time being. It is kept before it is
// done, so that another call of the move tells it from what was there before.
type made struct {
	Format   int        `json:"format"`
	ID       string     `json:"id"` // of the move; in the file of its new passwords
	Users    []string   `json:"users,omitempty"`
	Roles    []string   `json:"roles,omitempty"`
	Groups   []string   `json:"privilege_groups,omitempty"`
	Borrowed []borrowed `json:"borrowed,omitempty"`
}

// borrowed is a collection of the source that is loaded as a whole for the time being, and what of it was loaded before.
type borrowed struct {
	Named
	ID     int64      `json:"id,string"`
	Before model.Load `json:"before"`
}

// journal is where that is kept. A nil one keeps nothing: all that is on the target was there before.
type journal struct {
	store  checkpoint.Store
	object string
}

// madeFormat is the newest format of the document that this program reads, and the one that it writes.
const madeFormat = 1

// read is what is kept so far.
func (j *journal) read(ctx context.Context) (m made, version checkpoint.Version, err error) {
	if j == nil {
		return m, "", nil
	}
	text, version, err := j.store.Get(ctx, j.object)
	if errors.Is(err, sinks.ErrNotExist) {
		return m, "", nil
	}
	if err != nil {
		return m, "", fmt.Errorf("reading what the move has made: %w", err)
	}
	if err := document.Unmarshal(text, &m); err != nil {
		return m, "", fmt.Errorf("%s: %w: %w", j.object, checkpoint.ErrDamaged, err)
	}
	if m.Format > madeFormat {
		return m, "", fmt.Errorf("%s: %w: %d, and this migrate reads up to %d", j.object, checkpoint.ErrVersion, m.Format, madeFormat)
	}
	return m, version, nil
}

// note keeps what is about to be made or borrowed, or is given back.
func (j *journal) note(ctx context.Context, change func(*made)) (made, error) {
	for {
		m, version, err := j.read(ctx)
		if err != nil {
			return m, err
		}
		if m.Format = madeFormat; m.ID == "" {
			m.ID = rand.Text()
		}
		change(&m)
		if j == nil {
			return m, nil
		}
		text, err := document.Marshal(m)
		if err != nil {
			return m, fmt.Errorf("encoding what the move makes: %w", err)
		}
		if _, err = j.store.Put(ctx, j.object, version, text); !errors.Is(err, checkpoint.ErrConflict) { // another process has noted something
			if err != nil {
				err = fmt.Errorf("keeping what the move makes: %w", err)
			}
			return m, err
		}
	}
}

// add adds names to some, once each.
func add(some *[]string, names ...string) {
	for _, name := range names {
		if !slices.Contains(*some, name) {
			*some = append(*some, name)
		}
	}
}
