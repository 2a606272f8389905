package importer

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"

	"migrate/checkpoint"
	"migrate/internal/export"
)

// jobBytes bounds what one job brings: so much is staged for it at a time, and imported again when it fails.
const jobBytes = 4 << 30

// groups puts together what the jobs are to bring: parts of one partition, each job a fair share of all that is to be done. Where a job
// takes one file, each part is a group of its own.
func groups(parts []export.Part, filesPerJob, jobs int) (made [][]export.Part) {
	share := min(filesPerJob, (len(parts)+jobs-1)/jobs)
	for _, p := range parts {
		k := slices.IndexFunc(made, func(g []export.Part) bool {
			return g[0].Partition == p.Partition && len(g) < share && bytesOf(g)+p.Bytes <= jobBytes
		})
		if k < 0 {
			made = append(made, []export.Part{p})
			continue
		}
		made[k] = append(made[k], p)
	}
	return made
}

func bytesOf(parts []export.Part) (n int64) {
	for _, p := range parts {
		n += p.Bytes
	}
	return n
}

func tallyOf(parts []export.Part) (t checkpoint.Tally) {
	for _, p := range parts {
		t.Parts++
		t.Rows += p.Rows.Rows
	}
	return t
}

// spec is what of a plan one bulk-insert job brings.
type spec struct {
	Parts []export.Part `json:"parts"`
	Keys  bool          `json:"keys,omitempty"` // the rows bring the keys of a collection with auto ids
}

// progress is how far a group is.
type progress struct {
	Staged []string `json:"staged,omitempty"` // names of the objects that its parts are staged as, in their order
	Job    int64    `json:"job,omitempty"`    // that was submitted for them
	There  []bool   `json:"there,omitempty"`  // parts whose rows were found on the target, though no job is known that brought them
}

// group is the parts that one bulk-insert job brings: a chunk of the import.
type group struct {
	*checkpoint.Claim
	parts []export.Part
	keys  bool // as spec.Keys
	progress
}

func groupOf(claim *checkpoint.Claim) (*group, error) {
	g := &group{Claim: claim}
	var s spec
	err := json.Unmarshal(claim.Spec, &s)
	if claim.Result != nil {
		err = errors.Join(err, json.Unmarshal(claim.Result, &g.progress))
	}
	if err != nil {
		return nil, fmt.Errorf("reading chunk %d of the plan: %w: %w", claim.ID, checkpoint.ErrDamaged, err)
	}
	g.parts, g.keys = s.Parts, s.Keys
	return g, nil
}

// there reports whether a part is known to be on the target.
func (g *group) there(i int) bool {
	return g.State == checkpoint.Done || i < len(g.There) && g.There[i]
}

// left are the places of the parts that are still to be imported.
func (g *group) left() (left []int) {
	for i := range g.parts {
		if !g.there(i) {
			left = append(left, i)
		}
	}
	return left
}

// some are parts by their places.
func (g *group) some(places []int) (parts []export.Part) {
	for _, i := range places {
		parts = append(parts, g.parts[i])
	}
	return parts
}

// stagedAs is the name of the object that a part is staged as; empty where it is not.
func (g *group) stagedAs(i int) string {
	if i >= len(g.Staged) {
		return ""
	}
	return g.Staged[i]
}

// staged are the names of what is staged of the group.
func (g *group) staged() (names []string) {
	for i := range g.parts {
		if name := g.stagedAs(i); name != "" {
			names = append(names, name)
		}
	}
	return names
}

// record makes the group's state durable.
func (g *group) record(ctx context.Context, state checkpoint.State, next progress) error {
	var done checkpoint.Tally
	for i, p := range g.parts {
		if state == checkpoint.Done || i < len(next.There) && next.There[i] {
			done.Parts++
			done.Rows += p.Rows.Rows
		}
	}
	if err := g.Save(ctx, state, done, next); err != nil {
		return err
	}
	g.progress = next
	return nil
}

// String names a group in an error.
func (g *group) String() string {
	left := g.left()
	if len(left) == 0 {
		return g.parts[0].Object
	}
	if len(left) == 1 {
		return g.parts[left[0]].Object
	}
	return fmt.Sprintf("%s and %d more", g.parts[left[0]].Object, len(left)-1)
}

// files are the staged objects of a group, as bulk insert is told of them.
func (im *bulk) files(g *group) (files []string) {
	for _, name := range g.staged() {
		files = append(files, im.staging.Key(name))
	}
	return files
}
