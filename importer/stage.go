package importer

import (
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"io"
	"strings"
	"time"

	"migrate/checkpoint"
	"migrate/internal/columns"
	"migrate/internal/export"
	"migrate/internal/source"
	"migrate/sinks"
)

// stagedFolder is where the objects of this import are staged.
func (im *bulk) stagedFolder() string {
	return im.manifest.Job + "/" + checkpoint.Filled(im.name) + "/"
}

// stagedName names a part in the cluster's bucket by its job, its content, this ownership of the job, and the try. By the
// name it is found in what the server lists; and when a new owner or a new try removes the object, a call that comes late
// can't have it imported any more. No two calls ever share a name, so what a server keeps of a failed job is not met again.
func (im *bulk) stagedName(p export.Part, try int64) string {
	object := strings.TrimSuffix(strings.ReplaceAll(p.Object, "/", "-"), ".parquet")
	if p.Foreign != nil { // a name of any letters and of any length, of which two may be alike
		object = fmt.Sprintf("part-%.16x", sha256.Sum256([]byte(p.Object)))
	}
	owner := strings.ToLower(im.job.Job().Lease.ID[:10])
	return fmt.Sprintf("%s%s-%s-%s-%d.parquet", im.stagedFolder(), object, p.SHA256[:16], owner, try)
}

// stageAll stages those parts of a group that have a name for it.
func (im *bulk) stageAll(ctx context.Context, g *group, names []string) error {
	for i, name := range names {
		if name == "" {
			continue
		}
		if err := im.stage(ctx, name, g.parts[i]); err != nil {
			return err
		}
	}
	return nil
}

// stage puts a part where bulk insert reads it: copied by the store itself where it is the same one, and written anew where bulk insert
// may not take it as it is.
func (im *bulk) stage(ctx context.Context, name string, p export.Part) error {
	if im.odd.rows[p.Object] > 0 || im.anew(p) {
		return im.stageAnew(ctx, name, p)
	}
	if copier, ok := im.staging.(sinks.Copier); ok {
		done, err := copier.CopyFrom(ctx, name, im.export, im.manifest.ObjectName(p))
		if err != nil {
			return fmt.Errorf("staging part %s by a copy in the store: %w", p.Object, err)
		}
		if done {
			return nil
		}
	}
	return im.stageBytes(ctx, name, p)
}

// stageBytes streams a part, and lets nothing stand that is not what the manifest says.
func (im *bulk) stageBytes(ctx context.Context, name string, p export.Part) (err error) {
	obj, err := im.export.Open(ctx, im.manifest.ObjectName(p))
	if err != nil {
		return fmt.Errorf("opening part %s: %w", p.Object, err)
	}
	defer func() { err = errors.Join(err, obj.Close()) }()
	_, err = im.staging.Put(ctx, name, func(w io.Writer) error {
		sum, _, err := export.Digest(io.TeeReader(obj, w))
		if err == nil && sum != p.SHA256 {
			err = im.damaged(p, "was altered while it was read")
		}
		return err
	})
	if err != nil {
		return fmt.Errorf("staging part %s: %w", p.Object, err)
	}
	return nil
}

// anew reports whether a part is to be written anew: others wrote it in ways that not every server takes, or it has keys, which bulk
// insert refuses where the target gives new ones.
func (im *bulk) anew(p export.Part) bool {
	if p.Foreign != nil && (p.Foreign.Rewrite || p.Foreign.Keyless) {
		return p.Foreign.Rewrite
	}
	return im.newKeys()
}

// stageAnew stages what bulk insert takes of a part: without keys where the target gives new ones, and without odd rows.
func (im *bulk) stageAnew(ctx context.Context, name string, p export.Part) error {
	layout, err := columns.NewLayout(im.target.Schema)
	if err != nil {
		return err
	}
	if im.newKeys() {
		layout = layout.Only(func(column string) bool { return column != im.keyName() })
	}
	_, err = im.staging.Put(ctx, name, func(w io.Writer) error { return im.rewrite(ctx, w, layout, p) })
	if err != nil {
		return fmt.Errorf("staging part %s, written anew: %w", p.Object, err)
	}
	return nil
}

// rewrite writes some columns of a part as a part, without its odd rows.
func (im *bulk) rewrite(ctx context.Context, w io.Writer, some *columns.Layout, p export.Part) error {
	out, err := export.NewWriter(w, some.Arrow)
	if err != nil {
		return err
	}
	stream, err := im.manifest.ReadPart(ctx, im.export, p, some.Names()...)
	if err != nil {
		return err
	}
	for rec, err := range source.Rows(stream) {
		if err != nil {
			return err
		}
		taken := some.Pick(rec)
		if odd, _ := im.odd.of(taken); len(odd) > 0 {
			if taken, err = some.Rows(taken, others(odd, int(taken.NumRows()))); err != nil {
				return err
			}
		}
		if taken.NumRows() == 0 {
			continue
		}
		if err := out.Write(taken); err != nil {
			return err
		}
	}
	return out.Close()
}

// unstage removes staged objects, also where ctx has ended.
func (im *bulk) unstage(ctx context.Context, names ...string) error {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), 10*time.Second)
	defer cancel()
	for _, name := range names {
		if name == "" {
			continue
		}
		if err := im.staging.Delete(ctx, name); err != nil {
			return fmt.Errorf("removing what was staged: %w", err)
		}
	}
	return nil
}

// unstageAll removes what is staged for this import and not in use.
func (im *bulk) unstageAll(ctx context.Context, inUse map[string]bool) error {
	for info, err := range im.staging.List(ctx, im.stagedFolder()) {
		if err != nil {
			return fmt.Errorf("looking for what was staged: %w", err)
		}
		if !inUse[info.Name] {
			if err := im.unstage(ctx, info.Name); err != nil {
				return err
			}
		}
	}
	return nil
}
