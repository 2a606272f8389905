//go:build lab

package drill_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"net"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"migrate/deploy/lab"
	"migrate/internal/labtest"
	"migrate/internal/milvus"
	"migrate/internal/ops/bench"
	"migrate/internal/ops/drill"
)

// forwarder makes the commands that start and kill one, starts it, and returns its address.
func forwarder(t *testing.T) (string, drill.Commands) {
	t.Helper()
	address := freeAddress(t)
	pid := filepath.Join(t.TempDir(), "pid")
	c := drill.Commands{
		StopCommand:  fmt.Sprintf("kill -9 $(cat %s)", pid),
		StartCommand: fmt.Sprintf("%s=%s %s >/dev/null 2>&1 & echo $! >%s", forwardFrom, address, os.Args[0], pid),
	}
	if err := c.Start(t.Context()); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := c.Stop(context.WithoutCancel(t.Context())); err != nil {
			t.Error(err)
		}
	})
	for deadline := time.Now().Add(labtest.Patience); time.Now().Before(deadline); time.Sleep(50 * time.Millisecond) {
		if conn, err := net.Dial("tcp", address); err == nil {
			conn.Close()
			return address, c
		}
	}
	t.Fatalf("nothing listens at %s", address)
	return "", c
}

// freeAddress is one that nobody listens on, nor is given by the system to those who ask for any, while the forwarder is away.
func freeAddress(t *testing.T) string {
	t.Helper()
	for {
		address := fmt.Sprintf("127.0.0.1:%d", 20_000+rand.IntN(10_000))
		if l, err := net.Listen("tcp", address); err == nil {
			l.Close()
			return address
		}
	}
}

func plan(parts ...drill.Part) drill.Plan {
	vectors := bench.Vectors{Dim: 16}
	return drill.Plan{
		Parts: parts,
		Base: bench.Plan{
			Insertion: bench.Insertion{Vectors: vectors, Rows: 2000, Batch: 1000, Inserters: 1},
			Searches:  &bench.Searches{Vectors: vectors, Index: bench.Index{Type: "HNSW", EF: 64}, Top: 10, Threads: 2, Queries: 1},
			Keep:      true,
		},
		Inserters: 1, Batch: 10, Settle: 2 * time.Second, Away: 2 * time.Second,
	}
}

// TestForwarder takes away what all calls go through: they fail while it is away and are well again when it is back, and no
// acknowledged row is lost.
func TestForwarder(t *testing.T) {
	address, commands := forwarder(t)
	report, err := plan(commands, commands).Run(t.Context(), milvus.Config{Address: address})
	if err != nil {
		t.Fatal(err)
	}
	if len(report.Parts) != 2 {
		t.Fatalf("%d parts", len(report.Parts))
	}
	for _, p := range report.Parts {
		for kind, f := range map[string]drill.Felt{"searches": p.Searches, "inserts": p.Inserts} {
			if f.Before.Calls == 0 || f.Before.Failed > 0 {
				t.Errorf("%s before: %+v", kind, f.Before)
			}
			if f.Failed() == 0 || f.Away.Failure == "" || f.Recovery == 0 || f.Gap() < 2*time.Second {
				t.Errorf("%s felt nothing: %d failed, recovery %v, gap %v", kind, f.Failed(), f.Recovery, f.Gap())
			}
			if f.Back.Latency.Count == 0 {
				t.Errorf("%s did not come back", kind)
			}
		}
	}
	if r := report.Rows; r.Acknowledged <= 2000 || r.Lost != 0 || r.Doubled != 0 || r.Unanswered == 0 {
		t.Errorf("rows %+v", r)
	}
	if there, err := labtest.Target(t).Exists(t.Context(), report.Collection); there || err != nil {
		t.Errorf("%s is left, %v", report.Collection, err)
	}
}

// broken is a part that can't be stopped, or not be started.
type broken struct{ stop, start error }

func (broken) String() string                { return "broken" }
func (b broken) Stop(context.Context) error  { return b.stop }
func (b broken) Start(context.Context) error { return b.start }

// started notes that it was given back.
type started struct {
	drill.Part
	times int
}

func (s *started) Start(ctx context.Context) error { s.times++; return s.Part.Start(ctx) }

// TestGivenBack gives a part back in any case, tells what was felt of it, and drops the collection. Whether rows were lost is told
// wherever there is time to look.
func TestGivenBack(t *testing.T) {
	failure := errors.New("no such unit")
	for title, c := range map[string]struct {
		part   broken
		cancel bool
		want   error
	}{
		"it can't be stopped": {broken{stop: failure}, false, failure},
		"it can't be started": {broken{start: failure}, false, failure},
		"interrupted":         {broken{}, true, context.Canceled},
	} {
		t.Run(title, func(t *testing.T) {
			ctx, cancel := context.WithCancel(t.Context())
			defer cancel()
			part := &started{Part: c.part}
			p := plan(part)
			p.Step = func(what string) {
				if c.cancel && strings.HasPrefix(what, "without") {
					cancel()
				}
			}
			report, err := p.Run(ctx, milvus.Config{Address: lab.Proxy1})
			if !errors.Is(err, c.want) {
				t.Errorf("got %v, want %v", err, c.want)
			}
			if part.times != 1 {
				t.Errorf("given back %d times", part.times)
			}
			if len(report.Parts) != 1 || report.Parts[0].Searches.Before.Calls == 0 {
				t.Errorf("parts %+v", report.Parts)
			}
			if looked := report.Rows != nil && report.Rows.Acknowledged >= 2000 && report.Rows.Lost == 0; looked == c.cancel {
				t.Errorf("rows %+v", report.Rows)
			}
			if there, err := labtest.Target(t).Exists(t.Context(), report.Collection); there || err != nil {
				t.Errorf("%s is left, %v", report.Collection, err)
			}
		})
	}
}

func TestMain(m *testing.M) {
	if from := os.Getenv(forwardFrom); from != "" {
		fmt.Println(forward(from, lab.Proxy1))
		os.Exit(1)
	}
	os.Exit(m.Run())
}

// forward passes connections on, for ever.
func forward(from, to string) error {
	l, err := net.Listen("tcp", from)
	if err != nil {
		return err
	}
	for {
		client, err := l.Accept()
		if err != nil {
			return err
		}
		go func() {
			server, err := net.Dial("tcp", to)
			if err != nil {
				client.Close()
				return
			}
			go func() { io.Copy(server, client); server.Close() }()
			io.Copy(client, server)
			client.Close()
		}()
	}
}

// forwardFrom has this program be what stands before a server, and can be taken away without harm to others.
const forwardFrom = "DRILL_FORWARD_FROM"

func TestCommands(t *testing.T) {
	for title, c := range map[string]struct{ command, want string }{
		"fine":                   {"true", ""},
		"refused":                {"echo no such unit >&2; exit 5", "no such unit"},
		"leaves a server behind": {"sleep 3 &", ""},
	} {
		t.Run(title, func(t *testing.T) {
			err := drill.Commands{StopCommand: c.command}.Stop(t.Context())
			if c.want == "" && err != nil || c.want != "" && (err == nil || !strings.Contains(err.Error(), c.want)) {
				t.Errorf("got %v, want %q", err, c.want)
			}
		})
	}
}
