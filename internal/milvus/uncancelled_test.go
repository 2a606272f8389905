package milvus

import (
	"context"
	"errors"
	"testing"
	"testing/synctest"
	"time"

	"google.golang.org/grpc"
)

// TestUncancelled lets a call finish that is not to be cancelled, and waits for none of them for long.
func TestUncancelled(t *testing.T) {
	cc := nowhere(t)
	for name, test := range map[string]struct {
		method    string
		takes     time.Duration
		cancelled bool          // the call itself
		within    time.Duration // of the context's end
	}{
		"in time":       {"GetImportState", 10 * time.Millisecond, false, 10 * time.Millisecond},
		"too slow":      {"ListImportTasks", time.Minute, false, answerTime},
		"any other one": {"Query", time.Minute, true, 0},
	} {
		synctest.Test(t, func(t *testing.T) {
			ctx, cancel := context.WithCancel(t.Context())
			var cancelled bool
			call := func(ctx context.Context, _ string, _, _ any, _ *grpc.ClientConn, _ ...grpc.CallOption) error {
				select {
				case <-ctx.Done():
					cancelled = true
				case <-time.After(test.takes):
				}
				return ctx.Err()
			}
			time.AfterFunc(time.Nanosecond, cancel)
			started := time.Now()
			err := uncancelled(ctx, "/milvus.proto.milvus.MilvusService/"+test.method, nil, nil, cc, call)
			if took := time.Since(started); !errors.Is(err, context.Canceled) || took > test.within+time.Millisecond {
				t.Errorf("%s: %v after %v", name, err, took)
			}
			time.Sleep(2 * time.Minute) // until the call has ended
			if cancelled != test.cancelled {
				t.Errorf("%s: cancelled %t", name, cancelled)
			}
		})
	}
}
