// Package move is what is done with many jobs at once, and for a move as a whole: how jobs stand, what of them is left to be done, what
// is to be mended before; it reports, and prints nothing. Which collections a move is of is its matter too.
package move

import (
	"cmp"
	"context"
	"slices"
	"time"

	"migrate/checkpoint"
	"migrate/exporter"
	"migrate/importer"
	"migrate/internal/model"
	"migrate/internal/syncer"
	"migrate/sinks"
)

// Status is how a job stands.
type Status struct {
	Job       string           `json:"job"`
	Kind      checkpoint.Kind  `json:"kind"` // empty where its checkpoint can't be read
	State     checkpoint.State `json:"state"`
	Done      int              `json:"parts_done"`
	Parts     int              `json:"parts"`
	RowsDone  int64            `json:"rows_done"`
	Rows      int64            `json:"rows"`
	RowsPer   float64          `json:"rows_per_second"` // since its owner took it
	Left      float64          `json:"seconds_left"`
	Updated   time.Time        `json:"updated"`
	LastError string           `json:"last_error,omitempty"`
	Next      string           `json:"next"`              // what to do, by whoever shows it: it is left empty here
	Found     model.Findings   `json:"findings,omitzero"` // of an export: duplicate keys, and rows that were not read
	// Of is the collection that an export reads, or that an import fills; none where that can't be read, as of an earlier migrate.
	Of Named `json:"of,omitzero"`
	// Partitions are those that an export is of alone; all where empty.
	Partitions []string `json:"partitions,omitempty"`

	Sync *SyncStatus `json:"sync,omitempty"` // of a sync

	Imported bool `json:"-"` // of an export: an import of it was begun, or is done
}

// SyncStatus is how far a sync is.
type SyncStatus struct {
	Serving    string    `json:"serving,omitempty"` // the side that a cutover switched to last
	InStep     time.Time `json:"in_step"`           // when the two sides were last proved equal; zero where they never were
	AsOf       time.Time `json:"as_of"`             // every write before this is on the target; zero where not all was compared yet
	Lag        float64   `json:"lag_seconds"`       // negative where not all was compared yet
	Ranges     int       `json:"ranges"`
	Hot        int       `json:"ranges_differing"` // when they were last compared
	Upserted   int64     `json:"rows_upserted"`
	Deleted    int64     `json:"rows_deleted"`
	Duplicates int64     `json:"doubled_keys"` // on the source
	// By is what tells which keys are written: "storage", once all was compared since it does; "" where the sides are compared.
	By string `json:"found_by,omitempty"`
}

// Jobs are those on some stores, looked at again and again: exports and syncs are on the sink, imports on the staging store.
type Jobs struct{ stores []*checkpoint.Lister }

// JobsOn are the jobs on some stores.
func JobsOn(stores []sinks.Sink) *Jobs {
	j := &Jobs{}
	for _, store := range stores {
		j.stores = append(j.stores, &checkpoint.Lister{Sink: store})
	}
	return j
}

// Statuses are those of a job on some stores, or of all jobs where name is empty.
func Statuses(ctx context.Context, stores []sinks.Sink, name string) ([]Status, error) {
	return JobsOn(stores).Statuses(ctx, name)
}

// Statuses are those of a job, or of all jobs where name is empty. Only what was written since they were asked for last is read again.
func (j *Jobs) Statuses(ctx context.Context, name string) ([]Status, error) {
	shown := []Status{}
	for _, store := range j.stores {
		jobs, err := store.List(ctx)
		if err != nil {
			return nil, err
		}
		for _, j := range jobs {
			if name != "" && name != j.Name {
				continue
			}
			s, err := statusOf(j)
			if err != nil {
				return nil, err
			}
			shown = append(shown, s)
		}
	}
	for i, s := range shown {
		shown[i].Imported = s.Kind == checkpoint.Export && slices.ContainsFunc(shown, func(o Status) bool { return o.imports(s.Job) })
	}
	return shown, nil
}

// imports reports whether this is an import of an export, begun or done.
func (s Status) imports(job string) bool { return s.Kind == checkpoint.Import && s.Job == job }

func statusOf(j checkpoint.Job) (s Status, err error) {
	s = Status{
		Job: j.Name, Kind: j.Kind, State: j.Standing(), Done: j.Done.Parts, Parts: j.Planned.Parts, RowsDone: j.Done.Rows, Rows: j.Planned.Rows,
		RowsPer: j.Rate(), Updated: j.Updated, LastError: j.Error,
	}
	switch j.Kind {
	case checkpoint.Export:
		if p, unread := exporter.ParamsOf(j); unread == nil {
			s.Of, s.Partitions = NamedIn(p.Database, p.Collection), p.Partitions
		}
		s.Found, err = exporter.FindingsOf(j)
	case checkpoint.Import:
		if p, unread := importer.ParamsOf(j); unread == nil {
			s.Of = NamedIn(p.Database, p.Collection)
		}
	case checkpoint.Sync:
		s.RowsDone = s.Rows
		s.Sync, err = syncStatusOf(j)
	}
	if s.RowsPer > 0 {
		s.Left = float64(s.Rows-s.RowsDone) / s.RowsPer
	}
	return s, err
}

func syncStatusOf(j checkpoint.Job) (*SyncStatus, error) {
	p, err := syncer.PositionOf(j)
	if j.Body == nil || err != nil {
		return nil, err
	}
	s := &SyncStatus{
		Serving: serving(p),
		InStep:  p.InStep, AsOf: p.AsOf, Ranges: len(p.Ranges), Upserted: p.Upserted, Deleted: p.Deleted, Duplicates: p.Duplicates, Lag: -1,
	}
	if p.Told != nil && p.Told.Sure {
		s.By = "storage"
	}
	if !p.AsOf.IsZero() {
		s.Lag = time.Since(p.AsOf).Seconds()
	}
	for _, r := range p.Ranges {
		if r.Hot {
			s.Hot++
		}
	}
	return s, nil
}

// serving says which side of a sync serves, where it was ever switched.
func serving(p *syncer.Position) string {
	if p.Switch == nil {
		return ""
	}
	return cmp.Or(p.Serving, syncer.Source).String()
}
