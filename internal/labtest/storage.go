package labtest

import (
	"context"
	"testing"
	"time"

	"github.com/milvus-io/milvus-proto/go-api/v2/commonpb"
	"github.com/milvus-io/milvus-proto/go-api/v2/milvuspb"

	"migrate/deploy/lab"
	"migrate/sinks"
)

// SourceStorage is where the lab's standalone keeps its rows.
func SourceStorage(t testing.TB) *sinks.Local {
	t.Helper()
	l, err := lab.Running(context.WithoutCancel(t.Context()))
	if err != nil {
		t.Fatal(err)
	}
	s, err := sinks.NewLocal(l.Storage("standalone"))
	if err != nil {
		t.Fatal(err)
	}
	return s
}

// SourceManagement is where the lab's standalone is managed, as http://host:port.
func SourceManagement(t testing.TB) string {
	t.Helper()
	l, err := lab.Running(context.WithoutCancel(t.Context()))
	if err != nil {
		t.Fatal(err)
	}
	url, err := l.Management("standalone")
	if err != nil {
		t.Fatal(err)
	}
	return url
}

// TargetStorage is where the lab's cluster keeps its rows.
func TargetStorage(t testing.TB) *sinks.S3 {
	t.Helper()
	s, err := sinks.NewS3(context.WithoutCancel(t.Context()), sinks.S3Config{
		Endpoint: lab.MinIO, AccessKey: lab.MinIOUser, SecretKey: lab.MinIOPassword, Bucket: lab.ClusterBucket, Prefix: lab.ClusterRoot,
	})
	if err != nil {
		t.Fatal(err)
	}
	return s
}

// CompactWhenTold has the server compact a collection only by Compact: 2.3 loses deletes that are written meanwhile.
func CompactWhenTold(t testing.TB, protocol milvuspb.MilvusServiceClient, name string) {
	t.Helper()
	_, err := protocol.AlterCollection(t.Context(), &milvuspb.AlterCollectionRequest{
		CollectionName: name, Properties: []*commonpb.KeyValuePair{{Key: "collection.autocompaction.enabled", Value: "false"}},
	})
	if err != nil {
		t.Fatal(err)
	}
}

// Compact has the server compact a collection, and waits until it has.
func Compact(t testing.TB, protocol milvuspb.MilvusServiceClient, collection int64) {
	t.Helper()
	started, err := protocol.ManualCompaction(t.Context(), &milvuspb.ManualCompactionRequest{CollectionID: collection})
	if err != nil {
		t.Fatal(err)
	}
	for deadline := time.Now().Add(Patience); ; time.Sleep(100 * time.Millisecond) {
		state, err := protocol.GetCompactionState(t.Context(), &milvuspb.GetCompactionStateRequest{CompactionID: started.GetCompactionID()})
		if err != nil {
			t.Fatal(err)
		}
		if state.GetExecutingPlanNo() == 0 {
			return
		}
		if time.Now().After(deadline) {
			t.Fatalf("a compaction that does not end: %v", state)
		}
	}
}
