package memory

import (
	"context"
	"encoding/json"
	"strings"

	"github.com/milvus-io/milvus-proto/go-api/v2/commonpb"
	"github.com/milvus-io/milvus-proto/go-api/v2/milvuspb"
	"github.com/milvus-io/milvus-proto/go-api/v2/schemapb"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	"migrate/internal/model"
)

// The versions that make a server in memory a Milvus Lite: 2.5, which tells none, and 3.
const (
	Lite25 = "milvus_lite"
	Lite3  = "milvus_lite-3.2.2"
)

// mostOfLite25 is how many rows its answer without a limit has.
const mostOfLite25 = 16_383

// lite reports whether it is one; s.mu is held.
func (s *Server) lite() bool { return strings.HasPrefix(s.version, Lite25) }

// greeting is what it calls itself at first.
func (s *Server) greeting() string {
	switch s.version {
	case Lite25:
		return ""
	case Lite3:
		return "milvus_lite"
	}
	return s.version
}

// invalid is how 2.5 refuses filters with line breaks, and all on a collection with a partition key; s.mu is held.
func (s *Server) invalid(collection, filter string) *commonpb.Status {
	c, keyed := s.collections[collection], false
	if c != nil {
		keyed = model.PartitionKey(c.Schema)
	}
	if s.version != Lite25 || filter == "" || !keyed && !strings.ContainsAny(filter, "\n\r") {
		return nil
	}
	return &commonpb.Status{Code: 1100, Reason: "Invalid expr: " + filter + ": invalid parameter"}
}

// lacks refuses a call that a version has not.
func (s *Server) lacks(version, call string) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.version == version {
		return status.Errorf(codes.Unimplemented, "%s is not implemented", call)
	}
	return nil
}

// spellAnew spells documents of JSON as 3 does: with spaces, and other names first.
func spellAnew(data []*schemapb.FieldData) {
	for _, column := range data {
		for i, text := range column.GetScalars().GetJsonData().GetData() {
			var v any
			if json.Unmarshal(text, &v) != nil {
				continue
			}
			if again, err := json.MarshalIndent(v, "", " "); err == nil {
				column.GetScalars().GetJsonData().Data[i] = again
			}
		}
	}
}

// GetVersion tells the whole version.
func (s *Server) GetVersion(context.Context, *milvuspb.GetVersionRequest) (*milvuspb.GetVersionResponse, error) {
	if err := s.lacks(Lite25, "GetVersion"); err != nil {
		return nil, err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	return &milvuspb.GetVersionResponse{Status: &commonpb.Status{}, Version: s.version}, nil
}
