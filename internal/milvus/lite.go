package milvus

import (
	"context"
	"errors"
	"slices"

	"github.com/milvus-io/milvus-proto/go-api/v2/commonpb"
	"github.com/milvus-io/milvus-proto/go-api/v2/milvuspb"
	"github.com/milvus-io/milvus-proto/go-api/v2/schemapb"
	"google.golang.org/grpc"

	"migrate/internal/model"
)

// A Milvus Lite is one program on a file (up to 2.5) or on a folder (from 3.0 on). It is told from a Milvus by what it lacks, and not
// by its name: that of 2.5 has none, and the version of the other looks like one of Milvus 3.

// isLite reports whether a server has no clock: that of Lite 2.5 stands at 0, and that of 3 can't be asked for. One that does not
// answer now is no Lite.
func isLite(ctx context.Context, svc milvuspb.MilvusServiceClient) bool {
	resp, err := svc.AllocTimestamp(ctx, &milvuspb.AllocTimestampRequest{}, once{})
	return errors.Is(err, ErrUnimplemented) || err == nil && resp.GetTimestamp() == 0
}

// askLite asks a Milvus Lite what it is: only that of 3 tells a version.
func askLite(ctx context.Context, svc milvuspb.MilvusServiceClient) *said {
	lite := lite25()
	if told, err := svc.GetVersion(ctx, &milvuspb.GetVersionRequest{}, once{}); err == nil {
		lite = lite3(told.GetVersion())
	}
	lite.can.Partitions = knows(ctx, svc.ShowPartitions, &milvuspb.ShowPartitionsRequest{CollectionName: anyCollection})
	lite.can.Databases = knows(ctx, svc.ListDatabases, &milvuspb.ListDatabasesRequest{})
	lite.can.DatabaseProperties = knows(ctx, svc.DescribeDatabase, &milvuspb.DescribeDatabaseRequest{DbName: DefaultDatabase})
	return lite
}

// lite25 is what 2.5.1 was seen to do beside.
func lite25() *said {
	return &said{version: "milvus_lite", filters: Filters{rawBreaks: true, rawHan: true}, can: model.Capabilities{
		Types:    model.TypesOf(model.Version{2, 4, 4}),
		Reserved: reservedIn(version{2, 5}),
		MostRows: 16_383, // of 20,000 that were asked for so many came, without a word on the others
		IndexTypes: []string{
			"FLAT", "IVF_FLAT", "AUTOINDEX", "BIN_FLAT", "SPARSE_INVERTED_INDEX", "SPARSE_WAND", "INVERTED",
		},
		Analyzers: true, NullInputs: true,
	}}
}

// lite3 is what 3.2.2 was seen to do beside. It makes indexes of other types too, and fails to load with them.
func lite3(told string) *said {
	return &said{version: told, filters: Filters{rawHan: true, plainLeast: true}, can: model.Capabilities{
		Nullable:     true, // and in vectors zeros come back of NULLs
		Types:        slices.DeleteFunc(model.TypesOf(model.Version{2, 6, 19}), func(t schemapb.DataType) bool { return slices.Contains(notInLite3, t) }),
		Reserved:     append(slices.Clip(reservedIn(version{2, 6})), "is", "IS"),
		KeyedFilters: true, RewritesJSON: true, MergesUpserts: true,
		TakesAutoIDs: true, // whatever the property says; it counts its own from 1 on, and may give one that a row has brought
		DropsNames:   []string{"_seq", "_partition"},
		IndexTypes:   []string{"FLAT", "IVF_FLAT", "IVF_SQ8", "HNSW", "HNSW_SQ", "AUTOINDEX", "SPARSE_INVERTED_INDEX", "INVERTED"},
		Functions:    []schemapb.FunctionType{schemapb.FunctionType_BM25}, Analyzers: true, NullInputs: true,
	}}
}

var notInLite3 = []schemapb.DataType{
	schemapb.DataType_BinaryVector, schemapb.DataType_Float16Vector, schemapb.DataType_BFloat16Vector, schemapb.DataType_Int8Vector,
}

// completeLite adds to a description what Milvus Lite leaves out: aliases, where it has any, and the consistency level, of which clients
// make the bounded one where nobody says another, and how long the texts of an ARRAY may be. The default partition is none of those that a partition key spreads
// rows over.
func (s *Server) completeLite(ctx context.Context, c *model.Collection) error {
	c.ConsistencyLevel = commonpb.ConsistencyLevel_Bounded
	for _, f := range c.Schema.GetFields() {
		if f.GetDataType() == schemapb.DataType_Array && f.GetElementType() == schemapb.DataType_VarChar && model.TypeParam(f, maxLength) == "" {
			f.TypeParams = append(f.TypeParams, &commonpb.KeyValuePair{Key: maxLength, Value: "65535"})
		}
	}
	if model.PartitionKey(c.Schema) {
		c.Partitions = slices.DeleteFunc(c.Partitions, func(p string) bool { return p == model.DefaultPartition })
	}
	aliases, err := s.liteAliases(ctx, c.Name)
	c.Aliases = withoutFences(aliases)
	return err
}

const maxLength = "max_length"

// anyCollection need not be there: whether a server knows a call shows all the same.
const anyCollection = "_migrate_asks"

// knows reports whether a server has a call.
func knows[Q, A any](ctx context.Context, call func(context.Context, Q, ...grpc.CallOption) (A, error), req Q) bool {
	_, err := call(ctx, req, once{})
	return !errors.Is(err, ErrUnimplemented)
}
