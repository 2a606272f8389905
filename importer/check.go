package importer

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"golang.org/x/sync/errgroup"

	"migrate/checkpoint"
	"migrate/internal/export"
	"migrate/internal/milvus"
	"migrate/internal/model"
	"migrate/internal/source/query"
	"migrate/sinks"
)

// checkServer refuses a server that can't take the import at all.
func (im *importing) checkServer(ctx context.Context) error {
	if err := checkpoint.CheckCollection(im.opts.As); err != nil {
		return err
	}
	if err := im.takesSuch(); err != nil {
		return err
	}
	if err := im.server.CheckReading(ctx, im.target); err != nil { // as the count at the end does
		return err
	}
	return im.way.open(ctx)
}

// takesSuch refuses a server that can't take a collection as it is described.
func (im *importing) takesSuch() error {
	can, version := im.server.Capabilities(), im.server.Version()
	if fields := can.Unsupported(im.target); len(fields) > 0 {
		return fmt.Errorf("%w: Milvus %s does not take the types of %s", ErrTarget, version, strings.Join(fields, ", "))
	}
	if beyond := can.BeyondLimits(im.target.Schema); len(beyond) > 0 {
		return fmt.Errorf("%w: Milvus %s refuses such a collection: %s", ErrTarget, version, strings.Join(beyond, "; "))
	}
	if lacking := can.Unbuildable(im.target); len(lacking) > 0 && !im.opts.Force {
		return fmt.Errorf("%w: Milvus %s does not build %s; import with --index '%s' to have the nearest that it builds (%s: none), or go on with --force",
			ErrTarget, version, model.Listed(lacking), model.Offer(lacking), model.NoIndex)
	}
	if err := can.CheckKey(im.target.Schema); err != nil {
		return fmt.Errorf("%w: to Milvus %s, %w", ErrTarget, version, err)
	}
	return im.way.fits()
}

// Fits refuses what an import of a collection would be refused for by its description, before any row is read: what the server can't
// take, and a collection of that name that is another, or has rows in its segments. It asks the server once, four times where one is there,
// and says in any case what is known of the keys.
func Fits(ctx context.Context, server *milvus.Server, coll *model.Collection, opts Options) (Keys, error) {
	opts.As = cmp.Or(opts.As, coll.Name)
	keys := KeysOf(server.Capabilities(), coll, nil, opts)
	target, err := Wanted(server.Capabilities(), coll, opts)
	if err != nil {
		return keys, err
	}
	im := &importing{server: server, opts: opts, target: target, properties: target.Properties}
	im.choose(true)
	if err := checkpoint.CheckCollection(opts.As); err != nil {
		return keys, err
	}
	if err := im.takesSuch(); err != nil {
		return keys, err
	}
	if err := server.CheckReading(ctx, target); err != nil {
		return keys, err
	}
	have, err := server.Definition(ctx, opts.As)
	if errors.Is(err, milvus.ErrNotFound) {
		return keys, nil
	}
	if err == nil {
		keys, im.properties = KeysOf(server.Capabilities(), coll, have, opts), have.Properties
		err = cmp.Or(im.sameAs(have), im.way.fits())
	}
	if err != nil || opts.IntoExisting {
		return keys, err
	}
	rows, err := server.StoredRows(ctx, opts.As)
	if err == nil && rows > 0 {
		err = im.notEmpty(rows)
	}
	return keys, err
}

// checkDone refuses to repeat an import that is done, unless its collection is there no more, or rows are to be added to it
// whose keys tell that they are not there yet.
func (im *importing) checkDone(ctx context.Context) error {
	job, err := checkpoint.Read(ctx, im.jobs, im.name)
	if err != nil || job.State != checkpoint.Done {
		return nil // told by those who take the job
	}
	return im.refuseDone(ctx, job)
}

// refuseDone refuses to repeat an import that a job has done.
func (im *importing) refuseDone(ctx context.Context, job *checkpoint.Job) error {
	was, err := ParamsOf(*job)
	if err != nil || !im.sameExport(was) {
		return err
	}
	var filled Body
	if err := job.Read(&filled); err != nil {
		return err
	}
	have, err := im.server.Describe(ctx, im.opts.As)
	if errors.Is(err, milvus.ErrNotFound) || err == nil && have.ID != filled.Target {
		return nil
	}
	if err != nil {
		return err
	}
	if im.properties = have.Properties; im.opts.IntoExisting && !im.newKeys() {
		return nil
	}
	return fmt.Errorf("export %q into %q on %s: %w, at %s", im.manifest.Job, im.opts.As, im.server.Address, ErrImported,
		job.Updated.Local().Format(time.DateTime))
}

// sameExport reports whether a job imported this export, and not one that it has replaced since.
func (im *importing) sameExport(was Params) bool {
	now := im.params()
	return was.Export == now.Export && was.Checksum == now.Checksum
}

// checkFresh makes all checks of an import that has nothing to resume before its job is taken: one that is refused changes nothing.
func (im *importing) checkFresh(ctx context.Context) error {
	job, err := checkpoint.Read(ctx, im.jobs, im.name)
	switch {
	case errors.Is(err, sinks.ErrNotExist):
	case err != nil:
		return nil // told by those who take the job
	case job.State != checkpoint.Done && job.Planned.Parts > 0:
		return nil // what is left to be done is checked then
	}
	return im.check(ctx)
}

// check looks at the target, which may have changed since it was looked at before the job was taken, and once at the parts.
func (im *importing) check(ctx context.Context) error {
	if err := im.checkTarget(ctx); err != nil {
		return err
	}
	if err := im.way.fits(); err != nil { // as the collection that is there is
		return err
	}
	if err := Refused(im.server.Capabilities(), im.opts.Via, im.newKeys(), im.takes, im.manifest); err != nil {
		return fmt.Errorf("importing %q into %q on %s: %w", im.manifest.Job, im.target.Name, im.server.Address, err)
	}
	if im.checked {
		return nil
	}
	im.warn()
	if err := im.checkParts(ctx, im.manifest.Parts); err != nil {
		return err
	}
	im.checked = true
	return nil
}

// checkParts reads parts once, so that a damaged one is found before the target is changed by this run.
func (im *importing) checkParts(ctx context.Context, parts []export.Part) error {
	var rows int64
	for _, p := range parts {
		rows += p.Rows.Rows
	}
	im.opts.Step("check parts", rows)
	g, ctx := errgroup.WithContext(ctx)
	g.SetLimit(im.opts.Jobs)
	for _, p := range parts {
		if p.Object == "" {
			continue
		}
		g.Go(func() error {
			if ctx.Err() != nil {
				return context.Cause(ctx)
			}
			return im.opts.Budget.Do(ctx, func() error { return im.checkPart(ctx, p) })
		})
	}
	return g.Wait()
}

func (im *importing) checkPart(ctx context.Context, p export.Part) (err error) {
	obj, err := im.export.Open(ctx, im.manifest.ObjectName(p))
	if errors.Is(err, sinks.ErrNotExist) {
		return im.damaged(p, "is missing")
	}
	if err != nil {
		return fmt.Errorf("opening part %s: %w", p.Object, err)
	}
	defer func() { err = errors.Join(err, obj.Close()) }()
	if obj.Size() != p.Bytes {
		return im.damaged(p, fmt.Sprintf("has %d bytes instead of %d", obj.Size(), p.Bytes))
	}
	sum, _, err := export.Digest(obj)
	if err != nil {
		return fmt.Errorf("reading part %s: %w", p.Object, err)
	}
	if sum != p.SHA256 {
		return im.damaged(p, "was altered: its SHA-256 is not the manifest's")
	}
	im.opts.Progress(p.Rows.Rows, p.Bytes)
	return nil
}

func (im *importing) damaged(p export.Part, how string) error {
	remedy := "export again with --overwrite"
	if p.Foreign != nil {
		remedy = "leave the folder as it is until the import is done, and give the same command again"
	}
	return fmt.Errorf("%w: part %s %s; %s", ErrDamaged, im.export.URL(im.manifest.ObjectName(p)), how, remedy)
}

// checkTarget looks at a collection that is there already.
func (im *importing) checkTarget(ctx context.Context) error {
	have, err := im.server.Describe(ctx, im.target.Name)
	if errors.Is(err, milvus.ErrNotFound) {
		return nil
	}
	if err != nil {
		return err
	}
	if err := im.sameAs(have); err != nil {
		return err
	}
	im.takes, im.properties = have.Schema, have.Properties
	if im.before, err = im.rowsThere(ctx, have); err != nil || im.before == 0 {
		return err
	}
	if !im.opts.IntoExisting {
		return im.notEmpty(im.before)
	}
	return im.checkDuplicates(ctx, have)
}

// sameAs refuses a collection that is not as the target is to be.
func (im *importing) sameAs(have *model.Collection) error {
	found := model.Compare(im.target, have)
	diffs := slices.Concat(found.Texts(model.Refuses), found.Of(model.IndexOf).Texts(model.Differs)) // a field takes no second index
	if len(diffs) == 0 {
		return nil
	}
	return fmt.Errorf("collection %q on %s: %w: %s; drop it, or import under another name with --as",
		im.target.Name, im.server.Address, ErrSchema, strings.Join(diffs, "; "))
}

func (im *importing) notEmpty(rows int64) error {
	return fmt.Errorf("collection %q on %s: %w (%d rows); drop it, import under another name with --as, or add to it with --into-existing",
		im.target.Name, im.server.Address, ErrNotEmpty, rows)
}

// rowsThere counts the live rows of a loaded collection, and those of the segments of one that is not.
func (im *importing) rowsThere(ctx context.Context, have *model.Collection) (int64, error) {
	if !have.Loaded {
		return im.server.RowCount(ctx, have.Name)
	}
	target, err := query.Open(ctx, im.server, have)
	if err != nil {
		return 0, err
	}
	return countAll(ctx, target)
}
