package milvus

//lint:file-ignore SA1019 Milvus 2.3 tells some errors by these codes alone

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"testing"

	"github.com/milvus-io/milvus-proto/go-api/v2/commonpb"
	"github.com/milvus-io/milvus-proto/go-api/v2/milvuspb"
	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
)

const queryMethod = "/milvus.proto.milvus.MilvusService/Query"

// sentinels are what an error of this package may be.
var sentinels = []error{ErrUnreachable, ErrLogin, ErrPrivilege, ErrNotFound, ErrNotLoaded, ErrNoIndex, ErrTooLarge, ErrUnimplemented, ErrNoRawData, context.Canceled, context.DeadlineExceeded}

// wantKind checks which sentinels an error is, and whether it can pass; wrapped, too.
func wantKind(t *testing.T, name string, err error, canPass bool, kinds ...error) {
	t.Helper()
	err = fmt.Errorf("doing it: %w", err)
	for _, sentinel := range sentinels {
		if got := errors.Is(err, sentinel); got != slices.Contains(kinds, sentinel) {
			t.Errorf("%s: %v is %q: %t", name, err, sentinel, got)
		}
	}
	if got := CanPass(err); got != canPass {
		t.Errorf("%s: %v can pass: %t", name, err, got)
	}
}

func TestStatusError(t *testing.T) {
	for name, test := range map[string]struct {
		err     StatusError
		canPass bool
		kinds   []error
	}{
		"collection not found":        {StatusError{Code: 100}, false, []error{ErrNotFound}},
		"database not found":          {StatusError{Code: 800}, false, []error{ErrNotFound}},
		"not found, of old":           {StatusError{legacy: commonpb.ErrorCode_CollectionNotExists}, false, []error{ErrNotFound}},
		"not found, in words":         {StatusError{Code: 65535, Reason: "can't find collection: x"}, false, []error{ErrNotFound}},
		"not found, though retriable": {StatusError{Code: 100, passes: true}, false, []error{ErrNotFound}},
		"not loaded":                  {StatusError{Code: 101}, false, []error{ErrNotLoaded}},
		"not loaded, in words":        {StatusError{Code: 65535, Reason: "x: collection not loaded"}, false, []error{ErrNotLoaded}},
		"permission denied":           {StatusError{legacy: commonpb.ErrorCode_PermissionDenied}, false, []error{ErrPrivilege}},
		"not permitted":               {StatusError{Code: 1401, legacy: commonpb.ErrorCode_PermissionDenied}, false, []error{ErrPrivilege}},
		"not authenticated":           {StatusError{Code: 1400, legacy: commonpb.ErrorCode_PermissionDenied}, false, []error{ErrLogin}},
		"load without an index":       {StatusError{Method: "LoadCollection", Code: 700}, false, []error{ErrNoIndex}},
		"no index to describe":        {StatusError{Method: "DescribeIndex", Code: 700}, false, nil},
		"message too large":           {StatusError{Code: 8, Reason: "message larger than max (2 vs. 1)"}, false, []error{ErrTooLarge}},
		"output too large":            {StatusError{passes: true, Reason: "exceeds quotaAndLimits.limits.maxOutputSize"}, false, []error{ErrTooLarge}},
		"rate limit":                  {StatusError{Code: 8, Reason: "request is rejected"}, true, nil},
		"rate limit, of old":          {StatusError{legacy: commonpb.ErrorCode_RateLimit}, true, nil},
		"too many requests":           {StatusError{Code: 4, Reason: "request limit exceeded"}, true, nil},
		"not ready":                   {StatusError{Code: 1, legacy: commonpb.ErrorCode_NotReadyServe}, true, nil},
		"anything, in Lite":           {StatusError{Code: 1, legacy: commonpb.ErrorCode_UnexpectedError, Reason: "unsupported index"}, false, nil},
		"no raw data":                 {StatusError{Code: 2000, Reason: "Assert \"HasRawData(field_id.get())\"  => Growing segment loss raw data"}, false, []error{ErrNoRawData}},
		"a fault of Lite":             {StatusError{Code: 1, Reason: "list index out of range"}, false, nil},
		"no such database, in Lite":   {StatusError{Code: 1, Reason: "database 'nope' does not exist"}, false, []error{ErrNotFound}},
		"unavailable":                 {StatusError{Code: 2}, true, nil},
		"no leader":                   {StatusError{legacy: commonpb.ErrorCode_NotShardLeader}, true, nil},
		"retriable, says the server":  {StatusError{Code: 503, passes: true}, true, nil},
		"compacted meanwhile":         {StatusError{Method: "GetPersistentSegmentInfo", Code: 600, Reason: "segment not found[segment=7]"}, true, nil},
		"a segment that nobody knows": {StatusError{Method: "Flush", Code: 600, Reason: "segment not found[segment=7]"}, false, nil},
		"bad expression":              {StatusError{Code: 1100, Reason: "cannot parse expression"}, false, nil},
		"unexpected, of old":          {StatusError{legacy: commonpb.ErrorCode_UnexpectedError}, false, nil},
	} {
		wantKind(t, name, &test.err, test.canPass, test.kinds...)
	}
	err := &StatusError{Method: "Query", Code: 1100, Reason: "cannot parse"}
	if got, want := err.Error(), "Query: cannot parse (code 1100)"; got != want {
		t.Errorf("%q, want %q", got, want)
	}
}

func TestCallWithoutAnswer(t *testing.T) {
	for name, test := range map[string]struct {
		err     error
		canPass bool
		kinds   []error
	}{
		"nobody there":      {status.Error(codes.Unavailable, "connection refused"), true, []error{ErrUnreachable}},
		"aborted":           {status.Error(codes.Aborted, ""), true, nil},
		"overloaded":        {status.Error(codes.ResourceExhausted, "too many requests"), true, nil},
		"answer too large":  {status.Error(codes.ResourceExhausted, "grpc: trying to send message larger than max"), false, []error{ErrTooLarge}},
		"login":             {status.Error(codes.Unauthenticated, "auth check failure"), false, []error{ErrLogin}},
		"privilege":         {status.Error(codes.PermissionDenied, "Query"), false, []error{ErrPrivilege}},
		"canceled":          {status.Error(codes.Canceled, ""), false, []error{context.Canceled}},
		"deadline":          {status.Error(codes.DeadlineExceeded, ""), false, []error{ErrUnreachable, context.DeadlineExceeded}},
		"unknown method":    {status.Error(codes.Unimplemented, ""), false, []error{ErrUnimplemented}},
		"no gRPC error":     {errors.New("odd"), false, nil},
		"the caller's own":  {context.Canceled, false, []error{context.Canceled}},
		"message too large": {status.Error(codes.Internal, "message larger than max"), false, nil},
	} {
		err := checkStatus(t.Context(), queryMethod, nil, &milvuspb.QueryResults{}, nil, answer(nil, test.err))
		wantKind(t, name, err, test.canPass, test.kinds...)
		if !errors.Is(err, test.err) {
			t.Errorf("%s: %v hides %v", name, err, test.err)
		}
	}
	if CanPass(nil) || CanPass(errors.New("odd")) {
		t.Error("no error, and an error of others, can pass")
	}
}

// answer is a server whose every answer has a status, or which gives none.
func answer(st *commonpb.Status, err error) grpc.UnaryInvoker {
	return func(_ context.Context, _ string, _, reply any, _ *grpc.ClientConn, _ ...grpc.CallOption) error {
		switch r := reply.(type) {
		case *commonpb.Status:
			r.Code, r.Reason, r.Retriable = st.GetCode(), st.GetReason(), st.GetRetriable()
			//lint:ignore SA1019 older servers give no other code
			r.ErrorCode = st.GetErrorCode()
		case *milvuspb.QueryResults:
			r.Status = st
		}
		return err
	}
}

func TestCheckStatus(t *testing.T) {
	old := &commonpb.Status{ErrorCode: commonpb.ErrorCode_CollectionNotExists, Reason: "gone"}
	for name, test := range map[string]struct {
		status *commonpb.Status
		want   string
		kind   error
	}{
		"success":         {&commonpb.Status{}, "", nil},
		"no status":       {nil, "", nil},
		"reason, no code": {&commonpb.Status{Reason: "ok"}, "", nil},
		"code":            {&commonpb.Status{Code: 101, Reason: "later"}, "Query: later (code 101)", ErrNotLoaded},
		"code of old":     {old, "Query: gone (code 0)", ErrNotFound},
	} {
		for _, reply := range []any{&commonpb.Status{}, &milvuspb.QueryResults{}} {
			err := checkStatus(t.Context(), queryMethod, nil, reply, nil, answer(test.status, nil))
			if test.want == "" && err != nil || test.want != "" && (err == nil || err.Error() != test.want || !errors.Is(err, test.kind)) {
				t.Errorf("%s in %T: %v, want %q", name, reply, err, test.want)
			}
		}
	}
	if err := checkStatus(t.Context(), queryMethod, nil, struct{}{}, nil, answer(nil, nil)); err != nil {
		t.Errorf("a reply that has no status: %v", err)
	}
	err := checkStatus(t.Context(), queryMethod, nil, &commonpb.Status{}, nil, answer(&commonpb.Status{Code: 9999, Retriable: true}, nil))
	if !CanPass(err) {
		t.Errorf("%v can't pass, though the server says so", err)
	}
}

// TestPrivilegeError names the privilege that is to be granted, as the server does, or else the protocol.
func TestPrivilegeError(t *testing.T) {
	denied := func(text string) error { return status.Error(codes.PermissionDenied, text) }
	for _, c := range []struct {
		method string
		req    any
		text   string
		want   string
	}{
		{"Query", &milvuspb.QueryRequest{}, "PrivilegeQuery: permission deny to reader", "Query"},
		{"DescribeIndex", &milvuspb.DescribeIndexRequest{}, "no", "IndexDetail"},
		{"LoadCollection", &milvuspb.LoadCollectionRequest{}, "no", "Load"},
		{"AlterAlias", &milvuspb.AlterAliasRequest{}, "no", "CreateAlias"},
		{"Import", &milvuspb.ImportRequest{}, "PrivilegeImport: permission deny to foo in the `default` database", "Import"},
		{"ShowCollections", &milvuspb.ShowCollectionsRequest{}, "PrivilegeShowCollections: permission deny", "ShowCollections"},
		{"GetVersion", &milvuspb.GetVersionRequest{}, "no", "GetVersion"},
	} {
		err := checkStatus(t.Context(), "/milvus.proto.milvus.MilvusService/"+c.method, c.req, &milvuspb.QueryResults{}, nil, answer(nil, denied(c.text)))
		var missing *PrivilegeError
		if !errors.As(err, &missing) || missing.Privilege != c.want || missing.Method != c.method || !errors.Is(err, ErrPrivilege) || errors.Is(err, ErrLogin) {
			t.Errorf("%s, %q: %v, want %s", c.method, c.text, err, c.want)
		}
	}
}
