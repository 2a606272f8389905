package exporter

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"

	"migrate/checkpoint"
	"migrate/internal/columns"
	"migrate/internal/export"
	"migrate/internal/model"
	"migrate/sinks"
)

// Params is what an export is bound to.
type Params struct {
	Source       string   `json:"source"` // its server's address, as host:port
	Database     string   `json:"database"`
	Collection   string   `json:"collection"`
	CollectionID int64    `json:"collection id,string"`
	PartBytes    int64    `json:"part size,string"`
	Read         string   `json:"way of reading,omitempty"` // its name; empty for queries
	Partitions   []string `json:"partitions,omitempty"`     // those that are exported alone, sorted; all where empty
}

// ParamsOf are those of an export.
func ParamsOf(job checkpoint.Job) (p Params, err error) {
	if err := json.Unmarshal(job.Params, &p); err != nil {
		return p, fmt.Errorf("reading what export %q is bound to: %w: %w", job.Name, checkpoint.ErrDamaged, err)
	}
	return p, nil
}

// Body is what else an export keeps in its job.
type Body struct {
	Pin      json.RawMessage  `json:"pin,omitempty"`      // has another process read the same rows in the same pages
	Snapshot uint64           `json:"snapshot,omitempty"` // the instant that all reads see; 0 where the server holds none
	Findings []model.Findings `json:"findings,omitempty"` // of the parts that are finished, in no order
}

// FindingsOf adds up what an export has found by now.
func FindingsOf(job checkpoint.Job) (all model.Findings, err error) {
	var body Body
	if err := job.Read(&body); err != nil {
		return all, err
	}
	for _, f := range body.Findings {
		all.Add(f)
	}
	return all, nil
}

// note records what was found in a part, for those who look at the job. Most parts have nothing to be noted.
func (e *exporting) note(ctx context.Context, found model.Findings) error {
	if nothing(found) {
		return nil
	}
	return e.record(ctx, func(before []model.Findings) (all model.Findings) {
		for _, f := range append(before, found) {
			all.Add(f)
		}
		return all
	})
}

// record has the job tell what was found in all, given what it told before. That is read from the document which is written over, so
// that workers need no lock while the store is asked.
func (e *exporting) record(ctx context.Context, total func(before []model.Findings) model.Findings) error {
	var broken error
	err := e.job.Update(ctx, func(j *checkpoint.Job) { broken = tell(j, total) })
	return errors.Join(broken, err)
}

// tell changes what a job tells of findings; after an error it is as it was.
func tell(j *checkpoint.Job, total func(before []model.Findings) model.Findings) error {
	var body Body
	if err := j.Read(&body); err != nil {
		return err
	}
	all := total(body.Findings)
	if body.Findings = nil; !nothing(all) {
		body.Findings = []model.Findings{all}
	}
	text, err := json.Marshal(body)
	if err != nil {
		return fmt.Errorf("encoding what was found: %w", err)
	}
	j.Body = text
	return nil
}

func nothing(f model.Findings) bool { return f.Duplicates.Rows == 0 && len(f.Unreadable) == 0 }

// Spec is what of a plan becomes one part.
type Spec struct {
	Partition string `json:"partition"`
	model.Range
	Number    int   `json:"number"`              // within its partition
	Planned   int64 `json:"planned,omitempty"`   // rows expected
	Scattered bool  `json:"scattered,omitempty"` // its keys lie among those of others
}

// Result is a part that is finished.
type Result struct {
	export.Part
	Columns  map[string]columns.Stats `json:"columns,omitempty"` // what of the values decides whether a target takes them
	Findings model.Findings           `json:"findings"`
}

// part is a chunk of the job: as it was planned, and what is known of it once it is finished.
type part struct {
	Result
	number int // within its partition
}

func partOf(c checkpoint.Chunk) (p part, err error) {
	var spec Spec
	if err := json.Unmarshal(c.Spec, &spec); err != nil {
		return p, fmt.Errorf("reading chunk %d of the plan: %w: %w", c.ID, checkpoint.ErrDamaged, err)
	}
	p.number = spec.Number
	if c.State == checkpoint.Done {
		p.Result, err = resultOf(c)
		return p, err
	}
	p.Partition, p.Range, p.Scattered = spec.Partition, spec.Range, spec.Scattered
	return p, nil
}

// resultOf is the part that a chunk of an export has become.
func resultOf(c checkpoint.Chunk) (r Result, err error) {
	if err := json.Unmarshal(c.Result, &r); err != nil {
		return r, fmt.Errorf("reading what chunk %d became: %w: %w", c.ID, checkpoint.ErrDamaged, err)
	}
	return r, nil
}

// Whole vouches for the parts of an export that are on its sink, by their SHA-256.
func Whole(sink sinks.Sink, job string) checkpoint.Whole {
	return func(ctx context.Context, c checkpoint.Chunk) (bool, error) {
		r, err := resultOf(c)
		if err != nil || r.Object == "" {
			return err == nil, err
		}
		return export.Whole(ctx, sink, job, r.Part)
	}
}

// plannedOf are the chunks of a source as a job plans them.
func plannedOf(chunks []model.Chunk) []checkpoint.Planned {
	planned := make([]checkpoint.Planned, len(chunks))
	for i, c := range chunks {
		planned[i] = checkpoint.Planned{
			Spec: Spec{Partition: c.Partition, Range: c.Range, Number: c.Number, Planned: c.Rows, Scattered: c.Scattered},
			Size: checkpoint.Tally{Parts: 1, Rows: c.Rows},
		}
	}
	return planned
}
