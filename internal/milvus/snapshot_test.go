package milvus

import (
	"testing"

	"github.com/milvus-io/milvus-proto/go-api/v2/milvuspb"
	"google.golang.org/protobuf/encoding/protowire"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/protoadapt"
)

// newer is an answer as a server of 2.5 encodes it: with fields that this version of the protocol has not.
func newer(sessionTs uint64) []byte {
	b := protowire.AppendString(protowire.AppendTag(nil, 3, protowire.BytesType), "docs")
	b = protowire.AppendString(protowire.AppendTag(b, 6, protowire.BytesType), "id")
	return protowire.AppendVarint(protowire.AppendTag(b, sessionField, protowire.VarintType), sessionTs)
}

func TestSessionTimestamp(t *testing.T) {
	const ts = 454_000_000_000_000_123
	for name, test := range map[string]struct {
		answer []byte
		want   uint64
	}{
		"2.5": {newer(ts), ts},
		"2.3": {protowire.AppendString(protowire.AppendTag(nil, 3, protowire.BytesType), "docs"), 0},
	} {
		resp := &milvuspb.QueryResults{}
		if err := proto.Unmarshal(test.answer, protoadapt.MessageV2Of(resp)); err != nil {
			t.Fatal(err)
		}
		if got := SessionTimestamp(resp); got != test.want || resp.GetCollectionName() != "docs" {
			t.Errorf("%s: %d of %q; want %d", name, got, resp.GetCollectionName(), test.want)
		}
	}
}

// FuzzVarintField finds the field before whatever follows it, and reads anything else to an end.
func FuzzVarintField(f *testing.F) {
	f.Add(newer(7))
	f.Fuzz(func(t *testing.T, rest []byte) {
		varintField(rest, sessionField)
		message := append(protowire.AppendVarint(protowire.AppendTag(nil, sessionField, protowire.VarintType), 9), rest...)
		if got := varintField(message, sessionField); got != 9 {
			t.Errorf("found %d; want 9", got)
		}
	})
}
