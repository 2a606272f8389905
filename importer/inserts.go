package importer

import (
	"context"
	"errors"
	"fmt"
	"log/slog"

	"github.com/apache/arrow/go/v15/arrow"
	"github.com/milvus-io/milvus-proto/go-api/v2/schemapb"
	"golang.org/x/sync/errgroup"

	"migrate/checkpoint"
	"migrate/internal/columns"
	"migrate/internal/export"
	"migrate/internal/ingest"
	"migrate/internal/model"
	"migrate/internal/source"
)

// inserts is the way of rows: a chunk is a part, of which several calls are under way at once. How many, the server's pace decides, up to
// Options.Jobs. The next part is begun while the last calls of one are under way, so memory is that of one row group that is read, and of
// the rows of those calls and one more.
//
// Rows with given keys are upserted: what an interrupted run has written and not recorded is written again, and is as it was. Rows that
// get new keys are inserted once: each call is recorded before it is made.
type inserts struct{ *importing }

// fits refuses a target that would not take the rows, or not as they are.
func (in *inserts) fits() error {
	can, schema := in.server.Capabilities(), in.target.Schema
	if in.newKeys() && !in.opts.NewKeys {
		return fmt.Errorf("collection %q on %s: %w", in.target.Name, in.server.Address, ErrNewKeys)
	}
	if more := len(in.target.OtherPartitions()); more > 0 && !can.Partitions && !model.PartitionKey(schema) {
		return fmt.Errorf("%w: it has no partitions but the default one, and there are %d others", ErrTarget, more)
	}
	return nil
}

func (in *inserts) open(context.Context) error { return nil } // it was connected to

// planned is a chunk a part.
func (in *inserts) planned(_ context.Context, parts []export.Part) (planned []checkpoint.Planned, _ error) {
	for _, p := range parts {
		one := []export.Part{p}
		planned = append(planned, checkpoint.Planned{Spec: spec{Parts: one}, Size: tallyOf(one)})
	}
	return planned, nil
}

// left are the parts that are not finished. Where the rows get new keys, nobody can tell of a call without an answer whether it was
// heard: such rows are named, and not inserted again.
func (in *inserts) left() (left []export.Part, err error) {
	for c := range in.job.Chunks() {
		p, err := partOf(&checkpoint.Claim{Chunk: c})
		if err != nil {
			return nil, err
		}
		if len(p.Begun) > 0 && in.newKeys() {
			return nil, in.uncertain(p, p.Begun, errInterrupted)
		}
		if c.State != checkpoint.Done {
			left = append(left, p.Part)
		}
	}
	return left, nil
}

var errInterrupted = errors.New("the process that inserted them was interrupted")

func (in *inserts) uncertain(p *part, rows spans, why error) error {
	return fmt.Errorf("rows %s of part %s: %w: they were being inserted into %q with new keys: %v",
		rows, p.Object, ErrUncertain, in.target.Name, why) // of which nothing is passed on: it must not seem that it can pass
}

// begin has what owners before this one have under way be refused.
func (in *inserts) begin(ctx context.Context) error {
	if err := in.fits(); err != nil { // its properties may have been altered since this was begun
		return err
	}
	return in.fence.begin(ctx, in.importing)
}

func (in *inserts) forget(context.Context) error { return nil } // the fence has gone with the collection

// work inserts the rows of all parts that are not finished, and has the server seal them, so that they are indexed.
func (in *inserts) work(ctx context.Context, claims checkpoint.Claims) error {
	in.opts.Step("insert", in.manifest.Total.Rows)
	if err := in.tellDone(); err != nil {
		return err
	}
	g, calls := errgroup.WithContext(ctx)
	g.SetLimit(in.opts.Jobs)
	err := in.insertParts(calls, g, claims)
	if failed := g.Wait(); failed != nil {
		return failed
	}
	if err != nil {
		return err
	}
	if err := in.server.Flush(ctx, in.target.Name); err != nil {
		return fmt.Errorf("flushing %q on %s: %w", in.target.Name, in.server.Address, err)
	}
	return nil
}

// tellDone reports what an earlier run has brought.
func (in *inserts) tellDone() error {
	for c := range in.job.Chunks() {
		p, err := partOf(&checkpoint.Claim{Chunk: c})
		if err != nil {
			return err
		}
		in.opts.Progress(c.Done.Rows, p.bytesOf(c.Done.Rows))
	}
	return nil
}

// insertParts reads one part after the other, and hands on its rows.
func (in *inserts) insertParts(ctx context.Context, g *errgroup.Group, claims checkpoint.Claims) error {
	return checkpoint.Each(ctx, claims, func(claim *checkpoint.Claim) error {
		p, err := partOf(claim)
		if err != nil {
			return err
		}
		return in.insertPart(ctx, g, p)
	})
}

// insertPart has the rows of a part inserted that are not there yet.
func (in *inserts) insertPart(ctx context.Context, g *errgroup.Group, p *part) error {
	if err := p.begin(ctx); err != nil {
		return err
	}
	if err := in.takeBack(ctx, p); err != nil {
		return err
	}
	stream, err := in.manifest.ReadPart(ctx, in.export, p.Part)
	if err != nil {
		return err
	}
	begins, todo := int64(0), p.Written
	for rec, err := range source.Rows(stream) {
		if err != nil {
			return err
		}
		for _, gap := range todo.missing(span{begins, begins + rec.NumRows()}) {
			for _, some := range gap.cut(int64(ingest.AtOnce(rec))) {
				in.hand(ctx, g, p, rec, begins, some)
			}
		}
		begins += rec.NumRows()
	}
	return nil
}

// hand has some rows of a batch written, as soon as fewer calls are under way than may be.
func (in *inserts) hand(ctx context.Context, g *errgroup.Group, p *part, rec arrow.Record, begins int64, some span) {
	rec.Retain()
	g.Go(func() error {
		defer rec.Release()
		if ctx.Err() != nil {
			return context.Cause(ctx)
		}
		err := in.opts.Budget.Do(ctx, func() error { return in.write(ctx, p, rec, some.numbers(begins), some) })
		if err != nil {
			return fmt.Errorf("inserting rows %s of part %s: %w", spans{some}, p.Object, err)
		}
		in.opts.Imported(some.rows())
		in.opts.Progress(some.rows(), p.bytesOf(some.rows()))
		return nil
	})
}

func (in *inserts) write(ctx context.Context, p *part, rec arrow.Record, numbers []int, some span) error {
	switch {
	case in.newKeys():
		err := in.insertOnce(ctx, p, rec, numbers, some)
		if errors.Is(err, ingest.ErrUnanswered) {
			return in.uncertain(p, spans{some}, err)
		}
		return err
	case in.givesIDs():
		return in.insertAgain(ctx, p, rec, numbers, some)
	}
	err := in.fence.write(ctx, func(w *ingest.Writer) error { return w.Upsert(ctx, p.Partition, rec, numbers) })
	if err != nil {
		return err
	}
	return p.wrote(ctx, some)
}

// insertOnce inserts rows beside all others: the call is recorded before it is made.
func (in *inserts) insertOnce(ctx context.Context, p *part, rec arrow.Record, numbers []int, some span) error {
	if err := p.intend(ctx, some); err != nil {
		return err
	}
	err := in.fence.write(ctx, func(w *ingest.Writer) error { return w.Insert(ctx, p.Partition, rec, numbers) })
	ctx = context.WithoutCancel(ctx)
	switch {
	case errors.Is(err, ingest.ErrUnanswered):
		return err
	case err != nil:
		return errors.Join(err, p.undone(ctx, some))
	}
	return p.wrote(ctx, some)
}

// insertAgain inserts rows with keys that the target would give otherwise, to whom an upsert would give others. What a call without an
// answer may have brought is deleted before it is made again.
func (in *inserts) insertAgain(ctx context.Context, p *part, rec arrow.Record, numbers []int, some span) error {
	keys := columns.KeysOf(rec, in.keyName())
	for try := 1; ; try++ {
		err := in.insertOnce(ctx, p, rec, numbers, some)
		if !errors.Is(err, ingest.ErrUnanswered) || try == submitTries || ctx.Err() != nil {
			return err
		}
		slog.WarnContext(ctx, "an insert got no answer; its rows are deleted, and inserted again", "part", p.Object, "rows", spans{some}, "error", err)
		if err := in.deleteKeys(ctx, p, keys[numbers[0]:numbers[len(numbers)-1]+1]); err != nil {
			return err
		}
	}
}

func (in *inserts) deleteKeys(ctx context.Context, p *part, keys []model.Key) error {
	return in.fence.write(ctx, func(w *ingest.Writer) error { return w.Delete(ctx, p.Partition, keys) })
}

// takeBack deletes what an interrupted run may have inserted of a part, by its keys, so that it can be inserted.
func (in *inserts) takeBack(ctx context.Context, p *part) error {
	if len(p.Begun) == 0 {
		return nil
	}
	stream, err := in.manifest.ReadPart(ctx, in.export, p.Part, in.keyName())
	if err != nil {
		return err
	}
	begins := int64(0)
	for rec, err := range source.Rows(stream) {
		if err != nil {
			return err
		}
		keys, batch := columns.KeysOf(rec, in.keyName()), span{begins, begins + rec.NumRows()}
		for _, doubted := range p.Begun {
			if from, to := max(doubted[0], batch[0]), min(doubted[1], batch[1]); from < to {
				if err := in.deleteKeys(ctx, p, keys[from-begins:to-begins]); err != nil {
					return err
				}
			}
		}
		begins = batch[1]
	}
	return p.takenBack(ctx)
}

// newWriter writes to the target's collection by its name, and makes a call again while it can pass.
func (im *importing) newWriter(schema *schemapb.CollectionSchema) (*ingest.Writer, error) {
	layout, err := columns.NewLayout(schema)
	if err != nil {
		return nil, err
	}
	if im.newKeys() {
		key := layout.KeyName()
		layout = layout.Only(func(column string) bool { return column != key })
	}
	return &ingest.Writer{
		Rows: im.server, Collection: im.target.Name, Layout: layout, Key: im.server.Filters().KeyOf(schema), AutoIDs: im.givesIDs(),
		May: im.job.StillOwner, Again: im.server.Again,
	}, nil
}
