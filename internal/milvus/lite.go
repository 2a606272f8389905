package milvus

import (
	"context"
	"errors"
	"slices"

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

// askLite asks a Milvus Lite what it is.
func askLite(ctx context.Context, svc milvuspb.MilvusServiceClient) *said {
	can := model.Capabilities{
		Partitions: knows(ctx, svc.ShowPartitions, &milvuspb.ShowPartitionsRequest{CollectionName: anyCollection}),
		Databases:  knows(ctx, svc.ListDatabases, &milvuspb.ListDatabasesRequest{}),
	}
	told, err := svc.GetVersion(ctx, &milvuspb.GetVersionRequest{}, once{})
	if err != nil {
		can.Analyzers, can.NullInputs = true, true
		can.Types, can.Reserved, can.MostRows = model.TypesOf(model.Version{2, 4, 4}), reservedIn(version{2, 5}), mostOfLite25
		return &said{version: "milvus_lite", can: can, filters: Filters{rawBreaks: true, rawHan: true}}
	}
	can.Types = slices.DeleteFunc(model.TypesOf(model.Version{2, 6, 19}), func(t schemapb.DataType) bool { return slices.Contains(notInLite3, t) })
	can.Functions, can.Analyzers, can.NullInputs = []schemapb.FunctionType{schemapb.FunctionType_BM25}, true, true
	can.Reserved, can.RewritesJSON = append(slices.Clip(reservedIn(version{2, 6})), "is", "IS"), true
	can.Nullable = true // and in vectors zeros come back of NULLs
	return &said{version: told.GetVersion(), can: can, filters: Filters{rawHan: true, plainLeast: true}}
}

// anyCollection need not be there: whether a server knows a call shows all the same.
const anyCollection = "_migrate_asks"

// mostOfLite25 was seen on 2.5.1: of 20,000 rows 16,383 came, without a word on the others.
const mostOfLite25 = 16_383

var notInLite3 = []schemapb.DataType{
	schemapb.DataType_BinaryVector, schemapb.DataType_Float16Vector, schemapb.DataType_BFloat16Vector, schemapb.DataType_Int8Vector,
}

// knows reports whether a server has a call.
func knows[Q, A any](ctx context.Context, call func(context.Context, Q, ...grpc.CallOption) (A, error), req Q) bool {
	_, err := call(ctx, req, once{})
	return !errors.Is(err, ErrUnimplemented)
}
