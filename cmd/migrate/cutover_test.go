package main

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"os/exec"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"migrate/internal/labtest"
	"migrate/internal/labtest/faulttable"
	"migrate/internal/labtest/memory"
	"migrate/internal/milvus"
	"migrate/internal/model"
	"migrate/internal/move"
	"migrate/internal/source/query"
	"migrate/internal/syncer"
)

// cutoverOf are the arguments of a cutover of what a sync keeps in step.
func cutoverOf(sync []string, more ...string) []string {
	return args("cutover", sync[1:], "--still-for", "200ms", more)
}

// folderOf is the folder that a sync has as its sink.
func folderOf(sync []string) string { return sync[len(sync)-1] }

// TestCutoverWhileSyncing refuses to switch while a sync runs, and goes on once it has ended.
func TestCutoverWhileSyncing(t *testing.T) {
	t.Parallel()
	sync := newSides(t, 500).sync
	_, end := startSync(t, sync)
	migrate(t, nil, cutoverOf(sync)...).want(t, exitFailed, "held by another process", "the source serves")
	end().want(t, exitInterrupted)
	migrate(t, nil, cutoverOf(sync)...).want(t, exitOK, "the target serves")
}

// TestCutoverKilled kills cutovers and rollbacks again and again. At any time `migrate status` says which side serves; what
// is written to that side is on both in the end, and nothing else.
func TestCutoverKilled(t *testing.T) {
	t.Parallel()
	faulttable.Tried(t, "cutover and rollback: kill -9 at a random instant", kills(t), "status says which side serves; what was written there, and nothing else, is on both in the end")
	const first = 2000
	p := newSides(t, first)
	name, from, to, sync := p.name, p.from, p.to, p.sync
	var k killer
	next, switches := first, 0
	for killed := 0; killed < kills(t); {
		serves, back := from, "--rollback=false"
		if side := servingNow(t, folderOf(sync)); side.Is(syncer.Target) {
			serves, back = to, "--rollback"
		}
		labtest.Insert(t, serves, name, "", documentRows(next, next+10))
		labtest.Delete(t, serves, name, fmt.Sprintf("id in [%d, %d]", next-first, next+5)) // one that all have, and a new one
		next += 10
		started := time.Now()
		switch {
		case switches == 0: // undisturbed, to see how long it takes
			migrate(t, nil, cutoverOf(sync, back)...).want(t, exitOK)
			k = newKiller(t, time.Since(started)*3/2) // so that some end
			switches++
		case k.run(t, cutoverOf(sync, back)):
			switches++
		default:
			killed++
		}
	}
	t.Logf("%d switches ended", switches)
	migrate(t, nil, args(sync, "--once")...).want(t, exitOK)
	p.wantEqual(t)
	for _, server := range []*milvus.Server{from, to} {
		if n, want := countRows(t, server, name), int64(first+(next-first)/10*8); n != want {
			t.Errorf("%s has %d rows, want %d", server.Address, n, want)
		}
	}
}

// killAt runs a command and kills it with -9 as soon as it says something; it reports whether that was before its end.
func killAt(t *testing.T, text string, args []string) (killed bool, r result) {
	t.Helper()
	cmd := exec.CommandContext(t.Context(), binary, args...)
	cmd.Dir = t.TempDir()
	said := &trigger{text: text, pull: func() { cmd.Process.Kill() }}
	var out bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, said
	if err := cmd.Run(); err != nil && !errors.As(err, new(*exec.ExitError)) {
		t.Fatal(err)
	}
	status := cmd.ProcessState.Sys().(syscall.WaitStatus)
	return status.Signaled(), result{cmd.ProcessState.ExitCode(), out.String(), said.said.String()}
}

// trigger is pulled when a text is written to it.
type trigger struct {
	said bytes.Buffer
	text string
	pull func()
}

func (g *trigger) Write(p []byte) (int, error) {
	g.said.Write(p)
	if strings.Contains(g.said.String(), g.text) {
		g.pull()
	}
	return len(p), nil
}

// TestCutoverKilledAtEachStep kills a cutover and a rollback as each of their steps begins: first under a writer, for which
// they come no further than to the first, and then without. Each time the side that serves has every row that was acknowledged, and status names it.
func TestCutoverKilledAtEachStep(t *testing.T) {
	t.Parallel()
	faulttable.Tried(t, "cutover and rollback: kill -9 as each step begins, under a writer and without", 1, "status says which side serves; it has every row that was acknowledged")
	const first = 2000
	p := newSides(t, first)
	name, sync := p.name, p.sync
	clients := map[syncer.Side]*milvus.Server{syncer.Source: p.from, syncer.Target: p.to}
	servers := map[syncer.Side]*memory.Server{syncer.Source: p.source, syncer.Target: p.target}
	journal := first
	for _, move := range []struct {
		from syncer.Side
		args []string
	}{{syncer.Source, cutoverOf(sync)}, {syncer.Target, cutoverOf(sync, "--rollback")}} {
		wantServing := func(when string, sides ...syncer.Side) {
			t.Helper()
			side := syncer.Side(servingNow(t, folderOf(sync)).String())
			if !slices.Contains(sides, side) {
				t.Errorf("killed at %q, the %s serves, want %v", when, side, sides)
			}
			if n := countRows(t, clients[side], name); n != int64(journal) {
				t.Errorf("killed at %q, the %s serves with %d rows; %d were acknowledged", when, side, n, journal)
			}
		}
		for _, step := range []string{"last pass", "switch"} { // to which it does not come
			stop := servers[move.from].Steadily(50*time.Millisecond, func() {
				servers[move.from].Growing(t, name, documentRows(journal, journal+5))
				journal += 5
			})
			killed, r := killAt(t, step+"\n", move.args)
			stop()
			if !killed {
				if r.code != exitFailed && r.code != exitDiffers { // written to while rows were compared
					t.Errorf("exit code %d under a writer", r.code)
				}
				r.want(t, r.code, "the "+move.from.String()+" serves")
			} else if step == "switch" {
				t.Error("it was about to switch under a writer")
			}
			wantServing(step, move.from)
		}
		for _, step := range []string{"last pass", "verify", "see that nothing is written", "switch", "certificate and alias"} {
			killed, r := killAt(t, step+"\n", move.args)
			if !killed { // as fast as the kill, or switched by the run before
				r.want(t, exitOK)
			}
			sides := []syncer.Side{move.from}
			if step == "switch" || step == "certificate and alias" {
				sides = append(sides, move.from.Other())
			}
			wantServing(step, sides...)
		}
		migrate(t, nil, move.args...).want(t, exitOK, "the "+move.from.Other().String()+" serves")
		wantServing("the end", move.from.Other())
		p.wantEqual(t)
	}
}

// servingNow is the side that serves, as `migrate status` says.
func servingNow(t *testing.T, folder string) syncer.Side {
	t.Helper()
	r := migrate(t, nil, "status", "--json", sink, folder)
	r.want(t, exitOK)
	var jobs []move.Status
	if err := json.Unmarshal([]byte(r.stdout), &jobs); err != nil {
		t.Fatal(err)
	}
	for _, j := range jobs {
		if j.Sync != nil {
			return syncer.Side(j.Sync.Serving)
		}
	}
	return syncer.Source
}

func countRows(t *testing.T, server *milvus.Server, name string) int64 {
	t.Helper()
	r, err := query.Open(t.Context(), server, labtest.Describe(t, server, name))
	if err != nil {
		t.Fatal(err)
	}
	n, err := r.Count(t.Context(), model.AllPartitions, model.Range{})
	if err != nil {
		t.Fatal(err)
	}
	return n
}
