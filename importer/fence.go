package importer

import (
	"context"
	"errors"
	"log/slog"
	"slices"
	"sync"
	"time"

	"migrate/internal/ingest"
	"migrate/internal/milvus"
)

// fence is the alias by which this owner of the job writes. An owner that was paused, or a call of it that is held up on its way, can wake
// up when another has gone on, and a sync has written newer rows. By then its alias is gone, and the server refuses it.
//
// Where there are no aliases, or the user has no right to make them or to write by them, the collection is written to by its name: each
// call is bounded then, so that all have ended when another process may take the job for lost.
type fence struct {
	*importing

	mu     sync.Mutex
	alias  string // "" for none
	writer ingest.Writer
}

// callTime bounds a call without a fence, from when ownership was asked for: less than the time that a lease is watched before its job is
// taken over.
const callTime = 20 * time.Second

// dropTime is how long a fence may take to be dropped, and hastyTime where the context has ended.
const (
	dropTime  = 30 * time.Second
	hastyTime = time.Second
)

// begin raises the fence of an import, unless that was done.
func (f *fence) begin(ctx context.Context, im *importing) error {
	if f.importing != nil {
		return nil
	}
	writer, err := im.newWriter(im.takes)
	if err != nil {
		return err
	}
	f.importing, f.writer = im, *writer
	return f.raise(ctx, "")
}

// raise drops the fences of other owners, and makes one, unless that was done since the one that was seen missing.
func (f *fence) raise(ctx context.Context, missing string) error {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.alias != missing {
		return nil
	}
	if err := f.job.Confirm(ctx); err != nil { // one that was paused takes nobody's fence away
		return err
	}
	own := milvus.FenceOf(f.name, f.job.Job().Lease.ID)
	err := f.replace(ctx, own)
	switch {
	case errors.Is(err, milvus.ErrUnimplemented), errors.Is(err, milvus.ErrPrivilege):
		f.byName(ctx, err)
		return nil
	case err != nil:
		return err
	}
	f.alias, f.writer.Collection = own, own
	return nil
}

// replace makes a fence the only one of the job.
func (f *fence) replace(ctx context.Context, own string) error {
	there, err := f.server.Fences(ctx, f.target.Name, f.name)
	if err != nil {
		return err
	}
	others := slices.DeleteFunc(there, func(alias string) bool { return alias == own })
	if err := f.server.DropFences(ctx, others); err != nil {
		return err
	}
	return f.server.PointAlias(ctx, own, f.target.Name)
}

// byName does without a fence; f.mu is held.
func (f *fence) byName(ctx context.Context, why error) {
	slog.InfoContext(ctx, "rows are written by the collection's own name, each call within a bound, since an alias can't be used", "bound", callTime, "reason", why)
	f.writer.Collection, f.writer.Within = f.target.Name, callTime
}

// write writes behind the fence. One that is gone is made again, if the job is still this process's.
func (f *fence) write(ctx context.Context, write func(*ingest.Writer) error) error {
	for try := 1; ; try++ {
		alias, writer := f.current()
		err := write(&writer)
		switch {
		case alias == "" || try == submitTries:
			return err
		case errors.Is(err, milvus.ErrNotFound):
			if err := f.raise(ctx, alias); err != nil {
				return err
			}
		case errors.Is(err, milvus.ErrPrivilege):
			if err := f.doWithout(ctx, alias, err); err != nil {
				return err
			}
		default:
			return err
		}
	}
}

func (f *fence) current() (alias string, writer ingest.Writer) {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.alias, f.writer
}

// doWithout gives up a fence that the user may not write by: rights are granted by names.
func (f *fence) doWithout(ctx context.Context, refused string, why error) error {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.alias != refused {
		return nil
	}
	f.alias = ""
	f.byName(ctx, why)
	return f.server.DropFences(ctx, []string{refused})
}

// drop leaves no fence behind.
func (f *fence) drop(ctx context.Context) error {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.alias == "" {
		return nil
	}
	most := dropTime
	if ctx.Err() != nil {
		most = hastyTime
	}
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), most)
	defer cancel()
	return f.server.DropFences(ctx, []string{f.alias})
}
