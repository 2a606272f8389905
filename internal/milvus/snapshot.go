package milvus

import (
	"github.com/milvus-io/milvus-proto/go-api/v2/milvuspb"
)

// SessionTimestamp is the instant that the first query of an iterator saw: sent back as the guarantee timestamp, it makes
// later queries see the same. It is 0 where the server gave none.
func SessionTimestamp(resp *milvuspb.QueryResults) uint64 {
	return varintField(unknown(resp), sessionField)
}
