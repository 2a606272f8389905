package memory

import (
	"cmp"
	"context"
	"maps"
	"slices"
	"strings"
	"testing"

	"github.com/milvus-io/milvus-proto/go-api/v2/commonpb"
	"github.com/milvus-io/milvus-proto/go-api/v2/milvuspb"
	"google.golang.org/grpc"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/reflect/protoreflect"

	"migrate/internal/milvus"
	"migrate/internal/model"
)

// Within is what a collection or an alias of a database is called here: no name has a dot, so those of the default one are their own.
func Within(database, name string) string {
	if database == "" || database == milvus.DefaultDatabase || name == "" {
		return name
	}
	return database + "." + name
}

// own is the name that clients know.
func own(within string) string { return within[strings.LastIndexByte(within, '.')+1:] }

// owns are several.
func owns(within []string) (names []string) {
	for _, w := range within {
		names = append(names, own(w))
	}
	return names
}

// locate has calls name collections and aliases as they are called here, or refuses a database that is not there.
func (s *Server) locate(ctx context.Context, req any, _ *grpc.UnaryServerInfo, handle grpc.UnaryHandler) (any, error) {
	m := req.(proto.Message).ProtoReflect()
	for _, spelled := range []protoreflect.Name{"db_name", "dbName"} { // a request or two spell their fields otherwise
		if named := m.Descriptor().Fields().ByName(spelled); named != nil {
			locate(m, m.Get(named).String())
		}
	}
	return handle(ctx, req)
}

// locate does so for one database.
func locate(m protoreflect.Message, database string) {
	for _, field := range []protoreflect.Name{"collection_name", "collectionName", "collection_names", "alias"} {
		f := m.Descriptor().Fields().ByName(field)
		switch {
		case f == nil:
		case f.IsList():
			for i, list := 0, m.Mutable(f).List(); i < list.Len(); i++ {
				list.Set(i, protoreflect.ValueOfString(Within(database, list.Get(i).String())))
			}
		default:
			m.Set(f, protoreflect.ValueOfString(Within(database, m.Get(f).String())))
		}
	}
}

// lacksDatabase is how a call for a database that is not there is refused; nil where it is. s.mu is held.
func (s *Server) lacksDatabase(database string) *commonpb.Status {
	if slices.Contains(s.databases, cmp.Or(database, milvus.DefaultDatabase)) {
		return nil
	}
	return &commonpb.Status{Code: 800, Reason: "database not found[database=" + database + "]"}
}

// CreateDatabase makes one.
func (s *Server) CreateDatabase(_ context.Context, q *milvuspb.CreateDatabaseRequest) (*commonpb.Status, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if !named(q.DbName) {
		return &commonpb.Status{Code: 802, Reason: "invalid database name[database=" + q.DbName + "]"}, nil
	}
	if s.lacksDatabase(q.DbName) == nil {
		return &commonpb.Status{Code: 65535, Reason: "database already exist: " + q.DbName}, nil
	}
	s.databases = append(s.databases, q.DbName)
	s.properties[q.DbName] = q.Properties
	return &commonpb.Status{}, nil
}

// Rename gives a collection another name; it keeps its id.
func (s *Server) Rename(t testing.TB, from, to string) {
	t.Helper()
	s.mu.Lock()
	defer s.mu.Unlock()
	c, there := s.collections[from]
	if !there {
		t.Fatalf("there is no collection %q to be renamed", from)
	}
	delete(s.collections, from)
	renamed := *c.Collection
	renamed.Name, renamed.Schema = own(to), model.CloneSchema(c.Schema)
	renamed.Schema.Name = own(to)
	c.Collection, s.collections[to] = &renamed, c
}

// ListDatabases lists them.
func (s *Server) ListDatabases(context.Context, *milvuspb.ListDatabasesRequest) (*milvuspb.ListDatabasesResponse, error) {
	if err := s.lacks(Lite25, "ListDatabases"); err != nil {
		return nil, err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	return &milvuspb.ListDatabasesResponse{Status: &commonpb.Status{}, DbNames: slices.Clone(s.databases)}, nil
}

// ShowCollections lists those of a database, or those of which something is loaded.
func (s *Server) ShowCollections(_ context.Context, q *milvuspb.ShowCollectionsRequest) (*milvuspb.ShowCollectionsResponse, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	resp := &milvuspb.ShowCollectionsResponse{Status: s.lacksDatabase(q.DbName)}
	if resp.Status != nil {
		return resp, nil
	}
	resp.Status = &commonpb.Status{}
	for _, name := range slices.Sorted(maps.Keys(s.collections)) {
		listed := q.Type != milvuspb.ShowType_InMemory || s.collections[name].loaded()
		if listed && name == Within(q.DbName, own(name)) {
			resp.CollectionNames = append(resp.CollectionNames, own(name))
			resp.CollectionIds = append(resp.CollectionIds, s.collections[name].ID)
		}
	}
	return resp, nil
}
