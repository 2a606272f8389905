package export

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"maps"
	"path"
	"slices"
	"strings"
	"sync"

	"github.com/apache/arrow/go/v15/arrow"
	"golang.org/x/sync/errgroup"

	"migrate/internal/columns"
	"migrate/internal/model"
	"migrate/internal/source"
	"migrate/sinks"
)

// ErrFolder: a folder of Parquet that others wrote can't be imported as it is.
var ErrFolder = errors.New("unfit to be imported")

// Folder is Parquet that others wrote by the rules of bulk insert, such as pymilvus' bulk writer: any number of files, in folders of any
// depth, that hold the rows of one collection.
type Folder struct {
	Sink       sinks.Sink
	Job        string            // what the import is called
	Collection *model.Collection // that the rows are to be in
	Workers    int               // files read at once; 4 where zero
	KeepKeys   bool              // the rows have to have keys, though the collection gives them
	Progress   func(rows, bytes int64)

	keptHashes int // of keys; as the constant says where zero
}

// Manifest reads every file once and describes them as a complete export, whose parts are the files where they lie. ErrFolder names the
// file and the column that don't fit, and keys that come more than once. Memory is that of a row group for each file that is read at once,
// and at most 128 MiB for hashes of keys: beyond 16 million rows the keys alone are read again for each further 16 million, about.
func (f Folder) Manifest(ctx context.Context) (*Manifest, error) {
	files, err := f.files(ctx)
	if err != nil {
		return nil, err
	}
	s := &survey{Folder: f, keys: newKeySet(f.keptHashes), found: make([]surveyed, len(files))}
	if f.keptHashes == 0 {
		s.keys.most = keptHashes
	}
	err = s.each(ctx, len(files), func(ctx context.Context, i int) (err error) {
		s.found[i], err = s.look(ctx, files[i])
		return err
	})
	if err != nil {
		return nil, err
	}
	m, err := s.manifest()
	if err != nil {
		return nil, err
	}
	return m, s.checkKeys(ctx, m)
}

// files lists the files, and says so where there are others that hold rows.
func (f Folder) files(ctx context.Context) (files []sinks.Info, err error) {
	others := map[string]bool{}
	for info, err := range f.Sink.List(ctx, "") {
		if err != nil {
			return nil, fmt.Errorf("listing %s: %w", f.Sink.URL(""), err)
		}
		base := path.Base(info.Name)
		switch ext := strings.ToLower(path.Ext(base)); {
		case strings.HasPrefix(base, ".") || strings.HasPrefix(base, "_"): // of those who write files, for themselves
		case ext == ".parquet":
			files = append(files, info)
		case slices.Contains([]string{".json", ".jsonl", ".npy", ".csv"}, ext):
			others[ext] = true
		}
	}
	if len(files) == 0 {
		return nil, fmt.Errorf("%s: %w: no file in it ends in .parquet", f.Sink.URL(""), ErrFolder)
	}
	for ext := range others {
		slog.WarnContext(ctx, "only the files that end in .parquet are read, and there are others", "folder", f.Sink.URL(""), "ending", ext)
	}
	return files, nil
}

// survey is one Manifest under way.
type survey struct {
	Folder
	keys  *keySet
	found []surveyed
}

// surveyed is what there is to know of a file.
type surveyed struct {
	Part
	columns map[string]columns.Stats
}

// each calls back for several files at once.
func (s *survey) each(ctx context.Context, files int, call func(context.Context, int) error) error {
	g, ctx := errgroup.WithContext(ctx)
	g.SetLimit(cmp.Or(s.Workers, 4))
	for i := range files {
		g.Go(func() error {
			if ctx.Err() != nil {
				return context.Cause(ctx)
			}
			return call(ctx, i)
		})
	}
	return g.Wait()
}

// look reads a file.
func (s *survey) look(ctx context.Context, file sinks.Info) (surveyed, error) {
	stream := newForeign(ctx, s.Sink, file.Name, "", s.Collection.Schema, nil)
	defer stream.Close()
	of := surveyed{Part: Part{Partition: s.partition(), Scattered: true, Object: file.Name, Foreign: &Foreign{}}}
	for {
		rec, err := stream.Next()
		if err == io.EOF {
			break
		}
		if err == nil {
			err = s.add(&of, stream.adoption.Layout(), rec)
		}
		if err != nil {
			return of, fmt.Errorf("%s: %w: %w", s.Sink.URL(file.Name), ErrFolder, err)
		}
	}
	of.Bytes, of.SHA256 = stream.bytes, stream.sha256
	of.Foreign.Rewrite = !stream.plain || stream.adoption.Altered
	of.Foreign.Keyless = stream.adoption.Layout().Key < 0
	return of, nil
}

// partition is where the rows go.
func (s *survey) partition() string {
	if model.PartitionKey(s.Collection.Schema) {
		return model.AllPartitions
	}
	return model.DefaultPartition
}

// add takes a batch.
func (s *survey) add(of *surveyed, layout *columns.Layout, rec arrow.Record) error {
	hashes, err := columns.Hash(rec)
	if err != nil {
		return err
	}
	keys := rowNumbers(of.Rows.Rows, rec.NumRows())
	if layout.Key >= 0 {
		keys = layout.Keys(rec)
		s.keys.add(keys)
		of.Widen(keys)
	}
	of.Rows.AddRows(hashes)
	of.columns = columns.AddStats(of.columns, layout.MeasureAt(rec, keys))
	if s.Progress != nil {
		s.Progress(rec.NumRows(), columns.Bytes(rec))
	}
	return nil
}

// rowNumbers stand for keys where there are none.
func rowNumbers(from, n int64) []model.Key {
	keys := make([]model.Key, n)
	for i := range keys {
		keys[i] = model.IntKey(from + int64(i))
	}
	return keys
}

// manifest describes the files that have rows.
func (s *survey) manifest() (*Manifest, error) {
	m := &Manifest{Format: Version, Job: s.Job, Source: Server{Address: s.Sink.URL("")}, Collection: Describe(s.Collection)}
	m.Collection.Aliases = nil // they are where they are
	if p := s.partition(); p != model.AllPartitions && !slices.Contains(m.Collection.Partitions, p) {
		m.Collection.Partitions = append([]string{p}, m.Collection.Partitions...)
	}
	var with, without string
	for _, of := range s.found {
		switch {
		case of.Rows.Rows == 0:
			continue
		case of.Foreign.Keyless:
			without = of.Object
		default:
			with = of.Object
		}
		m.Add(of.Part, model.Findings{}, of.columns)
	}
	key := model.PrimaryKey(s.Collection.Schema).GetName()
	switch {
	case with != "" && without != "":
		return nil, fmt.Errorf("%s: %w: %s has the key %q, and %s has not", s.Sink.URL(""), ErrFolder, with, key, without)
	case without != "" && s.KeepKeys:
		return nil, fmt.Errorf("%s: %w: column %q: there are no keys to keep", s.Sink.URL(without), ErrFolder, key)
	}
	return m, nil
}

// mostSeveral is how many hashes are looked into that several keys have, or a key that comes several times.
const mostSeveral = 10_000

// checkKeys refuses keys that come more than once: bulk insert would keep all of their rows.
func (s *survey) checkKeys(ctx context.Context, m *Manifest) error {
	several := map[uint64]bool{}
	for s.keys.next(several, mostSeveral) {
		if err := s.eachKeys(ctx, m, func(_ Part, keys []model.Key) { s.keys.add(keys) }); err != nil {
			return err
		}
	}
	if len(several) == 0 {
		return nil
	}
	found, err := s.copies(ctx, m, several)
	if err != nil || found.duplicates.Rows == 0 {
		return err
	}
	if len(several) == mostSeveral {
		found.more = " at least"
	}
	return fmt.Errorf("%s: %w: %s%s; %s", s.Sink.URL(""), ErrFolder, found.duplicates, found.more, found.where)
}

// eachKeys calls back with the keys of all files, for several at once.
func (s *survey) eachKeys(ctx context.Context, m *Manifest, call func(Part, []model.Key)) error {
	key := model.PrimaryKey(s.Collection.Schema).GetName()
	return s.each(ctx, len(m.Parts), func(ctx context.Context, i int) error {
		stream, err := m.ReadPart(ctx, s.Sink, m.Parts[i], key)
		if err != nil {
			return err
		}
		for rec, err := range source.Rows(stream) {
			if err != nil {
				return fmt.Errorf("reading the keys of %s again: %w", s.Sink.URL(m.Parts[i].Object), err)
			}
			call(m.Parts[i], columns.KeysOf(rec, key))
		}
		return nil
	})
}

// found are keys that come more than once.
type found struct {
	duplicates model.Duplicates
	more       string
	where      string // in which files one of them is
}

// copies tells keys that come more than once from those that only share a hash.
func (s *survey) copies(ctx context.Context, m *Manifest, several map[uint64]bool) (f found, err error) {
	var mu sync.Mutex
	type copies struct {
		n       int64
		objects []string // two of those that the key is in
	}
	of := map[model.Key]*copies{}
	err = s.eachKeys(ctx, m, func(p Part, keys []model.Key) {
		mu.Lock()
		defer mu.Unlock()
		for _, k := range keys {
			if !several[k.Hash()] {
				continue
			}
			if of[k] == nil {
				of[k.Clone()] = &copies{}
			}
			c := of[k]
			if c.n++; len(c.objects) < 2 && !slices.Contains(c.objects, p.Object) {
				c.objects = append(c.objects, p.Object)
			}
		}
	})
	for _, k := range slices.SortedFunc(maps.Keys(of), model.Key.Compare) {
		c := of[k]
		if c.n == 1 {
			continue
		}
		f.duplicates.Add(model.Duplicates{Keys: 1, Rows: c.n - 1, Sample: []model.Copies{{Key: k, Copies: c.n}}})
		if f.where == "" {
			slices.Sort(c.objects)
			f.where = fmt.Sprintf("%s is in %s", k, strings.Join(c.objects, " and in "))
		}
	}
	return f, err
}
