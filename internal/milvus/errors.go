package milvus

//lint:file-ignore SA1019 Milvus 2.3 tells some errors by these codes alone

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"net/http"
	"path"
	"regexp"
	"strings"

	"github.com/milvus-io/milvus-proto/go-api/v2/commonpb"
	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/proto"
)

// Errors that a caller decides on.
var (
	// ErrUnreachable: nobody answered at the address, or the connection broke.
	ErrUnreachable = errors.New("server unreachable")
	// ErrLogin: the server refused the user, password or token.
	ErrLogin = errors.New("login refused")
	// ErrPrivilege: the login is good, and the user has no right to what was asked.
	ErrPrivilege = errors.New("privilege missing")
	// ErrNotFound: the collection or database does not exist.
	ErrNotFound = errors.New("not found")
	// ErrNotLoaded: the collection has to be loaded before it can be queried.
	ErrNotLoaded = errors.New("collection not loaded")
	// ErrNoIndex: a collection is not loaded, and can't be before its vector fields have indexes.
	ErrNoIndex = errors.New("no vector index")
	// ErrPartly: some partitions of a collection are loaded and others are not.
	ErrPartly = errors.New("only some of its partitions are loaded")
	// ErrLoad: the server has given the load of a collection up, or gets no further with it.
	ErrLoad = errors.New("the collection does not get loaded")
	// ErrTooLarge: the answer exceeded what the server may send; ask for fewer rows.
	ErrTooLarge = errors.New("answer too large")
	// ErrUnimplemented: the server has no such call, as Milvus Lite lacks some.
	ErrUnimplemented = errors.New("call not implemented")
	// ErrNoRawData: a segment has the index of a vector and not the vector. Milvus Lite 2.5 says so of an empty one with sparse vectors.
	ErrNoRawData = errors.New("no vectors beside their index")
	// ErrLineBreak: a key has a line break, which no filter of the server can hold.
	ErrLineBreak = errors.New("no filter of this server can name a key with a line break")
	// ErrNoREST: what answers where the REST API of a Milvus should be is something else.
	ErrNoREST = errors.New("no REST API of Milvus there")
)

// Refused reports whether an error is the answer of a server, and not that there was none.
func Refused(err error) bool {
	return errors.As(err, new(*StatusError)) || errors.Is(err, ErrNotFound)
}

// NotTaken reports whether the answer of a server says that it did nothing of a call that changes rows: it limits the rate, knows no
// collection of that name, or refused what it was asked, or who asked it.
func NotTaken(err error) bool {
	return rateLimited(err) || invalid(err) || errors.Is(err, ErrNotFound) || errors.Is(err, ErrPrivilege) || errors.Is(err, ErrLogin)
}

// invalid reports whether the server refused what it was asked as wrong in itself.
func invalid(err error) bool {
	var st *StatusError
	return errors.As(err, &st) && st.Code == codeInvalid
}

// StatusError is a refusal that a server put into its answer.
type StatusError struct {
	Method string // of the protocol, e.g. "Query"
	Code   int32  // Milvus' error code
	Reason string
	legacy commonpb.ErrorCode
	passes bool // the server says that it can pass
}

func (e *StatusError) Error() string {
	return fmt.Sprintf("%s: %s (code %d)", e.Method, e.Reason, e.Code)
}

// Codes of internal/util merr in Milvus 2.3 and later.
const (
	codeNotReady           = 1
	codeUnavailable        = 2
	codeRequestLimit       = 4
	codeRateLimit          = 8
	codeCollectionNotFound = 100
	codeNotLoaded          = 101
	codeReplicaNotFound    = 400
	codeSegmentNotFound    = 600
	codeIndexNotFound      = 700
	codeDatabaseNotFound   = 800
	codeInvalid            = 1100
	codeNotAuthenticated   = 1400
	codeNotPermitted       = 1401
	codeNeedsLogin         = 1800
	codeHTTPRateLimit      = 1807
)

// Is matches the sentinels of this package.
func (e *StatusError) Is(target error) bool {
	switch target {
	case ErrNotFound:
		return e.Code == codeCollectionNotFound || e.Code == codeDatabaseNotFound ||
			e.legacy == commonpb.ErrorCode_CollectionNotExists || strings.Contains(e.Reason, "can't find collection") ||
			absentDatabase.MatchString(e.Reason)
	case ErrNotLoaded:
		return e.Code == codeNotLoaded || e.Method == "GetReplicas" && e.Code == codeReplicaNotFound || strings.Contains(e.Reason, "collection not loaded")
	case ErrLogin:
		return e.Code == codeNotAuthenticated
	case ErrPrivilege:
		return e.Code == codeNotPermitted || e.legacy == commonpb.ErrorCode_PermissionDenied && e.Code != codeNotAuthenticated
	case ErrNoIndex:
		return e.Method == "LoadCollection" && e.Code == codeIndexNotFound
	case ErrTooLarge:
		return tooLarge(e.Reason)
	case ErrNoRawData:
		return strings.Contains(e.Reason, "segment loss raw data")
	}
	return false
}

// absentDatabase is what Milvus Lite says of one, without a code of its own.
var absentDatabase = regexp.MustCompile(`^database '.*' does not exist$`)

// canPass goes by the old codes where a server is not ready: the new one, 1, is that of whatever goes wrong in Milvus Lite.
func (e *StatusError) canPass() bool {
	if tooLarge(e.Reason) || e.Is(ErrNotFound) || e.Is(ErrNotLoaded) {
		return false
	}
	switch e.legacy {
	case commonpb.ErrorCode_NotReadyServe, commonpb.ErrorCode_NotReadyCoordActivating,
		commonpb.ErrorCode_NotShardLeader, commonpb.ErrorCode_NoReplicaAvailable, commonpb.ErrorCode_DataCoordNA,
		commonpb.ErrorCode_TimeTickLongDelay, commonpb.ErrorCode_NodeIDNotMatch:
		return true
	}
	return e.passes || e.Code == codeUnavailable || e.rateLimited() || e.replacedMeanwhile()
}

// replacedMeanwhile: a compaction removed a segment while the server was looking at all of them, one by one.
func (e *StatusError) replacedMeanwhile() bool {
	return e.Method == "GetPersistentSegmentInfo" && e.Code == codeSegmentNotFound
}

func (e *StatusError) rateLimited() bool {
	over := e.Code == codeRateLimit || e.Code == codeRequestLimit || e.legacy == commonpb.ErrorCode_RateLimit
	return over && !tooLarge(e.Reason)
}

// tooLarge recognizes gRPC's message limit and Milvus' maxOutputSize, which come as text only.
func tooLarge(reason string) bool {
	return strings.Contains(reason, "larger than max") || strings.Contains(reason, "maxOutputSize")
}

// callError is a call that got no answer.
type callError struct {
	code codes.Code
	msg  string
	err  error
}

func (e *callError) Error() string { return e.msg }
func (e *callError) Unwrap() error { return e.err }

func (e *callError) Is(target error) bool {
	switch target {
	case ErrUnreachable:
		return e.code == codes.Unavailable || e.code == codes.DeadlineExceeded
	case ErrLogin:
		return e.code == codes.Unauthenticated
	case ErrPrivilege:
		return e.code == codes.PermissionDenied
	case ErrTooLarge:
		return e.code == codes.ResourceExhausted && tooLarge(e.msg)
	case ErrUnimplemented:
		return e.code == codes.Unimplemented
	case ErrCertificate:
		return certificateAlert.MatchString(e.msg)
	case ErrALPN:
		return alpnAlert.MatchString(e.msg)
	case context.Canceled:
		return e.code == codes.Canceled
	case context.DeadlineExceeded:
		return e.code == codes.DeadlineExceeded
	}
	return false
}

func (e *callError) canPass() bool {
	switch e.code {
	case codes.Unavailable, codes.Aborted:
		return true
	}
	return e.rateLimited()
}

func (e *callError) rateLimited() bool {
	return e.code == codes.ResourceExhausted && !tooLarge(e.msg)
}

// RESTError is a refusal by the REST API, or by what stands before it.
type RESTError struct {
	Action string // what follows /v2/vectordb/ in the path, e.g. "jobs/import/create"
	Status int    // of HTTP
	Code   int64  // Milvus' error code; 0 where the answer is not Milvus'
	Reason string
}

func (e *RESTError) Error() string {
	return fmt.Sprintf("REST %s: %s (HTTP %d, code %d)", e.Action, e.Reason, e.Status, e.Code)
}

// Is matches the sentinels of this package.
func (e *RESTError) Is(target error) bool {
	denied := e.Code == codeNotPermitted || strings.Contains(e.Reason, "permission deny")
	refused := e.Status == http.StatusUnauthorized || e.Status == http.StatusForbidden || e.Code == codeNeedsLogin || e.Code == codeNotAuthenticated
	switch target {
	case ErrLogin:
		return refused && !denied
	case ErrPrivilege:
		return denied
	case ErrNotFound:
		return e.Code == codeCollectionNotFound || e.Code == codeDatabaseNotFound
	case ErrUnreachable:
		return e.Code == 0 && e.canPass()
	case ErrNoREST:
		return e.Code == 0 && !refused && !e.canPass()
	}
	return false
}

func (e *RESTError) canPass() bool {
	switch e.Code {
	case codeNotReady, codeUnavailable, codeRateLimit, codeHTTPRateLimit:
		return true
	}
	return e.Status == http.StatusTooManyRequests || e.Status == http.StatusRequestTimeout || e.Status >= 500
}

// PrivilegeError is a call that the user has no right to. It is ErrPrivilege.
type PrivilegeError struct {
	Method    string // of the protocol
	Privilege string // as it is granted, e.g. "Query"
	err       error
}

func (e *PrivilegeError) Error() string {
	return fmt.Sprintf("%s needs the privilege %s: %s", e.Method, e.Privilege, e.err)
}

func (e *PrivilegeError) Unwrap() error { return e.err }

// Privilege is what the protocol says that a user needs for a request, as it is granted; "" where it needs none.
func Privilege(req any) string {
	m, ok := req.(proto.Message)
	if !ok {
		return ""
	}
	ext, _ := proto.GetExtension(m.ProtoReflect().Descriptor().Options(), commonpb.E_PrivilegeExtObj).(*commonpb.PrivilegeExt)
	if ext == nil {
		return ""
	}
	return strings.TrimPrefix(ext.GetObjectPrivilege().String(), privilegePrefix)
}

const privilegePrefix = "Privilege"

// withPrivilege names the privilege that a refused call needs: the one that the server names, which may be of another version than
// the protocol here.
func withPrivilege(method string, req any, err error) error {
	if !errors.Is(err, ErrPrivilege) {
		return err
	}
	privilege := Privilege(req)
	if named := deniedPattern.FindStringSubmatch(err.Error()); named != nil {
		privilege = named[1]
	}
	return &PrivilegeError{path.Base(method), cmp.Or(privilege, path.Base(method)), err}
}

var deniedPattern = regexp.MustCompile(privilegePrefix + `(\w+): permission deny`)

// checkStatus turns the refusals that Milvus puts into its answers into errors.
func checkStatus(ctx context.Context, method string, req, reply any, cc *grpc.ClientConn, call grpc.UnaryInvoker, opts ...grpc.CallOption) error {
	return withPrivilege(method, req, checked(ctx, method, req, reply, cc, call, opts...))
}

func checked(ctx context.Context, method string, req, reply any, cc *grpc.ClientConn, call grpc.UnaryInvoker, opts ...grpc.CallOption) error {
	if err := call(ctx, method, req, reply, cc, opts...); err != nil {
		s := status.Convert(err)
		msg := cmp.Or(s.Message(), path.Base(method)+": "+s.Code().String())
		return &callError{code: s.Code(), msg: msg, err: err}
	}
	st := statusOf(reply)
	//lint:ignore SA1019 older servers give no other code
	legacy := st.GetErrorCode()
	if legacy == commonpb.ErrorCode_Success && st.GetCode() == 0 {
		return nil
	}
	return &StatusError{
		Method: method[strings.LastIndexByte(method, '/')+1:],
		Code:   st.GetCode(), Reason: st.GetReason(), legacy: legacy, passes: st.GetRetriable(),
	}
}

func statusOf(reply any) *commonpb.Status {
	switch r := reply.(type) {
	case *commonpb.Status:
		return r
	case interface{ GetStatus() *commonpb.Status }:
		return r.GetStatus()
	}
	return nil
}
