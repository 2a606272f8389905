//go:build lab

package labtest_test

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"testing"

	"github.com/milvus-io/milvus-proto/go-api/v2/milvuspb"
	"github.com/milvus-io/milvus-proto/go-api/v2/schemapb"
	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/proto"

	"migrate/internal/labtest"
	"migrate/internal/milvus"
	"migrate/internal/model"
)

// lites are the two versions of Milvus Lite, by what they are good for and what they lack.
var lites = []struct {
	name    string
	server  func(testing.TB) *milvus.Server
	version string // as it is known
	takes   []string
	lacks   []string
	again   int64 // how many rows a key is that is inserted twice
}{
	{
		name: "2.5", server: labtest.Lite25, version: "milvus_lite",
		takes: []string{"BINARY_VECTOR", "FLOAT16_VECTOR", "BFLOAT16_VECTOR", "SPARSE_FLOAT_VECTOR"},
		lacks: []string{
			"BackupRBAC", "CreatePartition", "DescribeDatabase", "GetPersistentSegmentInfo", "GetReplicas", "GetVersion", "Import", "ListAliases",
			"ListDatabases", "ListPrivilegeGroups", "ListResourceGroups", "SelectUser", "ShowPartitions",
		},
		again: 2,
	},
	{
		name: "3", server: labtest.Lite3, version: "milvus_lite-3.2.2",
		takes: []string{"SPARSE_FLOAT_VECTOR", "GEOMETRY", "TIMESTAMPTZ", "nullable"},
		lacks: []string{
			"AllocTimestamp", "BackupRBAC", "GetPersistentSegmentInfo", "GetReplicas", "Import", "ListPrivilegeGroups", "ListResourceGroups", "SelectUser",
		},
		again: 1,
	},
}

// TestLite holds each against what later tests count on: it serves migrate and pymilvus the same rows.
func TestLite(t *testing.T) {
	for _, lite := range lites {
		t.Run(lite.name, func(t *testing.T) {
			t.Parallel()
			server, c := lite.server(t), liteCollection()
			if got := server.Version(); got != lite.version {
				t.Errorf("it calls itself %q, want %q", got, lite.version)
			}
			labtest.Create(t, server, c)
			if got := liteLacks(t, server, c.Name); !slices.Equal(got, lite.lacks) {
				t.Errorf("it lacks %v, want %v", got, lite.lacks)
			}
			labtest.Insert(t, server, c.Name, "", liteRows(1000))
			if got := liteCount(t, server, c.Name, "id >= 0"); got != 1000 {
				t.Errorf("it counts %d rows, want 1000", got)
			}
			said := liteSays(t, server, c.Name)
			text, vector := liteRow(t, server, c.Name)
			if text != "row 1" || said.Rows != 1000 || said.Row.Text != text || !slices.Equal(said.Row.Vector, vector) {
				t.Errorf("pymilvus sees %d rows and %v; want 1000 and %q, %v", said.Rows, said.Row, text, vector)
			}
			if !slices.Equal(said.Takes, lite.takes) {
				t.Errorf("it takes %v, want %v", said.Takes, lite.takes)
			}
			labtest.Insert(t, server, c.Name, "", liteRows(1))
			if got := liteCount(t, server, c.Name, "id == 0"); got != lite.again {
				t.Errorf("a key that was inserted twice counts %d, want %d", got, lite.again)
			}
		})
	}
}

// TestLite25Defaults: 2.5 describes a default and never applies it.
func TestLite25Defaults(t *testing.T) {
	server, c := labtest.Lite25(t), liteCollection()
	field := labtest.Field("seven", schemapb.DataType_Int64)
	field.DefaultValue = &schemapb.ValueField{Data: &schemapb.ValueField_LongData{LongData: 7}}
	c.Schema.Name, c.Schema.Fields = c.Name, append(c.Schema.Fields, field)
	schema, err := proto.Marshal(c.Schema)
	if err != nil {
		t.Fatal(err)
	}
	labtest.DropLater(t, server, c.Name)
	req := &milvuspb.CreateCollectionRequest{CollectionName: c.Name, Schema: schema, ShardsNum: 1}
	if _, err := labtest.Protocol(t, server).CreateCollection(t.Context(), req); err != nil {
		t.Fatal(err)
	}
	described := labtest.Describe(t, server, c.Name).Schema.Fields
	if got := described[len(described)-1].GetDefaultValue().GetLongData(); got != 7 {
		t.Errorf("it describes the default %d, want 7", got)
	}
	if err := labtest.TryInsert(t.Context(), server, c.Name, liteRows(1)); err == nil {
		t.Error("it takes a row without the field")
	}
}

func liteCollection() *model.Collection {
	c := labtest.Collection(labtest.Schema(labtest.IntKey("id"), labtest.Field("text", schemapb.DataType_VarChar),
		labtest.Vector("vector", schemapb.DataType_FloatVector, 2)))
	c.Shards = 1
	return c
}

func liteRows(n int) labtest.Rows {
	text := func(i int) string { return fmt.Sprintf("row %d", i) }
	return labtest.Rows{N: n, Columns: []*schemapb.FieldData{
		labtest.Column(labtest.IntKey("id"), labtest.Each(n, func(i int) int64 { return int64(i) })),
		labtest.Column(labtest.Field("text", schemapb.DataType_VarChar), labtest.Each(n, text)),
		labtest.Vectors("vector", 2, n, 1),
	}}
}

// liteLacks names the calls that the server does not know, of those that migrate or a user of it may make.
func liteLacks(t *testing.T, server *milvus.Server, collection string) []string {
	t.Helper()
	ctx, svc := t.Context(), labtest.Protocol(t, server)
	unknown := map[string]bool{
		"AllocTimestamp":   liteUnknown(ctx, svc.AllocTimestamp, &milvuspb.AllocTimestampRequest{}),
		"BackupRBAC":       liteUnknown(ctx, svc.BackupRBAC, &milvuspb.BackupRBACMetaRequest{}),
		"CreatePartition":  liteUnknown(ctx, svc.CreatePartition, &milvuspb.CreatePartitionRequest{CollectionName: collection, PartitionName: "more"}),
		"DescribeDatabase": liteUnknown(ctx, svc.DescribeDatabase, &milvuspb.DescribeDatabaseRequest{DbName: "default"}),
		"GetPersistentSegmentInfo": liteUnknown(ctx, svc.GetPersistentSegmentInfo,
			&milvuspb.GetPersistentSegmentInfoRequest{CollectionName: collection}),
		"GetReplicas":         liteUnknown(ctx, svc.GetReplicas, &milvuspb.GetReplicasRequest{CollectionName: collection}),
		"GetVersion":          liteUnknown(ctx, svc.GetVersion, &milvuspb.GetVersionRequest{}),
		"Import":              liteUnknown(ctx, svc.Import, &milvuspb.ImportRequest{CollectionName: collection}),
		"ListAliases":         liteUnknown(ctx, svc.ListAliases, &milvuspb.ListAliasesRequest{CollectionName: collection}),
		"ListDatabases":       liteUnknown(ctx, svc.ListDatabases, &milvuspb.ListDatabasesRequest{}),
		"ListPrivilegeGroups": liteUnknown(ctx, svc.ListPrivilegeGroups, &milvuspb.ListPrivilegeGroupsRequest{}),
		"ListResourceGroups":  liteUnknown(ctx, svc.ListResourceGroups, &milvuspb.ListResourceGroupsRequest{}),
		"SelectUser":          liteUnknown(ctx, svc.SelectUser, &milvuspb.SelectUserRequest{}),
		"ShowPartitions":      liteUnknown(ctx, svc.ShowPartitions, &milvuspb.ShowPartitionsRequest{CollectionName: collection}),
	}
	maps.DeleteFunc(unknown, func(_ string, is bool) bool { return !is })
	return slices.Sorted(maps.Keys(unknown))
}

func liteUnknown[Q, A any](ctx context.Context, call func(context.Context, Q, ...grpc.CallOption) (A, error), req Q) bool {
	_, err := call(ctx, req)
	return status.Code(err) == codes.Unimplemented
}

// liteAnswer is what pymilvus is told by a server.
type liteAnswer struct {
	Rows int
	Row  struct {
		Text   string
		Vector []float32
	}
	Takes []string
}

func liteSays(t *testing.T, server *milvus.Server, collection string) (said liteAnswer) {
	t.Helper()
	if err := labtest.NewPython(t.Context(), &said, "testdata/lite.py", server.Address, collection); err != nil {
		t.Fatal(err)
	}
	return said
}

// liteCount is how many rows of a filter the server counts.
func liteCount(t *testing.T, server *milvus.Server, collection, filter string) int64 {
	t.Helper()
	return liteAsks(t, server, milvus.Query{Collection: collection, Filter: filter, Fields: []string{"count(*)"}})["count(*)"].
		GetScalars().GetLongData().GetData()[0]
}

// liteRow is the row with key 1.
func liteRow(t *testing.T, server *milvus.Server, collection string) (text string, vector []float32) {
	t.Helper()
	columns := liteAsks(t, server, milvus.Query{Collection: collection, Filter: "id == 1", Fields: []string{"text", "vector"}})
	return columns["text"].GetScalars().GetStringData().GetData()[0], columns["vector"].GetVectors().GetFloatVector().GetData()
}

func liteAsks(t *testing.T, server *milvus.Server, q milvus.Query) map[string]*schemapb.FieldData {
	t.Helper()
	answer, err := server.Query(t.Context(), q)
	if err != nil {
		t.Fatal(err)
	}
	columns := map[string]*schemapb.FieldData{}
	for _, c := range answer.Columns {
		columns[c.GetFieldName()] = c
	}
	return columns
}
