//go:build lab && faults

package main

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/apache/arrow/go/v15/arrow/array"
	"github.com/milvus-io/milvus-proto/go-api/v2/schemapb"

	"migrate/deploy/lab"
	"migrate/internal/clock"
	"migrate/internal/columns"
	"migrate/internal/labtest"
	"migrate/internal/labtest/faulttable"
	"migrate/internal/milvus"
	"migrate/internal/model"
	"migrate/internal/source/query"
)

const soakRows = 10_000

// soakTime is how long TestSoak writes: 2 minutes beside other tests (`make test-faults`), or as SOAK says, when it has the lab for itself
// (`make soak`).
func soakTime(t *testing.T) (took time.Duration, alone bool) {
	t.Helper()
	given := os.Getenv("SOAK")
	if given == "" {
		return 2 * time.Minute, false
	}
	took, err := time.ParseDuration(given)
	if err != nil {
		t.Fatal(err)
	}
	return took, true
}

// TestSoak has pymilvus insert, upsert and delete on a standalone at a steady rate while `migrate sync` and servers are killed
// and started again: the source, and where the lab is the test's own also those of the cluster. When the writers stop, one more
// pass brings both sides in step, within two cycles, and the cluster holds what the writers' journal says was acknowledged.
func TestSoak(t *testing.T) {
	t.Parallel()
	long, alone := soakTime(t)
	from, l, part := labtest.Spare(t)
	sync, name := soaked(t, from)
	writers := startWriters(t, l, name)
	victims := []string{part}
	if alone {
		victims = append(victims, "querynode-1", "proxy-2", "datanode-1")
	}
	if long >= 10*time.Minute { // what all others need takes them half a minute
		victims = append(victims, part, "minio", "rootcoord", "etcd")
	}
	ended := time.Now().Add(long)
	restarts := make(chan []string, 1)
	go func() {
		restarts <- restartInTurn(t, l, victims, ended.Add(-long/6), long/time.Duration(len(victims)+2))
	}()
	kills := 0
	for time.Now().Before(ended) {
		kills += syncUntilKilled(t, sync, ended)
	}
	restarted := <-restarts
	journal := writers.stop(t)
	t.Logf("sync was killed %d times; restarted: %s", kills, strings.Join(restarted, ", "))
	faulttable.Tried(t, fmt.Sprintf("sync beside pymilvus writers for %v: kill -9 of it, restarts of %s", long, strings.Join(unique(restarted), ", ")), 1,
		fmt.Sprintf("%d kills, %d restarts; two cycles after the writers stop the sides are equal, and equal to the journal", kills, len(restarted)))
	await(t, func() bool { return answersQueries(t, from, name) && answersQueries(t, labtest.SecondProxy(t), name) })
	wantTwoCycles(t, sync)
	migrate(t, nil, args("verify", "--source-address", lab.SpareStandalone, toTarget, "--collection", name)...).want(t, exitOK, "equal")
	wantJournal(t, labtest.SecondProxy(t), name, journal)
}

func unique(names []string) []string { return slices.Compact(slices.Sorted(slices.Values(names))) }

// soaked is a collection of versioned rows that was moved from a standalone to the cluster, and the flags that sync it.
func soaked(t *testing.T, from *milvus.Server) (sync []string, name string) {
	t.Helper()
	version := labtest.Field("version", schemapb.DataType_Int64)
	c := labtest.Collection(labtest.Schema(labtest.IntKey("id"), version, labtest.Vector("v", schemapb.DataType_FloatVector, dim)))
	labtest.Create(t, from, c)
	rows := documentRows(0, soakRows)
	rows.Columns = slices.Insert(rows.Columns, 1, labtest.Column(version, make([]int64, soakRows)))
	labtest.Insert(t, from, c.Name, "", rows)
	labtest.DropLater(t, labtest.Target(t), c.Name)
	sync = args("sync", "--log-level", "error", "--source-address", lab.SpareStandalone, toTarget, toStaging, "--collection", c.Name, sink, t.TempDir())
	migrate(t, nil, args("run", "--once", sync[1:])...).want(t, exitOK)
	return sync, c.Name
}

// writers is the process that writes.
type writers struct {
	stop func(*testing.T) map[int64]int64 // returns the journal: the version of each key
}

func startWriters(t *testing.T, l *lab.Lab, name string) writers {
	t.Helper()
	python, err := l.Python(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	journal := filepath.Join(t.TempDir(), "journal.json")
	cmd := exec.CommandContext(t.Context(), python, "testdata/writers.py", lab.SpareStandalone, name, strconv.Itoa(soakRows), journal)
	stdin, err := cmd.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}
	var out, complaints bytes.Buffer // pymilvus complains of every call that it tries again
	cmd.Stdout, cmd.Stderr = &out, &complaints
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	return writers{func(t *testing.T) map[int64]int64 {
		t.Helper()
		stdin.Close()
		if err := cmd.Wait(); err != nil {
			t.Fatalf("the writers: %v\n%s", err, complaints.Bytes())
		}
		t.Logf("writers: %s", bytes.TrimSpace(out.Bytes()))
		text, err := os.ReadFile(journal)
		if err != nil {
			t.Fatal(err)
		}
		var versions map[int64]int64
		if err := json.Unmarshal(text, &versions); err != nil {
			t.Fatal(err)
		}
		return versions
	}}
}

// restartInTurn kills parts of the lab and starts each again, one after the other, until a time.
func restartInTurn(t *testing.T, l *lab.Lab, parts []string, until time.Time, every time.Duration) (restarted []string) {
	ctx := context.WithoutCancel(t.Context())
	for i := 0; ; i++ {
		if clock.Sleep(t.Context(), every) != nil || time.Now().After(until) {
			return restarted
		}
		part := parts[i%len(parts)]
		if err := l.Kill(ctx, part); err != nil {
			t.Errorf("killing %s: %v", part, err)
		}
		t.Logf("%s: killed %s", time.Now().Format(time.TimeOnly), part)
		if err := clock.Sleep(ctx, 2*time.Second); err != nil {
			t.Error(err)
		}
		if err := l.Start(ctx, part); err != nil {
			t.Errorf("starting %s again: %v", part, err)
		}
		restarted = append(restarted, part)
	}
}

var lagPattern = regexp.MustCompile(`(?m)^migrate_lag_seconds (\S+)`)

// syncUntilKilled runs a sync, prints its lag now and then, and kills it at a random instant; it returns 1, or 0 where the time
// was over before, or where it began while the source was away: then it ends, and is to be started again, as systemd and Docker
// do it.
func syncUntilKilled(t *testing.T, sync []string, ended time.Time) int {
	t.Helper()
	cmd := exec.CommandContext(t.Context(), binary, args(sync, "--interval", "2s", anyPort)...)
	cmd.Dir = t.TempDir()
	run, itself := start(t, cmd), make(chan result, 1)
	go func() { itself <- run.end() }()
	kill := time.Now().Add(15*time.Second + rand.N(45*time.Second))
	for time.Now().Before(kill) && time.Now().Before(ended) && len(itself) == 0 {
		if clock.Sleep(t.Context(), 5*time.Second) != nil {
			break
		}
		if lag := lagPattern.FindStringSubmatch(fetch(t, run.url()+"/metrics")); lag != nil {
			t.Logf("%s: lag %s s, peak memory %s", time.Now().Format(time.TimeOnly), lag[1], peakMemory(t, cmd.Process.Pid))
		}
	}
	if err := cmd.Process.Kill(); err != nil && !errors.Is(err, os.ErrProcessDone) {
		t.Errorf("killing the sync: %v", err)
	}
	r := <-itself
	if r.stdout == "" && r.code == exitFailed && strings.Contains(r.stderr, "connection refused") {
		return 0 // the source was away when it began
	}
	if r.code != -1 {
		t.Errorf("the sync ended by itself, with %d: %s", r.code, r.stderr)
	}
	if time.Now().Before(ended) {
		return 1
	}
	return 0
}

// peakMemory is the most that a process ever had: proc(5), VmHWM.
func peakMemory(t *testing.T, pid int) string {
	t.Helper()
	status, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", pid))
	if errors.Is(err, os.ErrNotExist) {
		return "gone"
	}
	if err != nil {
		t.Fatal(err)
	}
	_, rest, _ := strings.Cut(string(status), "VmHWM:")
	peak, _, _ := strings.Cut(rest, "\n")
	return strings.TrimSpace(peak)
}

func answersQueries(t *testing.T, server *milvus.Server, name string) bool {
	t.Helper()
	coll, err := server.Describe(t.Context(), name)
	if err != nil || !coll.Loaded {
		return false
	}
	r, err := query.Open(t.Context(), server, coll)
	if err != nil {
		return false
	}
	_, err = r.Count(t.Context(), model.AllPartitions, model.Range{})
	return err == nil
}

// wantTwoCycles brings the sides in step: one cycle applies what differs, and the second finds nothing more.
func wantTwoCycles(t *testing.T, sync []string) {
	t.Helper()
	r := migrate(t, nil, args(sync, "--once", "--json")...)
	r.want(t, exitOK)
	var last syncResult
	cycles := json.NewDecoder(strings.NewReader(r.stdout))
	n := 0
	for ; cycles.More(); n++ {
		last = syncResult{}
		if err := cycles.Decode(&last); err != nil {
			t.Fatal(err)
		}
		t.Logf("cycle: %d inserted, %d changed, %d deleted, in step %t", last.Inserted, last.Changed, last.Deleted, last.InStep)
	}
	if applied := last.Inserted + last.Changed + last.Deleted; n > 2 || applied > 0 && n == 2 {
		t.Errorf("%d cycles, of which the last still applied %d", n, applied)
	}
}

// wantJournal holds a side against what was acknowledged.
func wantJournal(t *testing.T, server *milvus.Server, name string, journal map[int64]int64) {
	t.Helper()
	r, err := query.Open(t.Context(), server, labtest.Describe(t, server, name))
	if err != nil {
		t.Fatal(err)
	}
	got := map[int64]int64{}
	stream, err := r.Read(t.Context(), model.Chunk{Partition: model.DefaultPartition})
	for rec := range labtest.Batches(t, stream, err) {
		versions := rec.Column(rec.Schema().FieldIndices("version")[0]).(*array.Int64).Int64Values()
		for i, k := range columns.KeysOf(rec, "id") {
			got[k.Int] = versions[i]
		}
	}
	wrong := 0
	for k, v := range journal {
		if have, there := got[k]; !there || have != v {
			if wrong++; wrong < 10 {
				t.Errorf("key %d: version %d (there: %t), and the journal has %d", k, have, there, v)
			}
		}
	}
	if len(got) != len(journal) || wrong > 0 {
		t.Errorf("%d rows, of which %d are not as in the journal, which has %d", len(got), wrong, len(journal))
	}
}
