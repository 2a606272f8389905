package milvus

import (
	"github.com/milvus-io/milvus-proto/go-api/v2/milvuspb"
	"google.golang.org/protobuf/encoding/protowire"
	"google.golang.org/protobuf/protoadapt"
)

// sessionField is session_ts of QueryResults (milvus.proto, as of 2.5), which the SDK's version of the protocol has not.
const sessionField = 5

// SessionTimestamp is the instant that the first query of an iterator saw: sent back as the guarantee timestamp, it makes
// later queries see the same. It is 0 where the server gave none.
func SessionTimestamp(resp *milvuspb.QueryResults) uint64 {
	return varintField(protoadapt.MessageV2Of(resp).ProtoReflect().GetUnknown(), sessionField)
}

// varintField looks for a field of an encoded message; 0 where it is not there, or the message is damaged.
func varintField(message []byte, field protowire.Number) uint64 {
	for len(message) > 0 {
		num, kind, n := protowire.ConsumeTag(message)
		if n < 0 {
			return 0
		}
		message = message[n:]
		if num == field && kind == protowire.VarintType {
			v, _ := protowire.ConsumeVarint(message) // 0 where it is cut off
			return v
		}
		if n = protowire.ConsumeFieldValue(num, kind, message); n < 0 {
			return 0
		}
		message = message[n:]
	}
	return 0
}
