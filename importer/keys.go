package importer

import (
	"context"
	"fmt"

	"migrate/internal/export"
	"migrate/internal/model"
	"migrate/internal/source"
	"migrate/internal/source/query"
)

// checkDuplicates refuses to add rows whose keys are there: bulk insert would keep both.
func (im *importing) checkDuplicates(ctx context.Context, have *model.Collection) error {
	if !have.Loaded {
		if err := im.server.Load(ctx, have.Name); err != nil {
			return fmt.Errorf("looking for keys that are there already: %w", err)
		}
		have.Loaded = true
	}
	target, err := query.Open(ctx, im.server, have)
	if err != nil {
		return err
	}
	if im.before, err = countAll(ctx, target); err != nil || im.newKeys() {
		return err
	}
	for _, p := range im.manifest.Parts {
		if p.Object == "" {
			continue
		}
		if err := im.checkOverlap(ctx, target, p); err != nil {
			return err
		}
	}
	return nil
}

// checkOverlap compares the keys of one part with those that the target has between the part's lowest and highest.
func (im *importing) checkOverlap(ctx context.Context, target source.Ranged, p export.Part) error {
	rng := model.Range{After: p.After, UpTo: p.Highest}
	n, err := target.Count(ctx, model.AllPartitions, rng)
	if n == 0 || err != nil {
		return err
	}
	theirs, err := im.partKeys(ctx, p)
	if err != nil {
		return err
	}
	stream, err := target.Read(ctx, model.Chunk{Partition: model.AllPartitions, Range: rng}, im.keyName())
	if err != nil {
		return err
	}
	for k, err := range source.Keys(stream, im.keyName()) {
		if err != nil {
			return err
		}
		if theirs[k] {
			return fmt.Errorf("adding to %q on %s: %w, %s among them; nothing was imported", im.target.Name, im.server.Address, ErrDuplicates, k)
		}
	}
	return nil
}

// checkThere finds every key of a part on the target.
func (im *importing) checkThere(ctx context.Context, target source.Ranged, p export.Part) error {
	if p.Object == "" {
		return nil
	}
	missing, err := im.partKeys(ctx, p)
	if err != nil {
		return err
	}
	there := model.Chunk{Partition: model.AllPartitions, Range: model.Range{After: p.After, UpTo: p.Highest}}
	stream, err := target.Read(ctx, there, im.keyName())
	if err != nil {
		return err
	}
	for k, err := range source.Keys(stream, im.keyName()) {
		if err != nil {
			return err
		}
		delete(missing, k)
	}
	for k := range missing {
		return fmt.Errorf("looking for the keys of %s in %q on %s: %d are not there, %s among them",
			p.Object, im.target.Name, im.server.Address, len(missing), k)
	}
	return nil
}

func (im *importing) keyName() string { return model.PrimaryKey(im.target.Schema).GetName() }

func (im *importing) partKeys(ctx context.Context, p export.Part) (map[model.Key]bool, error) {
	stream, err := im.manifest.ReadPart(ctx, im.export, p, im.keyName())
	if err != nil {
		return nil, err
	}
	keys := map[model.Key]bool{}
	for k, err := range source.Keys(stream, im.keyName()) {
		if err != nil {
			return nil, err
		}
		keys[k.Clone()] = true
	}
	return keys, nil
}

func countAll(ctx context.Context, target source.Ranged) (int64, error) {
	return target.Count(ctx, model.AllPartitions, model.Range{})
}
