package importer

import (
	"context"
	"fmt"
	"log/slog"
	"time"

	"migrate/internal/clock"
	"migrate/internal/milvus"
	"migrate/internal/model"
	"migrate/internal/source"
	"migrate/internal/source/query"
)

// finish builds the indexes, loads where the source was loaded or the rows can be counted, counts, and brings what bulk insert can't.
func (im *importing) finish(ctx context.Context) (*Result, error) {
	name := im.target.Name
	if err := im.server.CreateIndexes(ctx, im.target); err != nil {
		return nil, err
	}
	built, err := im.waitIndexes(ctx)
	if err != nil {
		return nil, err
	}
	r := &Result{
		Collection: name, Via: im.opts.Via, Rows: im.manifest.Total.Rows, Bytes: im.manifest.Bytes, Parts: im.job.Job().Planned.Parts,
		Unindexed: built.Unfinished, Aliases: im.target.Aliases, Keys: im.keysInWords(), NotFinite: im.brought.notFinite,
	}
	im.opts.Step("load", im.manifest.Total.Rows)
	if err := im.loadAndCount(ctx); err != nil {
		return r, err
	}
	r.EmptyLists, err = im.bringEmpty(ctx)
	r.EmptyLists += im.brought.emptyLists
	return r, err
}

// waitIndexes tells of the rows as they are indexed.
func (im *importing) waitIndexes(ctx context.Context) (milvus.IndexProgress, error) {
	im.opts.Step("index", im.manifest.Total.Rows*int64(len(im.target.Indexes)))
	var told int64
	tell := func(p milvus.IndexProgress) {
		if p.Indexed > told {
			im.opts.Progress(p.Indexed-told, 0)
			told = p.Indexed
		}
	}
	built, err := im.server.WaitIndexes(ctx, im.target.Name, im.opts.StallAfter, tell)
	tell(built)
	return built, err
}

func (im *importing) keysInWords() string {
	switch {
	case im.newKeys():
		return "auto id: the target gave every row a new key; the old ones are in the export's key column (--keep-ids keeps them)"
	case im.givesIDs():
		return "auto id: the keys were kept, as the target's property allow_insert_auto_id allows"
	case model.AutoID(im.manifest.Collection.Schema.CollectionSchema):
		return "auto id: the keys were kept, so the target's key is an explicit one"
	}
	return ""
}

// loadAndCount loads the collection, and waits until it counts what was there and what was imported.
func (im *importing) loadAndCount(ctx context.Context) error {
	target, err := im.openTarget(ctx)
	if err != nil {
		return err
	}
	want, deadline := im.before+im.manifest.Total.Rows, time.Now().Add(im.opts.Appear)
	for refreshed := false; ; refreshed = true {
		have, err := countAll(ctx, target)
		if err != nil {
			return err
		}
		switch {
		case have == want:
			im.opts.Progress(im.manifest.Total.Rows, 0)
			return nil
		case !refreshed:
			im.refresh(ctx)
		case time.Now().After(deadline):
			return im.miscounted(ctx, target, have, want)
		}
		if err := clock.Sleep(ctx, im.opts.Poll); err != nil {
			return err
		}
		if target, err = target.Now(ctx); err != nil {
			return err
		}
	}
}

// refresh has a collection that was loaded before take in what was imported. Where that is refused, it is waited for.
func (im *importing) refresh(ctx context.Context) {
	if err := im.server.Refresh(ctx, im.target.Name); err != nil {
		slog.WarnContext(ctx, "the imported rows are seen once the server takes them in by itself", "error", err)
	}
}

// openTarget opens the target's collection to be counted.
func (im *importing) openTarget(ctx context.Context) (source.Ranged, error) {
	coll, err := im.loaded(ctx)
	if err != nil {
		return nil, err
	}
	return query.Open(ctx, im.server, coll)
}

// loaded is the target's collection, indexed and loaded, so that its rows can be counted. One without a vector index can't be
// loaded; where the export has no row either there is nothing to count.
func (im *importing) loaded(ctx context.Context) (*model.Collection, error) {
	if err := im.server.CreateIndexes(ctx, im.target); err != nil {
		return nil, err
	}
	if im.manifest.Total.Rows > 0 || len(im.target.Unindexed()) == 0 {
		if err := im.load(ctx); err != nil {
			return nil, err
		}
	}
	return im.server.Describe(ctx, im.target.Name)
}

// load loads the collection if its vectors are indexed, without which Milvus does not load.
func (im *importing) load(ctx context.Context) error {
	err := im.server.Load(ctx, im.target.Name)
	switch {
	case err == nil:
		return nil
	case len(im.target.Unindexed()) > 0:
		return fmt.Errorf("%w (all rows are imported; a collection without a vector index can't be loaded)", err)
	}
	return fmt.Errorf("%w (all rows are imported)", err)
}

// miscounted says that the count is not as expected, unless others may write to the collection and all keys of the export are there.
func (im *importing) miscounted(ctx context.Context, target source.Ranged, have, want int64) error {
	if im.before == 0 || im.newKeys() {
		return fmt.Errorf("counting %q after the import: %d rows where %d were expected", im.target.Name, have, want)
	}
	slog.WarnContext(ctx, "the collection was written to meanwhile; the keys of the export are looked for", "rows", have, "expected", want)
	for _, p := range im.manifest.Parts {
		if err := im.checkThere(ctx, target, p); err != nil {
			return err
		}
	}
	im.opts.Progress(im.manifest.Total.Rows, 0)
	return nil
}
