package importer

import (
	"context"
	"errors"
	"fmt"
	"migrate/internal/columns"
	"migrate/internal/export"
	"migrate/internal/model"
	"migrate/internal/source/query"

	"github.com/apache/arrow/go/v15/arrow"
)

// checkDuplicates refuses to add rows whose keys are there: bulk insert would keep both.
func (im *importing) checkDuplicates(ctx context.Context, have *model.Collection) error {
	if !have.Loaded {
		if err := im.server.Load(ctx, have.Name); err != nil {
			return fmt.Errorf("looking for keys that are there already: %w", err)
		}
		have.Loaded = true
	}
	reader, err := query.Open(ctx, im.server, have)
	if err != nil {
		return err
	}
	if im.before, err = countAll(ctx, reader); err != nil || im.newKeys() {
		return err
	}
	for _, p := range im.manifest.Parts {
		if p.Object == "" {
			continue
		}
		if err := im.checkOverlap(ctx, reader.KeysOnly(), p); err != nil {
			return err
		}
	}
	return nil
}

// checkOverlap compares the keys of one part with those that the target has between the part's lowest and highest.
func (im *importing) checkOverlap(ctx context.Context, target *query.Reader, p export.Part) error {
	rng := model.Range{After: p.After, UpTo: p.Highest}
	n, err := target.Count(ctx, model.AllPartitions, rng)
	if n == 0 || err != nil {
		return err
	}
	theirs, err := im.partKeys(ctx, p)
	if err != nil {
		return err
	}
	_, err = target.Read(ctx, model.AllPartitions, rng, func(rec arrow.Record) error {
		for _, k := range target.Layout.Keys(rec) {
			if theirs[k] {
				return fmt.Errorf("adding to %q on %s: %w, %s among them; nothing was imported", im.target.Name, im.server.Address, ErrDuplicates, k)
			}
		}
		return nil
	})
	return err
}

// checkThere finds every key of a part on the target.
func (im *importing) checkThere(ctx context.Context, target *query.Reader, p export.Part) error {
	if p.Object == "" {
		return nil
	}
	missing, err := im.partKeys(ctx, p)
	if err != nil {
		return err
	}
	_, err = target.Read(ctx, model.AllPartitions, model.Range{After: p.After, UpTo: p.Highest}, func(rec arrow.Record) error {
		for _, k := range target.Layout.Keys(rec) {
			delete(missing, k)
		}
		return nil
	})
	for k := range missing {
		return errors.Join(err, fmt.Errorf("looking for the keys of %s in %q on %s: %d are not there, %s among them",
			p.Object, im.target.Name, im.server.Address, len(missing), k))
	}
	return err
}

func (im *importing) partKeys(ctx context.Context, p export.Part) (keys map[model.Key]bool, err error) {
	keys = map[model.Key]bool{}
	pk := model.PrimaryKey(im.target.Schema).GetName()
	err = im.manifest.ReadPart(ctx, im.export, p, func(rec arrow.Record) error {
		for _, k := range columns.KeysOf(rec, pk) {
			keys[k.Clone()] = true
		}
		return nil
	})
	return keys, err
}

func countAll(ctx context.Context, reader *query.Reader) (int64, error) {
	return reader.Count(ctx, model.AllPartitions, model.Range{})
}
