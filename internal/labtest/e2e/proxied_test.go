//go:build lab

package e2e

import (
	"crypto/rand"
	"fmt"
	"strings"
	"testing"

	"github.com/milvus-io/milvus-proto/go-api/v2/schemapb"

	"migrate/deploy/lab"
	"migrate/exporter"
	"migrate/importer"
	"migrate/internal/export"
	"migrate/internal/labtest"
	"migrate/internal/labtest/faulttable"
	"migrate/internal/milvus"
	"migrate/internal/verify"
	"migrate/sinks"
)

// TestProxied moves a collection over connections that are slow, cut or reset: between migrate and each of the three
// servers stands a toxiproxy. A command that ends with an error is given again, as a user would.
func TestProxied(t *testing.T) {
	from := labtest.Source(t)
	schema := narrow()
	text := labtest.Field("text", schemapb.DataType_VarChar)
	schema.Fields = append(schema.Fields, text)
	c := labtest.Collection(schema)
	labtest.Create(t, from, c)
	const n = 20_000
	rows := narrowRows(labtest.Each(n, func(i int) int64 { return int64(i) }))
	rows.Columns = append(rows.Columns, labtest.Column(text, labtest.Each(n, func(i int) string { return fmt.Sprintf("%0200d", i) })))
	labtest.Insert(t, from, c.Name, "", rows)
	for title, toxic := range map[string]string{
		"delays":                 `{"type": "latency", "stream": "downstream", "attributes": {"latency": 30, "jitter": 30}}`,
		"limits bandwidth":       `{"type": "bandwidth", "stream": "downstream", "attributes": {"rate": 4000}}`,
		"cuts answers in slices": `{"type": "slicer", "stream": "downstream", "attributes": {"average_size": 500, "size_variation": 300, "delay": 100}}`,
		"answers half":           `{"type": "limit_data", "stream": "downstream", "attributes": {"bytes": 2500000}}`,
		"takes half":             `{"type": "limit_data", "stream": "upstream", "attributes": {"bytes": 700000}}`,
		"resets some":            `{"type": "reset_peer", "stream": "downstream", "toxicity": 0.4, "attributes": {"timeout": 300}}`,
	} {
		t.Run(title, func(t *testing.T) {
			t.Parallel()
			faulttable.Tried(t, "a proxy before every server that "+title, 1, "ended by itself or by the same command: every row once")
			w := proxiedWorld(t, toxic)
			name := labtest.Name()
			labtest.DropLater(t, labtest.Target(t), name)
			var m *export.Manifest
			untilDone(t, "export", func() (err error) {
				m, err = exporter.Export(t.Context(), w.from(t), c.Name, w.sink(t, lab.ExportBucket), exporter.Options{Job: name, PartBytes: 2 << 20})
				return err
			})
			untilDone(t, "import", func() error {
				_, err := importer.Import(t.Context(), w.to(t), w.sink(t, lab.ExportBucket), m, w.sink(t, lab.ClusterBucket), importer.Options{As: name})
				return err
			})
			wantEqual(t, compare(t, side(t, from, c.Name), side(t, labtest.Target(t), name), verify.Options{}), n)
		})
	}
}

// untilDone gives a command again and again, as often as a patient user would.
func untilDone(t *testing.T, what string, do func() error) {
	t.Helper()
	for try := 1; try <= 12; try++ {
		err := do()
		if err == nil {
			return
		}
		t.Logf("%s, try %d: %s", what, try, strings.ReplaceAll(err.Error(), "\n", " "))
	}
	t.Fatalf("the %s does not come to an end", what)
}

// world is the lab's servers behind proxies.
type world struct {
	standalone, cluster, minio string
	folder                     string
}

func proxiedWorld(t *testing.T, toxic string) world {
	t.Helper()
	w := world{folder: "proxied-" + strings.ToLower(rand.Text())}
	w.standalone = proxied(t, lab.Standalone, toxic)
	w.cluster = proxied(t, lab.Proxy1, toxic)
	w.minio = proxied(t, lab.MinIO, toxic)
	for _, bucket := range []string{lab.ExportBucket, lab.ClusterBucket} {
		labtest.EmptyLater(t, bucket, w.folder)
	}
	return w
}

// proxied is an address behind which a server answers through a toxic proxy.
func proxied(t *testing.T, upstream, toxic string) string {
	t.Helper()
	p := labtest.Proxy(t, upstream)
	if _, err := p.Toxics.AddToxicJson(strings.NewReader(toxic)); err != nil {
		t.Fatal(err)
	}
	return p.Listen
}

func (w world) from(t *testing.T) *milvus.Server { return w.connect(t, w.standalone) }
func (w world) to(t *testing.T) *milvus.Server   { return w.connect(t, w.cluster) }

// connect tries as often as a user would.
func (w world) connect(t *testing.T, address string) *milvus.Server {
	t.Helper()
	var server *milvus.Server
	untilDone(t, "connection", func() (err error) {
		server, err = milvus.Connect(t.Context(), milvus.Config{Address: address})
		return err
	})
	t.Cleanup(func() { server.Close() })
	return server
}

func (w world) sink(t *testing.T, bucket string) *sinks.S3 {
	t.Helper()
	var sink *sinks.S3
	untilDone(t, "opening of the store", func() (err error) {
		sink, err = sinks.NewS3(t.Context(), sinks.S3Config{
			Endpoint: w.minio, AccessKey: lab.MinIOUser, SecretKey: lab.MinIOPassword, Bucket: bucket, Prefix: w.folder,
		})
		return err
	})
	return sink
}
