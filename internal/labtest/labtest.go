// Package labtest is what tests on the real lab start from: its servers, stores of their own on its MinIO, and
// collections that are dropped when the test ends.
package labtest

import (
	"context"
	"crypto/rand"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/milvus-io/milvus-proto/go-api/v2/commonpb"
	"github.com/milvus-io/milvus-proto/go-api/v2/schemapb"

	"migrate/deploy/lab"
	"migrate/internal/milvus"
	"migrate/internal/model"
	"migrate/sinks"
)

// Source is the lab's standalone.
func Source(t testing.TB) *milvus.Server { return connect(t, lab.Standalone) }

// Target is the lab's cluster, through its first proxy.
func Target(t testing.TB) *milvus.Server { return connect(t, lab.Proxy1) }

// SecondProxy is the lab's cluster, through its other proxy.
func SecondProxy(t testing.TB) *milvus.Server { return connect(t, lab.Proxy2) }

// Lite25 is the lab's Milvus Lite 2.5.1.
func Lite25(t testing.TB) *milvus.Server { return connect(t, lab.Lite25) }

// Lite3 is the lab's Milvus Lite 3.2.2.
func Lite3(t testing.TB) *milvus.Server { return connect(t, lab.Lite3) }

// Secure starts the lab's servers that want TLS and a login, until the test ends. It returns a connection to that
// standalone, and the file of the authority that signed the certificates.
func Secure(t testing.TB) (server *milvus.Server, caFile string) {
	t.Helper()
	l := start(t, "standalone-secure", "minio-secure")
	return connectTo(t, milvus.Config{
		Address: lab.SecureStandalone, Username: lab.SecureUser, Password: lab.SecurePassword, TLS: true, CAFile: l.CAFile(),
	}), l.CAFile()
}

// Remote starts the lab's standalone that wants a login and stores its rows in a bucket, until the test ends, and returns a connection to
// it.
func Remote(t testing.TB) *milvus.Server {
	t.Helper()
	start(t, "standalone-remote")
	return connectTo(t, milvus.Config{Address: lab.RemoteStandalone, Username: lab.SecureUser, Password: lab.SecurePassword})
}

// Limited starts the lab's standalone that limits the rate of queries, until the test ends, and returns a connection to
// it.
func Limited(t testing.TB) *milvus.Server {
	t.Helper()
	start(t, "standalone-limited")
	return connect(t, lab.LimitedStandalone)
}

// Spare starts a standalone that the test may take away, until it ends, and returns a connection to it, and the lab that it is a
// part of by the name that is returned.
func Spare(t testing.TB) (server *milvus.Server, l *lab.Lab, part string) {
	t.Helper()
	part = "standalone-spare"
	l = start(t, part)
	return connect(t, lab.SpareStandalone), l, part
}

// SpareLite25 starts another Milvus Lite 2.5.1, until the test ends, and returns a connection to it.
func SpareLite25(t testing.TB) *milvus.Server {
	t.Helper()
	start(t, "lite-2.5-spare")
	return connect(t, lab.SpareLite25)
}

func connect(t testing.TB, address string) *milvus.Server {
	t.Helper()
	return connectTo(t, milvus.Config{Address: address})
}

func connectTo(t testing.TB, cfg milvus.Config) *milvus.Server {
	t.Helper()
	server, err := milvus.Connect(context.WithoutCancel(t.Context()), cfg)
	if err != nil {
		t.Fatalf("the lab is needed, start it with make lab-up: %v", err)
	}
	t.Cleanup(func() { server.Close() })
	return server
}

// Name is a collection's name that nobody else has.
func Name() string { return "t_" + strings.ToLower(rand.Text()) }

// Sink is a folder of its own in the lab's bucket for exports, emptied when the test ends.
func Sink(t testing.TB) *sinks.S3 { return bucket(t, lab.ExportBucket) }

// Staging is a folder of its own in the cluster's bucket. A test that leaves something in it fails.
func Staging(t testing.TB) *sinks.S3 {
	t.Helper()
	s := bucket(t, lab.ClusterBucket)
	t.Cleanup(func() {
		for info := range s.List(context.WithoutCancel(t.Context()), "") {
			if !strings.HasSuffix(info.Name, ".checkpoint.json") && !strings.HasPrefix(info.Name, "_migrate/") {
				t.Errorf("left in the staging folder: %s", info.Name)
			}
		}
	})
	return s
}

func bucket(t testing.TB, name string) *sinks.S3 {
	t.Helper()
	return EmptyLater(t, name, "test-"+strings.ToLower(rand.Text()))
}

// EmptyLater opens a folder in a bucket of the lab's MinIO, and empties it when the test ends.
func EmptyLater(t testing.TB, bucket, folder string) *sinks.S3 {
	t.Helper()
	ctx := context.WithoutCancel(t.Context())
	s, err := sinks.NewS3(ctx, sinks.S3Config{
		Endpoint: lab.MinIO, AccessKey: lab.MinIOUser, SecretKey: lab.MinIOPassword, Bucket: bucket, Prefix: folder,
	})
	if err != nil {
		t.Fatalf("the lab is needed, start it with make lab-up: %v", err)
	}
	t.Cleanup(func() { empty(t, s) })
	return s
}

func empty(t testing.TB, s sinks.Sink) {
	ctx := context.WithoutCancel(t.Context())
	for info, err := range s.List(ctx, "") {
		if err != nil {
			t.Errorf("emptying %s: %v", s.URL(""), err)
			return
		}
		if err := s.Delete(ctx, info.Name); err != nil {
			t.Error(err)
		}
	}
}

// Local is a folder that goes with the test.
func Local(t testing.TB) *sinks.Local {
	t.Helper()
	s, err := sinks.NewLocal(t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	return s
}

// DropLater drops a collection when the test ends.
func DropLater(t testing.TB, server *milvus.Server, name string) {
	t.Cleanup(func() {
		ctx, cancel := context.WithTimeout(context.WithoutCancel(t.Context()), time.Minute)
		defer cancel()
		if err := server.Drop(ctx, name); err != nil {
			t.Error(err)
		}
	})
}

// Collection describes a collection of a test: an index FLAT on each vector field, two shards, and consistency level
// bounded, so that nothing here leans on strong reads.
func Collection(schema *schemapb.CollectionSchema, partitions ...string) *model.Collection {
	c := &model.Collection{
		Name: Name(), Schema: schema, Shards: 2, ConsistencyLevel: commonpb.ConsistencyLevel_Bounded, Partitions: partitions,
	}
	for _, f := range schema.Fields {
		if metric, ok := metrics[f.DataType]; ok {
			c.Indexes = append(c.Indexes, model.Index{Name: f.Name, Field: f.Name, Params: metric})
		}
	}
	return c
}

var metrics = map[schemapb.DataType][]*commonpb.KeyValuePair{
	schemapb.DataType_FloatVector:       {{Key: "index_type", Value: "FLAT"}, {Key: "metric_type", Value: "L2"}},
	schemapb.DataType_BinaryVector:      {{Key: "index_type", Value: "BIN_FLAT"}, {Key: "metric_type", Value: "HAMMING"}},
	schemapb.DataType_Float16Vector:     {{Key: "index_type", Value: "FLAT"}, {Key: "metric_type", Value: "L2"}},
	schemapb.DataType_BFloat16Vector:    {{Key: "index_type", Value: "FLAT"}, {Key: "metric_type", Value: "L2"}},
	schemapb.DataType_SparseFloatVector: {{Key: "index_type", Value: "SPARSE_INVERTED_INDEX"}, {Key: "metric_type", Value: "IP"}},
	schemapb.DataType_Int8Vector:        {{Key: "index_type", Value: "HNSW"}, {Key: "metric_type", Value: "COSINE"}, {Key: "params", Value: `{"M": 8, "efConstruction": 64}`}},
}

// Create makes, indexes and loads a collection, and drops it when the test ends.
func Create(t testing.TB, server *milvus.Server, c *model.Collection) {
	t.Helper()
	ctx := t.Context()
	DropLater(t, server, c.Name)
	if err := server.Create(ctx, c); err != nil {
		t.Fatal(err)
	}
	for _, idx := range c.Indexes {
		if err := server.CreateIndex(ctx, c.Name, idx); err != nil {
			t.Fatal(err)
		}
	}
	if err := server.Load(ctx, c.Name); err != nil {
		t.Fatal(err)
	}
}

// Insert inserts rows, in batches that a server accepts.
func Insert(t testing.TB, server *milvus.Server, collection, partition string, rows Rows) {
	t.Helper()
	for _, batch := range rows.batches() {
		if err := server.Insert(t.Context(), collection, partition, batch.Columns, batch.N); err != nil {
			t.Fatal(err)
		}
	}
}

// TryInsert inserts one batch of rows.
func TryInsert(ctx context.Context, server *milvus.Server, collection string, rows Rows) error {
	return server.Insert(ctx, collection, "", rows.Columns, rows.N)
}

// Upsert inserts rows, in place of those with the same keys.
func Upsert(t testing.TB, server *milvus.Server, collection string, rows Rows) {
	t.Helper()
	if err := TryUpsert(t.Context(), server, collection, rows); err != nil {
		t.Fatalf("upserting into %s: %v", collection, err)
	}
}

// TryUpsert is Upsert with an error.
func TryUpsert(ctx context.Context, server *milvus.Server, collection string, rows Rows) error {
	return server.Upsert(ctx, collection, "", rows.Columns, rows.N)
}

// Delete deletes the rows of a filter, which has to be one on primary keys.
func Delete(t testing.TB, server *milvus.Server, collection, expr string) {
	t.Helper()
	if err := TryDelete(t.Context(), server, collection, expr); err != nil {
		t.Fatalf("deleting from %s: %v", collection, err)
	}
}

// TryDelete is Delete with an error.
func TryDelete(ctx context.Context, server *milvus.Server, collection, expr string) error {
	return server.Delete(ctx, collection, "", expr)
}

// Flush seals what was inserted.
func Flush(t testing.TB, server *milvus.Server, collection string) {
	t.Helper()
	if err := server.Flush(t.Context(), collection); err != nil {
		t.Fatal(err)
	}
}

// Describe describes a collection.
func Describe(t testing.TB, server *milvus.Server, name string) *model.Collection {
	t.Helper()
	c, err := server.Describe(t.Context(), name)
	if err != nil {
		t.Fatal(err)
	}
	return c
}

// Schema makes a schema of fields.
func Schema(fields ...*schemapb.FieldSchema) *schemapb.CollectionSchema {
	return &schemapb.CollectionSchema{Fields: fields}
}

// Field makes a field; IntKey and TextKey make primary keys, and Vector and Array what they are called.
func Field(name string, t schemapb.DataType) *schemapb.FieldSchema {
	f := &schemapb.FieldSchema{Name: name, DataType: t}
	if t == schemapb.DataType_VarChar {
		f.TypeParams = param("max_length", 65535)
	}
	return f
}

// IntKey is an INT64 primary key.
func IntKey(name string) *schemapb.FieldSchema {
	return &schemapb.FieldSchema{Name: name, DataType: schemapb.DataType_Int64, IsPrimaryKey: true}
}

// TextKey is a VARCHAR primary key.
func TextKey(name string) *schemapb.FieldSchema {
	f := Field(name, schemapb.DataType_VarChar)
	f.IsPrimaryKey = true
	return f
}

// Vector is a vector of a type that has dimensions.
func Vector(name string, t schemapb.DataType, dim int) *schemapb.FieldSchema {
	return &schemapb.FieldSchema{Name: name, DataType: t, TypeParams: param("dim", dim)}
}

// Array is an ARRAY of up to 100 elements.
func Array(name string, element schemapb.DataType) *schemapb.FieldSchema {
	f := &schemapb.FieldSchema{Name: name, DataType: schemapb.DataType_Array, ElementType: element, TypeParams: param("max_capacity", 100)}
	if element == schemapb.DataType_VarChar {
		f.TypeParams = append(f.TypeParams, param("max_length", 1000)...)
	}
	return f
}

func param(key string, value int) []*commonpb.KeyValuePair {
	return []*commonpb.KeyValuePair{{Key: key, Value: strconv.Itoa(value)}}
}
