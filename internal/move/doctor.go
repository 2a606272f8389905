package move

import (
	"context"
	"fmt"
	"slices"
	"time"

	"golang.org/x/sys/unix"

	"migrate/exporter"
	"migrate/internal/milvus"
	"migrate/sinks"
	"migrate/sinks/contract"
)

// Doctor tries for real what a move relies on. A server without an address and a store without a URL are not tried, and rights only on
// a collection that is named.
type Doctor struct {
	Source, Target milvus.Config
	Sink, Staging  Store
	Collection     string
	As             string // its name on the target; Collection where empty
}

// Store is where objects are: a folder, or a bucket and how to reach it.
type Store struct {
	URL string
	S3  sinks.S3Config
}

// Finding is the outcome of one thing that was tried.
type Finding struct {
	What  string `json:"what"`
	Found string `json:"found"`
	Bad   bool   `json:"bad"` // to be mended before the move
	Err   error  `json:"-"`   // of which Found is the text; nil where nothing failed
}

func fine(what, found string) Finding       { return Finding{What: what, Found: found} }
func unfit(what, found string) Finding      { return Finding{What: what, Found: found, Bad: true} }
func broken(what string, err error) Finding { return Finding{what, err.Error(), true, err} }

// Examine tries one thing after the other. What it makes it removes again.
func (d Doctor) Examine(ctx context.Context) []Finding {
	found := slices.Concat(
		tryServer(ctx, "source", d.Source, d.trySource),
		tryServer(ctx, "target", d.Target, tryImport, d.tryTarget),
		tryStore(ctx, "sink", d.Sink),
		d.trySpace(ctx),
		tryLimits(),
	)
	if d.Staging.URL == "" {
		return found
	}
	return append(found, tryStore(ctx, "staging", d.Staging)...)
}

// tryImport looks how a target takes the rows of an import.
func tryImport(ctx context.Context, conn *milvus.Server) []Finding {
	const what = "target bulk insert"
	switch can := conn.Capabilities(); {
	case can.ImportLosesStats:
		return []Finding{unfit(what, "it loses the statistics of imported segments (milvus-io/milvus#33476): upgrade it to 2.4.4 or later, or import with --via insert")}
	case can.GRPCImport:
		return []Finding{fine(what, "by the calls of Milvus 2.3")}
	case !can.RESTImport:
		return []Finding{fine(what, fmt.Sprintf("it has none that is known of version %q: import inserts the rows", conn.Version()))}
	}
	if err := conn.ImportJobs().Check(ctx); err != nil {
		return []Finding{broken(what, err)}
	}
	return []Finding{fine(what, "by jobs of the REST API, which answers")}
}

// mostSkew is a difference of clocks that leases bear.
const mostSkew = 5 * time.Second

func tryServer(ctx context.Context, side string, cfg milvus.Config, more ...func(context.Context, *milvus.Server) []Finding) []Finding {
	if cfg.Address == "" {
		return []Finding{fine(side, "not given, not tried")}
	}
	conn, err := milvus.Connect(ctx, cfg)
	if err != nil {
		return []Finding{broken(side, err)}
	}
	defer conn.Close()
	found := []Finding{fine(side, fmt.Sprintf("%s answers, Milvus %s", conn.Address, conn.Version())), tryClock(ctx, side, conn)}
	for _, try := range more {
		found = append(found, try(ctx, conn)...)
	}
	return found
}

func tryClock(ctx context.Context, side string, conn *milvus.Server) Finding {
	if !conn.Capabilities().Clock {
		return fine(side+" clock", "it has none; its reads see all that it has acknowledged")
	}
	ts, err := conn.Now(ctx)
	if err != nil {
		return broken(side+" clock", err)
	}
	skew := time.Until(milvus.Time(ts)).Round(time.Millisecond)
	return Finding{What: side + " clock", Found: fmt.Sprintf("%v away from this machine's", skew), Bad: skew.Abs() > mostSkew}
}

// leastSpace is what a folder should have left in any case.
const leastSpace = 1 << 30

// trySpace holds the space left on the sink, where it can tell, against what the collection needs.
func (d Doctor) trySpace(ctx context.Context) []Finding {
	sink, err := sinks.Open(ctx, d.Sink.URL, d.Sink.S3)
	if err != nil {
		return nil // told by tryStore
	}
	spacer, ok := sinks.As[sinks.Spacer](sink)
	if !ok {
		return nil
	}
	const what = "sink space"
	free, err := spacer.Free(ctx)
	if err != nil {
		return []Finding{broken(what, err)}
	}
	need, whose := int64(leastSpace), "any export"
	if d.Collection != "" && d.Source.Address != "" {
		plan, err := d.plan(ctx)
		if err != nil {
			return []Finding{broken(what, err)}
		}
		need, whose = plan.Bytes, d.Collection
	}
	return []Finding{{What: what, Found: fmt.Sprintf("%s left, %s for %s", size(free), size(need), whose), Bad: free < need}}
}

func (d Doctor) plan(ctx context.Context) (*exporter.Plan, error) {
	server, err := milvus.Connect(ctx, d.Source)
	if err != nil {
		return nil, err
	}
	defer server.Close()
	return exporter.PlanExport(ctx, server, d.Collection, exporter.Options{})
}

// leastFiles is how many files and connections one process needs at once, with room to spare.
const leastFiles = 256

func tryLimits() []Finding {
	const what = "open files"
	var files unix.Rlimit
	if err := unix.Getrlimit(unix.RLIMIT_NOFILE, &files); err != nil {
		return []Finding{broken(what, err)}
	}
	return []Finding{{What: what, Found: fmt.Sprintf("up to %d, of which %d are enough", files.Cur, leastFiles), Bad: files.Cur < leastFiles}}
}

// tryStore runs the contract that every sink has to keep.
func tryStore(ctx context.Context, side string, s Store) []Finding {
	sink, err := sinks.Open(ctx, s.URL, s.S3)
	if err != nil {
		return []Finding{broken(side, err)}
	}
	var unkept []Finding
	checks := slices.Concat(contract.Checks(), contract.SwapChecks())
	for _, check := range checks {
		if err := check.Run(ctx, sink); err != nil {
			unkept = append(unkept, broken(side+": "+check.Name, err))
		}
	}
	if len(unkept) > 0 {
		return unkept
	}
	return []Finding{fine(side, fmt.Sprintf("%s keeps all %d checks of the contract", sink.URL(""), len(checks)))}
}
