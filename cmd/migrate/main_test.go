package main

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/milvus-io/milvus-proto/go-api/v2/commonpb"
	"github.com/milvus-io/milvus-proto/go-api/v2/milvuspb"
	"github.com/milvus-io/milvus-proto/go-api/v2/schemapb"
	"google.golang.org/protobuf/proto"

	"migrate/deploy/lab"
	"migrate/internal/labtest"
	"migrate/internal/milvus"
	"migrate/internal/model"
)

// binary is the real program, built once.
var binary string

func TestMain(m *testing.M) {
	os.Exit(func() int {
		dir, err := os.MkdirTemp("", "migrate")
		if err != nil {
			panic(err)
		}
		defer os.RemoveAll(dir)
		binary = filepath.Join(dir, "migrate")
		if out, err := exec.Command("go", "build", "-o", binary, ".").CombinedOutput(); err != nil {
			fmt.Fprintf(os.Stderr, "building migrate: %v\n%s", err, out)
			return 1
		}
		return m.Run()
	}())
}

// result is what a run printed, and how it ended.
type result struct {
	code           int
	stdout, stderr string
}

// migrate runs the program with nothing in its environment but env.
func migrate(t *testing.T, env []string, args ...string) result {
	t.Helper()
	cmd := exec.CommandContext(t.Context(), binary, args...)
	cmd.Dir, cmd.Env = t.TempDir(), append([]string{"PATH=" + os.Getenv("PATH"), "HOME=" + t.TempDir()}, env...)
	return begin(t, cmd)()
}

// begin starts a command, and returns what waits for its end.
func begin(t *testing.T, cmd *exec.Cmd) (end func() result) {
	t.Helper()
	var stdout, stderr bytes.Buffer
	cmd.Stdout, cmd.Stderr = &stdout, &stderr
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	return func() result {
		t.Helper()
		err := cmd.Wait()
		var exit *exec.ExitError
		if err != nil && !errors.As(err, &exit) {
			t.Fatal(err)
		}
		return result{cmd.ProcessState.ExitCode(), stdout.String(), stderr.String()}
	}
}

func (r result) want(t *testing.T, code int, texts ...string) {
	t.Helper()
	if r.code != code {
		t.Errorf("exit code %d, want %d", r.code, code)
	}
	for _, text := range texts {
		if !strings.Contains(r.stdout+r.stderr, text) {
			t.Errorf("output lacks %q", text)
		}
	}
	if t.Failed() {
		t.Logf("stdout:\n%s\nstderr:\n%s", r.stdout, r.stderr)
	}
}

const (
	dim  = 8
	sink = "--sink-url"
)

// toSource, toTarget, toMinIO and toStaging are flags that name the lab's servers.
var (
	toSource  = []string{"--source-address", lab.Standalone}
	toTarget  = []string{"--target-address", lab.Proxy1}
	toMinIO   = []string{"--sink-endpoint", lab.MinIO, "--sink-access-key", lab.MinIOUser, "--sink-secret-key", lab.MinIOPassword}
	toStaging = []string{
		"--staging-url", "s3://" + lab.ClusterBucket + "/cli-test",
		"--staging-endpoint", lab.MinIO, "--staging-access-key", lab.MinIOUser, "--staging-secret-key", lab.MinIOPassword,
	}
)

func args(parts ...any) []string {
	var all []string
	for _, p := range parts {
		switch p := p.(type) {
		case string:
			all = append(all, p)
		case []string:
			all = append(all, p...)
		}
	}
	return all
}

// documents makes a small collection on a server.
func documents(t *testing.T, server *milvus.Server, rows int) string {
	t.Helper()
	c := labtest.Collection(labtest.Schema(labtest.IntKey("id"), labtest.Vector("v", schemapb.DataType_FloatVector, dim)))
	labtest.Create(t, server, c)
	if rows > 0 {
		labtest.Insert(t, server, c.Name, "", documentRows(0, rows))
	}
	return c.Name
}

func documentRows(from, to int) labtest.Rows {
	n := to - from
	return labtest.Rows{N: n, Columns: []*schemapb.FieldData{
		labtest.Column(labtest.IntKey("id"), labtest.Each(n, func(i int) int64 { return int64(from + i) })),
		labtest.Vectors("v", dim, n, uint64(from)),
	}}
}

// TestMove is the way that the README shows, with the real program.
func TestMove(t *testing.T) {
	name := documents(t, labtest.Source(t), 3000)
	labtest.DropLater(t, labtest.Target(t), name)
	folder := t.TempDir()
	of := args("--collection", name, sink, folder)

	migrate(t, nil, args("plan", toSource, toTarget, "--collection", name)...).want(t, exitOK, "3,000 rows", "import creates them")
	r := migrate(t, nil, args("export", "--json", toSource, of)...)
	r.want(t, exitOK)
	var exported exportResult
	if err := json.Unmarshal([]byte(r.stdout), &exported); err != nil || exported.Content.Rows != 3000 || exported.PeakMemory == 0 {
		t.Errorf("export --json: %v, %+v", err, exported)
	}
	migrate(t, nil, args("export", toSource, of)...).want(t, exitFailed, "complete already", "--overwrite")
	migrate(t, nil, args("import", toTarget, toStaging, of)...).want(t, exitOK, "imported 3,000 rows")
	migrate(t, nil, args("import", toTarget, toStaging, of)...).want(t, exitFailed, "imported already", "migrate verify")
	migrate(t, nil, args("verify", toSource, "--target-address", lab.Proxy2, "--collection", name)...).want(t, exitOK, "equal: 3,000 rows")
	migrate(t, nil, args("verify", "--from", "export", toTarget, of)...).want(t, exitOK, "equal: 3,000 rows")

	labtest.Delete(t, labtest.Target(t), name, "id in [7]")
	migrate(t, nil, args("verify", toSource, toTarget, "--collection", name)...).want(t, exitDiffers, "missing on the target: keys 7")
}

// TestBadInput gets a clear error for each mistake, and leaves nothing behind.
func TestBadInput(t *testing.T) {
	source := labtest.Source(t)
	name := documents(t, source, 10)
	unloaded := documents(t, source, 10)
	if err := source.Release(t.Context(), unloaded); err != nil {
		t.Fatal(err)
	}
	half := labtest.Collection(labtest.Schema(labtest.IntKey("id"), labtest.Vector("half", schemapb.DataType_Float16Vector, dim)))
	createRaw(t, source, half)
	reserved := labtest.Collection(labtest.Schema(labtest.IntKey("in"), labtest.Vector("v", schemapb.DataType_FloatVector, dim)))
	labtest.Create(t, source, reserved)

	for title, c := range map[string]struct {
		args []string
		code int
		want []string
	}{
		"no such collection":    {args("export", toSource, "--collection", "nobody"), exitFailed, []string{`"nobody"`, "not found"}},
		"nobody listens":        {args("export", "--source-address", "127.0.0.1:9", "--collection", name), exitFailed, []string{"127.0.0.1:9", "refused", "check the address"}},
		"no such bucket":        {args("export", toSource, toMinIO, "--collection", name, sink, "s3://no-such-bucket/x"), exitFailed, []string{"no-such-bucket", "bucket does not exist"}},
		"wrong secret key":      {args("export", toSource, toMinIO, "--collection", name, sink, "s3://exports/x", "--sink-secret-key", "s3cr3t-wrong"), exitFailed, []string{"access denied"}},
		"not loaded":            {args("export", toSource, "--collection", unloaded), exitFailed, []string{"not loaded", "--load"}},
		"type not carried":      {args("export", toSource, "--collection", half.Name), exitFailed, []string{"half (Float16Vector)"}},
		"type, planned":         {args("plan", toSource, "--collection", half.Name), exitFailed, []string{"half (Float16Vector)"}},
		"key of no filter":      {args("export", toSource, "--collection", reserved.Name), exitFailed, []string{`key field "in" is a reserved word`, "another name"}},
		"key, planned":          {args("plan", toSource, "--collection", reserved.Name), exitFailed, []string{`key field "in" is a reserved word`}},
		"no export":             {args("import", toTarget, toStaging, "--collection", "nobody"), exitFailed, []string{"no complete export"}},
		"staging in a folder":   {args("import", toTarget, "--staging-url", "/tmp", "--collection", "nobody"), exitFailed, []string{"no complete export"}},
		"unknown flag":          {args("export", "--colection", name), exitUsage, []string{"--colection", "--help"}},
		"unknown command":       {args("exprot"), exitUsage, []string{"exprot"}},
		"no source":             {args("export", "--collection", name), exitUsage, []string{"--source-address", "MIGRATE_SOURCE_ADDRESS"}},
		"no collection":         {args("export", toSource), exitUsage, []string{"--collection"}},
		"part size of nonsense": {args("export", toSource, "--collection", name, "--part-size", "huge"), exitUsage, []string{"part-size"}},
		"left side of nonsense": {args("verify", toSource, toTarget, "--collection", name, "--from", "nowhere"), exitUsage, []string{"nowhere"}},
		"no sink's URL":         {args("export", toSource, "--collection", name, sink, "ftp://x"), exitUsage, []string{"ftp", "file:// or s3://"}},
		"a job in a folder":     {args("export", toSource, "--collection", name, "--job", "2026/november"), exitUsage, []string{"2026/november", "no slash"}},
		"arguments":             {args("export", "rag"), exitUsage, []string{"unexpected argument"}},
	} {
		t.Run(title, func(t *testing.T) {
			t.Parallel()
			r := migrate(t, nil, c.args...)
			r.want(t, c.code, c.want...)
			if strings.Contains(r.stderr, "s3cr3t") || strings.Contains(r.stderr, lab.MinIOPassword+"\"") {
				t.Errorf("a secret was printed: %s", r.stderr)
			}
		})
	}
	for command, said := range map[string]string{"export": "exported 10 rows", "verify": "equal"} {
		t.Run("loaded for "+command, func(t *testing.T) {
			onItself := args(command, toSource, "--collection", unloaded, "--load", sink, t.TempDir())
			migrate(t, []string{"MIGRATE_TARGET_ADDRESS=" + lab.Standalone}, onItself...).want(t, exitOK, said)
			if labtest.Describe(t, source, unloaded).Loaded {
				t.Error("the collection stays loaded")
			}
		})
	}
	t.Run("partly loaded", func(t *testing.T) { refusesPartly(t, source, unloaded) })
}

// TestResultIsLost fails where the result of a command can't be written.
func TestResultIsLost(t *testing.T) {
	t.Parallel()
	full, err := os.OpenFile("/dev/full", os.O_WRONLY, 0)
	if err != nil {
		t.Fatal(err)
	}
	defer full.Close()
	for _, json := range []string{"--json=false", "--json"} {
		cmd := exec.CommandContext(t.Context(), binary, "status", json, sink, t.TempDir())
		cmd.Stdout = full
		var said bytes.Buffer
		cmd.Stderr = &said
		if err := cmd.Run(); cmd.ProcessState.ExitCode() != exitFailed || !strings.Contains(said.String(), "no space left") {
			t.Errorf("%s: %v: %s", json, err, said.String())
		}
	}
}

// refusesPartly leaves a partition loaded that others have loaded.
func refusesPartly(t *testing.T, server *milvus.Server, name string) {
	described := labtest.Describe(t, server, name)
	described.Partitions = append(described.Partitions, "other")
	if err := server.CreatePartitions(t.Context(), described); err != nil {
		t.Fatal(err)
	}
	protocol := labtest.Protocol(t, server)
	if _, err := protocol.LoadPartitions(t.Context(), &milvuspb.LoadPartitionsRequest{CollectionName: name, PartitionNames: []string{"other"}, ReplicaNumber: 1}); err != nil {
		t.Fatal(err)
	}
	asked := &milvuspb.GetLoadStateRequest{CollectionName: name, PartitionNames: []string{"other"}}
	loaded := func() bool {
		state, err := protocol.GetLoadState(t.Context(), asked)
		return err == nil && state.GetState() == commonpb.LoadState_LoadStateLoaded
	}
	for deadline := time.Now().Add(time.Minute); !loaded() && time.Now().Before(deadline); {
		time.Sleep(100 * time.Millisecond)
	}
	migrate(t, nil, args("export", toSource, "--collection", name, "--load")...).want(t, exitFailed, "only some of its partitions are loaded", "load the others")
	if !loaded() {
		t.Error("the partition that was loaded is not any more")
	}
}

// createRaw makes a collection that migrate itself would refuse to make.
func createRaw(t *testing.T, server *milvus.Server, c *model.Collection) {
	t.Helper()
	labtest.DropLater(t, server, c.Name)
	named := model.CloneSchema(c.Schema)
	named.Name = c.Name
	schema, err := proto.Marshal(named)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := labtest.Protocol(t, server).CreateCollection(t.Context(), &milvuspb.CreateCollectionRequest{CollectionName: c.Name, Schema: schema}); err != nil {
		t.Fatal(err)
	}
}

// TestConfiguration takes flags before the environment, and that before the file, and refuses what it does not know.
func TestConfiguration(t *testing.T) {
	dir := t.TempDir()
	file := func(text string) string {
		name := filepath.Join(dir, fmt.Sprint(time.Now().UnixNano())+".yaml")
		if err := os.WriteFile(name, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		return name
	}
	three := file("source:\n  address: file:1\ncollection: c\n")
	for title, c := range map[string]struct {
		env  []string
		args []string
		want string
	}{
		"file":              {nil, args("export", "--config", three), "file:1"},
		"file by variable":  {[]string{"MIGRATE_CONFIG=" + three}, args("export"), "file:1"},
		"environment":       {[]string{"MIGRATE_SOURCE_ADDRESS=env:2"}, args("export", "--config", three), "env:2"},
		"flag":              {[]string{"MIGRATE_SOURCE_ADDRESS=env:2"}, args("export", "--config", three, "--source-address", "flag:3"), "flag:3"},
		"unknown key":       {nil, args("export", "--config", file("source:\n  adress: x\n")), "adress"},
		"unknown section":   {nil, args("export", "--config", file("sauce:\n  x: 1\n")), "sauce"},
		"unknown variable":  {[]string{"MIGRATE_SOURCE_ADRESS=x"}, args("export"), "MIGRATE_SOURCE_ADRESS"},
		"absent file":       {nil, args("export", "--config", filepath.Join(dir, "none.yaml")), "none.yaml"},
		"file of no YAML":   {nil, args("export", "--config", file("\tx")), "configuration file"},
		"unknown log level": {nil, args("export", "--log-level", "loud"), "loud"},
	} {
		t.Run(title, func(t *testing.T) {
			t.Parallel()
			if r := migrate(t, c.env, c.args...); r.code == exitOK || !strings.Contains(r.stderr, c.want) {
				t.Errorf("exit code %d, output lacks %q:\n%s", r.code, c.want, r.stderr)
			}
		})
	}
}

// TestLogFormat says all in JSON where the log is for machines, the reason of the end included.
func TestLogFormat(t *testing.T) {
	r := migrate(t, nil, "sync", "--log-format", "json", "--collection", "c")
	r.want(t, exitUsage)
	var line struct {
		Level, Error string
		Code         int `json:"exit code"`
	}
	if err := json.Unmarshal([]byte(r.stderr), &line); err != nil || line.Code != exitUsage || !strings.Contains(line.Error, "source.address") {
		t.Errorf("%v: %+v", err, line)
	}
	migrate(t, nil, "sync", "--log-format", "xml").want(t, exitUsage, "text or json")
}

// TestInterrupted stops soon after a signal, says so, and leaves no part behind.
func TestInterrupted(t *testing.T) {
	name := documents(t, labtest.Source(t), 60_000)
	folder := t.TempDir()
	cmd := exec.CommandContext(t.Context(), binary, args("export", toSource, "--collection", name, sink, folder, "--workers", "1")...)
	cmd.Dir = t.TempDir()
	parts := filepath.Join(folder, name, "*", "*")
	end := begin(t, cmd)
	await(t, file(parts))
	signalled := time.Now()
	if err := cmd.Process.Signal(syscall.SIGTERM); err != nil {
		t.Fatal(err)
	}
	r := end()
	if took := time.Since(signalled); took > 5*time.Second {
		t.Errorf("took %v to stop", took)
	}
	r.want(t, exitInterrupted, "interrupted")
	if left, _ := filepath.Glob(parts); len(left) > 0 {
		t.Errorf("left behind: %v", left)
	}
}

// await waits until something has happened.
func await(t *testing.T, happened func() bool) {
	t.Helper()
	tick := time.NewTicker(time.Millisecond)
	defer tick.Stop()
	for deadline := time.Now().Add(60 * time.Second); time.Now().Before(deadline); <-tick.C {
		if happened() {
			return
		}
	}
	t.Error("it did not happen in time")
}

// file reports whether a file matches.
func file(pattern string) func() bool {
	return func() bool {
		found, _ := filepath.Glob(pattern)
		return len(found) > 0
	}
}

// TestSecureServers logs in over TLS to both kinds of server, and is refused clearly where it may not.
func TestSecureServers(t *testing.T) {
	server, ca := labtest.Secure(t)
	name := documents(t, server, 500)
	target := args("--source-address", lab.SecureStandalone, "--collection", name)
	tls := args(target, "--source-tls", "--source-ca-file", ca)
	login := args("--source-username", lab.SecureUser)
	password := []string{"MIGRATE_SOURCE_PASSWORD=" + lab.SecurePassword, "MIGRATE_SINK_SECRET_KEY=" + lab.MinIOPassword}
	store := args(sink, "s3://"+lab.ExportBucket+"/"+name, "--sink-endpoint", lab.SecureMinIO, "--sink-access-key", lab.MinIOUser)
	t.Run("password and TLS", func(t *testing.T) {
		r := migrate(t, password, args("export", tls, login, store, "--sink-tls", "--sink-ca-file", ca, "--log-level", "debug")...)
		r.want(t, exitOK, "exported 500 rows")
		if strings.Contains(r.stderr+r.stdout, lab.SecurePassword+":") {
			t.Error("the password was printed")
		}
	})
	for title, c := range map[string]struct {
		env  []string
		args []string
		want string
	}{
		"token":                {[]string{"MIGRATE_SOURCE_TOKEN=root:Milvus"}, args("plan", tls), "500 rows"},
		"wrong password":       {[]string{"MIGRATE_SOURCE_PASSWORD=hunter2"}, args("plan", tls, login), "next: check user, password or token"},
		"no login":             {nil, args("plan", tls), "next: check user, password or token"},
		"wrong token":          {[]string{"MIGRATE_SOURCE_TOKEN=root:hunter2"}, args("plan", tls), "next: check user, password or token"},
		"unknown authority":    {password, args("plan", target, login, "--source-tls"), "certificate"},
		"no TLS":               {password, args("plan", target, login), "check the address"},
		"store without TLS":    {password, args("export", tls, login, store), "HTTP"},
		"store, no authority":  {password, args("export", tls, login, store, "--sink-tls"), "certificate"},
		"store, no CA to read": {password, args("export", tls, login, store, "--sink-tls", "--sink-ca-file", "nowhere.pem"), "nowhere.pem"},
	} {
		t.Run(title, func(t *testing.T) {
			r := migrate(t, c.env, c.args...)
			if !strings.Contains(r.stdout+r.stderr, c.want) {
				t.Errorf("output lacks %q: %s%s", c.want, r.stdout, r.stderr)
			}
			if strings.Contains(r.stdout+r.stderr, "hunter2") {
				t.Errorf("a secret was printed: %s", r.stderr)
			}
		})
	}
}

func TestVersion(t *testing.T) {
	r := migrate(t, nil, "--version")
	r.want(t, 0)
	if !strings.HasPrefix(r.stdout, "migrate version ") {
		t.Errorf("it printed %q", r.stdout)
	}
}
