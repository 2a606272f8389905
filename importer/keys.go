package importer

import (
	"context"
	"fmt"
	"slices"

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

// checkOverlap compares the keys of one part with those that the target has between the part's lowest and highest; of a scattered
// one, between which all keys of the target may lie, each is looked for.
func (im *importing) checkOverlap(ctx context.Context, target source.Ranged, p export.Part) error {
	rng := model.Range{After: p.After, UpTo: p.Highest}
	n, err := target.Count(ctx, model.AllPartitions, rng)
	if n == 0 || err != nil {
		return err
	}
	if p.Scattered {
		return im.checkScattered(ctx, target, p)
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
			return im.duplicate(k)
		}
	}
	return nil
}

func (im *importing) duplicate(k model.Key) error {
	return fmt.Errorf("adding to %q on %s: %w, %s among them; nothing was imported", im.target.Name, im.server.Address, ErrDuplicates, k)
}

// checkScattered looks for the keys of a part on the target, which is to have none of them.
func (im *importing) checkScattered(ctx context.Context, target source.Ranged, p export.Part) error {
	return im.eachKeys(ctx, p, func(keys []model.Key) error {
		n, err := target.CountKeys(ctx, model.AllPartitions, keys)
		if n == 0 || err != nil {
			return err
		}
		found, err := target.Lookup(ctx, model.AllPartitions, keys, im.keyName())
		if err != nil {
			return err
		}
		there := slices.DeleteFunc(keys, func(k model.Key) bool { return slices.Contains(found.Absent, k) })
		if len(there) == 0 { // they were removed meanwhile
			return nil
		}
		return im.duplicate(slices.MinFunc(there, model.Key.Compare))
	})
}

// checkThere finds every key of a part on the target.
func (im *importing) checkThere(ctx context.Context, target source.Ranged, p export.Part) error {
	if p.Object == "" {
		return nil
	}
	if p.Scattered {
		return im.checkScatteredThere(ctx, target, p)
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
		return im.absent(p, len(missing), k)
	}
	return nil
}

func (im *importing) absent(p export.Part, n int, such model.Key) error {
	return fmt.Errorf("looking for the keys of %s in %q on %s: %d are not there, %s among them",
		p.Object, im.target.Name, im.server.Address, n, such)
}

// checkScatteredThere finds every key of a scattered part on the target.
func (im *importing) checkScatteredThere(ctx context.Context, target source.Ranged, p export.Part) error {
	return im.eachKeys(ctx, p, func(keys []model.Key) error {
		found, err := target.Lookup(ctx, model.AllPartitions, keys, im.keyName())
		if err == nil && len(found.Absent) > 0 {
			err = im.absent(p, len(found.Absent), found.Absent[0])
		}
		return err
	})
}

// countOf counts those rows of a part that the target has.
func (im *importing) countOf(ctx context.Context, target source.Ranged, p export.Part) (rows int64, err error) {
	if !p.Scattered {
		return target.Count(ctx, p.Partition, p.Range)
	}
	err = im.eachKeys(ctx, p, func(keys []model.Key) error {
		n, err := target.CountKeys(ctx, p.Partition, keys)
		rows += n
		return err
	})
	return rows, err
}

// askedKeys and askedBytes bound how many keys a server is asked for at once.
const (
	askedKeys  = 2000
	askedBytes = 4 << 20
)

// eachKeys calls back with the keys of a part, so many at a time as a server is asked for at once.
func (im *importing) eachKeys(ctx context.Context, p export.Part, call func([]model.Key) error) error {
	stream, err := im.manifest.ReadPart(ctx, im.export, p, im.keyName())
	if err != nil {
		return err
	}
	var some []model.Key
	bytes := 0
	for k, err := range source.Keys(stream, im.keyName()) {
		if err != nil {
			return err
		}
		some, bytes = append(some, k.Clone()), bytes+len(k.Text)
		if len(some) == askedKeys || bytes > askedBytes {
			if err := call(some); err != nil {
				return err
			}
			some, bytes = some[:0], 0
		}
	}
	if len(some) == 0 {
		return nil
	}
	return call(some)
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
