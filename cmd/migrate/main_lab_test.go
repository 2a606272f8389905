//go:build lab

package main

import (
	"encoding/json"
	"strings"
	"testing"

	"github.com/milvus-io/milvus-proto/go-api/v2/commonpb"
	"github.com/milvus-io/milvus-proto/go-api/v2/milvuspb"
	"github.com/milvus-io/milvus-proto/go-api/v2/schemapb"
	"google.golang.org/protobuf/proto"

	"migrate/deploy/lab"
	"migrate/internal/labtest"
	"migrate/internal/milvus"
	"migrate/internal/model"
)

// toSource, toMinIO and toStaging are flags that name the lab's servers.
var (
	toSource  = []string{"--source-address", lab.Standalone}
	toMinIO   = []string{"--sink-endpoint", lab.MinIO, "--sink-access-key", lab.MinIOUser, "--sink-secret-key", lab.MinIOPassword}
	toStaging = []string{
		"--staging-url", "s3://" + lab.ClusterBucket + "/cli-test",
		"--staging-endpoint", lab.MinIO, "--staging-access-key", lab.MinIOUser, "--staging-secret-key", lab.MinIOPassword,
	}
)

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
	await(t, loaded)
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
