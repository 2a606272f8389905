package main

import (
	"context"
	"fmt"
	"io"
	"slices"
	"time"

	"github.com/spf13/cobra"
	"golang.org/x/sys/unix"

	"migrate/exporter"
	"migrate/internal/milvus"
	"migrate/sinks"
	"migrate/sinks/contract"
)

func newDoctor() *cobra.Command {
	return command("doctor", "Try source, target and stores for real, before a move",
		`Logs in to the servers that are given, compares their clocks with this machine's, and runs the contract that migrate relies
on against the sink and the staging store: it writes, reads, lists and deletes about 190 MiB under a name of its own. Looks
at the space left in a folder, for the collection if one is given, and at this process' limits. Tries the rights that a move
of that collection needs: on the source it reads and flushes it, and on the target, if the name is free there, it makes a
collection of one row and removes it. Says what to mend, and fails if anything has to be.`,
		`  migrate doctor --source-address standalone:19530 --target-address cluster:19530 \
      --sink-url s3://exports/milvus --sink-endpoint minio:9000 --staging-url s3://a-bucket/staging`,
		slices.Concat(sourceSettings, targetSettings, sinkSettings, stagingSettings, []setting{collection, asSetting}),
		runDoctor)
}

// finding is the outcome of one thing that doctor tried.
type finding struct {
	What  string `json:"what"`
	Found string `json:"found"`
	Bad   bool   `json:"bad"`
}

func runDoctor(cmd *cobra.Command, c config) error {
	ctx := cmd.Context()
	found := slices.Concat(
		tryServer(ctx, "source", c.Source.milvus(), c.trySource),
		tryServer(ctx, "target", c.Target.milvus(), tryImport, c.tryTarget),
		tryStore(ctx, "sink", c.Sink),
		trySpace(ctx, c),
		tryLimits(),
	)
	if s := c.stagingStore(); s.Endpoint != "" {
		found = append(found, tryStore(ctx, "staging", s)...)
	}
	if err := ctx.Err(); err != nil {
		return err
	}
	err := c.print(cmd.OutOrStdout(), found, func(w io.Writer) {
		for _, f := range found {
			fmt.Fprintf(w, "%-5s %s: %s\n", map[bool]string{true: "MEND", false: "ok"}[f.Bad], f.What, f.Found)
		}
	})
	if err == nil && slices.ContainsFunc(found, func(f finding) bool { return f.Bad }) {
		return errUnfit
	}
	return err
}

var errUnfit = fmt.Errorf("not everything is fit for a move; see above")

// tryImport looks whether a target takes bulk inserts.
func tryImport(ctx context.Context, conn *milvus.Server) []finding {
	found := func(text string, bad bool) []finding { return []finding{{"target bulk insert", text, bad}} }
	switch can := conn.Capabilities(); {
	case can.ImportLosesStats:
		return found("it loses the statistics of imported segments (milvus-io/milvus#33476): upgrade it to 2.4.4 or later", true)
	case can.GRPCImport:
		return found("by the calls of Milvus 2.3", false)
	case !can.RESTImport:
		return found(fmt.Sprintf("nothing is known of version %q", conn.Version()), true)
	}
	if err := conn.ImportJobs().Check(ctx); err != nil {
		return found(explain(err), true)
	}
	return found("by jobs of the REST API, which answers", false)
}

// mostSkew is a difference of clocks that leases bear.
const mostSkew = 5 * time.Second

func tryServer(ctx context.Context, side string, cfg milvus.Config, more ...func(context.Context, *milvus.Server) []finding) []finding {
	if cfg.Address == "" {
		return []finding{{side, "not given, not tried", false}}
	}
	conn, err := milvus.Connect(ctx, cfg)
	if err != nil {
		return []finding{{side, explain(err), true}}
	}
	defer conn.Close()
	found := []finding{{side, fmt.Sprintf("%s answers, Milvus %s", cfg.Address, conn.Version()), false}, tryClock(ctx, side, conn)}
	for _, try := range more {
		found = append(found, try(ctx, conn)...)
	}
	return found
}

func tryClock(ctx context.Context, side string, conn *milvus.Server) finding {
	ts, err := conn.Now(ctx)
	if err != nil {
		return finding{side + " clock", err.Error(), true}
	}
	skew := time.Until(milvus.Time(ts)).Round(time.Millisecond)
	return finding{side + " clock", fmt.Sprintf("%v away from this machine's", skew), skew.Abs() > mostSkew}
}

// leastSpace is what a folder should have left in any case.
const leastSpace = 1 << 30

// trySpace holds the space left on the sink, where it can tell, against what the collection needs.
func trySpace(ctx context.Context, c config) []finding {
	sink, err := openSink(ctx, c)
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
		return []finding{{what, err.Error(), true}}
	}
	need, whose := int64(leastSpace), "any export"
	if c.Collection != "" && c.Source.Address != "" {
		plan, err := planned(ctx, c)
		if err != nil {
			return []finding{{what, explain(err), true}}
		}
		need, whose = plan.Bytes, c.Collection
	}
	return []finding{{what, fmt.Sprintf("%s left, %s for %s", size(free), size(need), whose), free < need}}
}

func planned(ctx context.Context, c config) (*exporter.Plan, error) {
	server, err := connectSource(ctx, c)
	if err != nil {
		return nil, err
	}
	defer server.Close()
	return exporter.PlanExport(ctx, server, c.Collection, exporter.Options{})
}

// leastFiles is how many files and connections one process needs at once, with room to spare.
const leastFiles = 256

func tryLimits() []finding {
	var files unix.Rlimit
	if err := unix.Getrlimit(unix.RLIMIT_NOFILE, &files); err != nil {
		return []finding{{"open files", err.Error(), true}}
	}
	return []finding{{"open files", fmt.Sprintf("up to %d, of which %d are enough", files.Cur, leastFiles), files.Cur < leastFiles}}
}

// tryStore runs the contract that every sink has to keep.
func tryStore(ctx context.Context, side string, s store) []finding {
	sink, err := sinks.Open(ctx, s.URL, s.s3())
	if err != nil {
		return []finding{{side, explain(err), true}}
	}
	var broken []finding
	checks := slices.Concat(contract.Checks(), contract.SwapChecks())
	for _, check := range checks {
		if err := check.Run(ctx, sink); err != nil {
			broken = append(broken, finding{side + ": " + check.Name, explain(err), true})
		}
	}
	if len(broken) > 0 {
		return broken
	}
	return []finding{{side, fmt.Sprintf("%s keeps all %d checks of the contract", sink.URL(""), len(checks)), false}}
}
