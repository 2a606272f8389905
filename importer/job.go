package importer

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"time"

	"migrate/checkpoint"
	"migrate/internal/export"
	"migrate/internal/model"
)

// States of a chunk between checkpoint.Todo and checkpoint.Done.
const (
	Intended  checkpoint.State = "intended"  // its parts are staged, and a bulk-insert job is about to be submitted, or was
	Submitted checkpoint.State = "submitted" // the id of that is known
)

// Params is what an import is bound to: what it brings where.
type Params struct {
	Database   string `json:"database"`
	Collection string `json:"collection"`
	Export     string `json:"export of"` // when it began: this and its checksum tell one export of a name from another
	Checksum   string `json:"export checksum"`
	KeepIDs    bool   `json:"keep ids,string"`
	IndexTypes string `json:"types of indexes,omitempty"` // as model.ParseIndexTypes reads them
	Via        Way    `json:"way,omitempty"`              // empty for Bulk, as migrate before there was another has it
	NewKeys    bool   `json:"new keys,string,omitempty"`
	Folder     string `json:"folder,omitempty"` // of Parquet that others wrote; empty where migrate did
}

// ParamsOf are those of an import.
func ParamsOf(job checkpoint.Job) (p Params, err error) {
	if err := json.Unmarshal(job.Params, &p); err != nil {
		return p, fmt.Errorf("reading what import %q is bound to: %w: %w", job.Name, checkpoint.ErrDamaged, err)
	}
	return p, nil
}

// Body is what else an import keeps in its job.
type Body struct {
	Target     int64 `json:"target_collection"`     // the id of the collection that it fills
	RowsBefore int64 `json:"rows_before,omitempty"` // that the target had before it
	// Collection is what the rows of a folder of others' are: no manifest says it, and the target has no indexes until the end. nil where
	// migrate exported.
	Collection *export.Collection `json:"collection,omitempty"`
}

// fresh is an import that has not begun.
func (im *importing) fresh() checkpoint.Fresh {
	return checkpoint.Fresh{Kind: checkpoint.Import, Name: im.manifest.Job, Params: im.params(), Rows: im.manifest.Total.Rows}
}

func (im *importing) params() Params {
	p := Params{
		Database: im.server.Database(), Collection: im.opts.As, Export: im.manifest.Started.Format(time.RFC3339Nano),
		Checksum: fmt.Sprintf("%016x", uint64(im.manifest.Total.Hash)), KeepIDs: im.opts.KeepIDs,
		IndexTypes: model.IndexTypesText(im.opts.IndexTypes), Via: im.opts.Via.named(), NewKeys: im.opts.NewKeys,
	}
	if im.manifest.Foreign() {
		p.Folder = im.export.URL("")
	}
	return p
}

// body is what the job keeps once its collection is there.
func (im *importing) body(target int64) Body {
	b := Body{Target: target, RowsBefore: im.before}
	if im.manifest.Foreign() {
		b.Collection = &im.manifest.Collection
	}
	return b
}

// begin checks and creates, or resumes what is there.
func (im *importing) begin(ctx context.Context) error {
	if im.job.Job().Plan.Chunks > 0 {
		there, err := im.server.Exists(ctx, im.target.Name)
		if err != nil {
			return err
		}
		if there {
			return im.resume(ctx)
		}
		if err := im.startOver(ctx); err != nil {
			return err
		}
	}
	if before := im.job.Job().Before; before != nil { // it may have been done while this one checked
		if err := im.refuseDone(ctx, before); err != nil {
			return err
		}
	}
	if err := im.check(ctx); err != nil {
		return err
	}
	if err := im.create(ctx); err != nil {
		return err
	}
	coll, err := im.server.Describe(ctx, im.target.Name)
	if err != nil {
		return err
	}
	kept := im.givesIDs()
	if im.properties = coll.Properties; kept && !im.givesIDs() {
		return fmt.Errorf("collection %q on %s, of which the server has not taken all properties: %w", coll.Name, im.server.Address, ErrNewKeys)
	}
	parts := slices.DeleteFunc(slices.Clone(im.manifest.Parts), func(p export.Part) bool { return p.Object == "" })
	planned, err := im.way.planned(ctx, parts)
	if err != nil {
		return err
	}
	if err := im.job.Plan(ctx, im.body(coll.ID), planned); err != nil {
		return err
	}
	return im.way.begin(ctx)
}

// resume makes sure that the target is still the one that the job began with and that the parts still to come are whole.
func (im *importing) resume(ctx context.Context) error {
	job, body := im.job.Job(), Body{}
	if err := job.Read(&body); err != nil {
		return err
	}
	im.before = body.RowsBefore
	coll, err := im.server.Describe(ctx, im.target.Name)
	if err != nil {
		return err
	}
	if coll.ID != body.Target {
		return fmt.Errorf("collection %q on %s: %w: it is not the one that this import began with", coll.Name, im.server.Address, checkpoint.ErrOther)
	}
	im.properties = coll.Properties
	if err := im.way.begin(ctx); err != nil {
		return err
	}
	left, err := im.way.left()
	if err != nil {
		return err
	}
	return im.checkParts(ctx, left)
}

// startOver forgets what was imported into a collection that somebody has dropped since.
func (im *importing) startOver(ctx context.Context) error {
	slog.WarnContext(ctx, "the collection that this import had begun to fill was dropped; all parts are imported anew", "collection", im.target.Name)
	if err := im.way.forget(ctx); err != nil {
		return err
	}
	return im.job.Forget(ctx)
}

// end leaves the job in order. One that submitted nothing leaves nothing behind.
func (im *importing) end(ctx context.Context, cause error) error {
	left := im.fence.drop(ctx)
	switch {
	case cause == nil:
		cause = left
	case left != nil: // the next owner drops it
		slog.WarnContext(ctx, "the alias that the rows were written by is left on the target", "collection", im.target.Name, "error", left)
	}
	if cause == nil {
		return im.job.Release(ctx, checkpoint.Done, nil)
	}
	lost := im.job.Confirm(ctx)
	if im.job.Begun() || im.job.Resumed || lost != nil {
		return im.job.Suspend(ctx, errors.Join(lost, cause))
	}
	clean, cancel := context.WithTimeout(context.WithoutCancel(ctx), 30*time.Second)
	defer cancel()
	if im.created {
		cause = errors.Join(cause, im.server.Drop(clean, im.target.Name))
	}
	return errors.Join(cause, im.job.Remove(clean))
}

// tell reports parts that are on the target.
func (im *importing) tell(parts []export.Part) {
	for _, p := range parts {
		im.opts.Progress(p.Rows.Rows, p.Bytes)
	}
}
