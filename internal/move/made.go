package move

import (
	"context"
	"crypto/rand"
	"errors"
	"slices"

	"migrate/checkpoint"
	"migrate/internal/model"
	"migrate/sinks"
)

// made is what a move makes on the target beside collections, and what it loads for the time being. It is kept before it is
// done, so that another call of the move tells it from what was there before.
type made struct {
	Format   int        `json:"format"`
	ID       string     `json:"id"` // of the move; in the file of its new passwords
	Users    []string   `json:"users,omitempty"`
	Roles    []string   `json:"roles,omitempty"`
	Groups   []string   `json:"privilege_groups,omitempty"`
	Borrowed []borrowed `json:"borrowed,omitempty"`
}

// borrowed is a collection that is loaded as a whole for the time being, and what of it was loaded before.
type borrowed struct {
	Named
	Server string     `json:"server,omitempty"` // as host:port; the source of the move where empty
	ID     int64      `json:"id,string"`
	Before model.Load `json:"before"`
}

func (r *record) made() string { return r.folder() + "made.json" }

// madeSoFar is what is kept so far. Where nothing is kept, all that is on the target was there before.
func (r *record) madeSoFar(ctx context.Context) (m made, err error) {
	if r == nil {
		return m, nil
	}
	if _, err = r.read(ctx, r.made(), &m); errors.Is(err, sinks.ErrNotExist) {
		err = nil
	}
	return m, err
}

// noteMade keeps what is about to be made or borrowed, or is given back.
func (r *record) noteMade(ctx context.Context, change func(*made)) (m made, err error) {
	if r == nil {
		m.ID = rand.Text()
		change(&m)
		return m, nil
	}
	r.making.Lock()
	defer r.making.Unlock()
	err = r.swap(ctx, r.made(), func() (checkpoint.Version, any, error) {
		m = made{}
		version, err := r.read(ctx, r.made(), &m)
		if err != nil && !errors.Is(err, sinks.ErrNotExist) {
			return "", nil, err
		}
		if m.Format = recordFormat; m.ID == "" {
			m.ID = rand.Text()
		}
		change(&m)
		return version, m, nil
	})
	return m, err
}

// add adds names to some, once each.
func add(some *[]string, names ...string) {
	for _, name := range names {
		if !slices.Contains(*some, name) {
			*some = append(*some, name)
		}
	}
}
