package checkpoint

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"time"

	"migrate/internal/clock"
	"migrate/sinks"
)

// found is what there is of a job. Where format 1 had its document there is a sign now, which old programs refuse; a document
// of format 1 that is there nevertheless was begun by one after the job was removed, and is the newer one.
type found struct {
	job     *Job    // nil where there is none
	old     *oldJob // what job is told from, where that is of format 1 still
	version Version // of the document of this format
	sign    Version // of what is where format 1 had it
	bare    bool    // that is the sign, and holds nothing more
	stray   bool    // there is no sign: the job's folder was removed, and the job with it
}

// find looks for a job: sinks.ErrNotExist where there is none, and ErrDamaged where it can't be read. What was found is told in any case.
func find(ctx context.Context, store Store, name string) (f found, err error) {
	text, sign, signErr := store.Get(ctx, oldObject(name))
	if signErr != nil && !missing(signErr) {
		return f, fmt.Errorf("reading the checkpoint %s: %w", name, signErr)
	}
	f.sign, f.stray = sign, missing(signErr)
	document, version, err := store.Get(ctx, Object(name))
	if err != nil && !missing(err) {
		return f, fmt.Errorf("reading the checkpoint %s: %w", name, err)
	}
	f.version = version
	if signErr == nil {
		f.bare = string(text) == bareSign
		f.old, signErr = parseSign(text)
	}
	err = f.choose(document, signErr)
	if err != nil {
		return f, fmt.Errorf("%s: %w", name, err)
	}
	return f, nil
}

// choose decides which document is the job's.
func (f *found) choose(document []byte, signErr error) (err error) {
	switch {
	case errors.Is(signErr, ErrVersion):
		return signErr
	case f.old != nil && f.old.counts(document):
		f.job = f.old.job()
		if before, err := parseJob(document); err == nil { // whose epochs must not come again
			f.job.Lease.Epoch = max(f.job.Lease.Epoch, before.Lease.Epoch)
		}
	case document != nil:
		f.old = nil
		f.job, err = parseJob(document)
	case signErr != nil:
		err = signErr
	default:
		err = sinks.ErrNotExist
	}
	return err
}

// counts reports whether a document of format 1 is the job's, and not the one of this format that is there: that is of a job that was
// removed, unless this one has become it.
func (j *oldJob) counts(document []byte) bool {
	if !j.fenced || document == nil {
		return true
	}
	there, err := parseJob(document)
	return err == nil && there.Lease.Epoch <= j.fence
}

// free finds a job that nobody holds. One that seems to be held is watched for as long as a lease: ErrHeld where it is renewed
// meanwhile, or where its owner lives on this machine, by whose clock it still holds.
func free(ctx context.Context, store Store, name string) (found, error) {
	f, err := find(ctx, store, name)
	if err != nil || !f.job.held() {
		return f, err
	}
	if kernel.near(f.job.Lease.Owner) && clock.Now(ctx).Before(f.job.Lease.Expires) {
		return f, heldError(f.job)
	}
	slog.InfoContext(ctx, "seeing whether the job's owner still renews its lease", "job", f.job.Name, "owner", f.job.Lease.Owner.String(), "for", leaseTime)
	for seen := time.Now(); time.Since(seen) < leaseTime; {
		if err := clock.Sleep(ctx, watchEvery); err != nil {
			return f, err
		}
		now, err := find(ctx, store, name)
		if err != nil || !now.job.held() {
			return now, err
		}
		if now.version != f.version || now.sign != f.sign {
			return now, heldError(now.job)
		}
	}
	return f, nil
}

func heldError(j *Job) error {
	return fmt.Errorf("%s %q: %w: %s, which renews its lease", j.Kind, j.Name, ErrHeld, j.Lease.Owner)
}

// Read reads a job's document: where a job of the same name was done before, and this one was refused before it did anything, that
// of the one before. sinks.ErrNotExist where there is none.
func Read(ctx context.Context, sink sinks.Sink, name string) (*Job, error) {
	store, err := On(sink)
	if err != nil {
		return nil, err
	}
	f, err := find(ctx, store, name)
	if err != nil {
		return nil, err
	}
	if f.stray && !f.job.held() {
		return nil, fmt.Errorf("reading the checkpoint %s: %w", name, sinks.ErrNotExist)
	}
	return f.job.standing(), nil
}

// ReadChunks reads the chunks of a job, and how far each is: none where it is done, or was not planned yet.
func ReadChunks(ctx context.Context, sink sinks.Sink, name string) ([]Chunk, error) {
	store, err := On(sink)
	if err != nil {
		return nil, err
	}
	f, err := find(ctx, store, name)
	switch {
	case err != nil:
		return nil, err
	case f.old != nil:
		return f.old.chunks(), nil
	case f.job.Plan == Plan{} || f.job.State == Done:
		return nil, nil
	}
	return readPlan(ctx, store, name, f.job.Plan)
}

// ImportOf is what the import of an export into a collection of a database is called on a store, be it there or still to begin. One that was begun under
// the plain name keeps it; one that can't be read is taken for this one, so that somebody looks at it.
func ImportOf(ctx context.Context, sink sinks.Sink, job, database, collection string) (string, error) {
	plain, within := ImportNames(job, database, collection)
	was, err := Read(ctx, sink, plain)
	switch {
	case err == nil:
		if cmp.Or(was.Param("database"), defaultDatabase) == cmp.Or(database, defaultDatabase) {
			return plain, nil
		}
		return within, nil
	case errors.Is(err, ErrDamaged), errors.Is(err, ErrVersion):
		return plain, nil
	case !errors.Is(err, sinks.ErrNotExist):
		return "", err
	case cmp.Or(database, defaultDatabase) != defaultDatabase:
		return within, nil
	}
	if _, err = Read(ctx, sink, within); errors.Is(err, sinks.ErrNotExist) { // and not begun while another import had the plain one
		return plain, nil
	}
	return within, nil
}

// ReadImport reads the import of an export into a collection of a database: sinks.ErrNotExist where there is none.
func ReadImport(ctx context.Context, sink sinks.Sink, job, database, collection string) (*Job, error) {
	name, err := ImportOf(ctx, sink, job, database, collection)
	if err != nil {
		return nil, err
	}
	return Read(ctx, sink, name)
}
