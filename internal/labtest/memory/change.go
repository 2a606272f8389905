package memory

//lint:file-ignore SA1019 servers of 2.3 tell some errors by these codes alone

import (
	"cmp"
	"context"
	"regexp"
	"slices"
	"strings"

	"github.com/milvus-io/milvus-proto/go-api/v2/commonpb"
	"github.com/milvus-io/milvus-proto/go-api/v2/milvuspb"
	"github.com/milvus-io/milvus-proto/go-api/v2/schemapb"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/proto"

	"migrate/internal/model"
)

// CreateCollection makes a collection, which is loaded once its vectors have an index.
func (s *Server) CreateCollection(_ context.Context, q *milvuspb.CreateCollectionRequest) (*commonpb.Status, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	var schema schemapb.CollectionSchema
	if err := proto.Unmarshal(q.Schema, &schema); err != nil {
		return nil, status.Error(codes.InvalidArgument, err.Error())
	}
	if st := s.lacksDatabase(q.DbName); st != nil {
		return st, nil
	}
	if schema.Name == "" {
		return &commonpb.Status{Code: 1100, Reason: "collection name should not be empty: invalid parameter"}, nil
	}
	l, err := layoutsOf(&schema)
	if err != nil {
		return nil, status.Error(codes.InvalidArgument, err.Error())
	}
	c := &model.Collection{Name: q.CollectionName, Schema: &schema, Shards: q.ShardsNum, ConsistencyLevel: q.ConsistencyLevel, Properties: q.Properties}
	if _, told := model.ToMap(q.Properties)["timezone"]; !told && s.since("2.6") {
		c.Properties = append(c.Properties, &commonpb.KeyValuePair{Key: "timezone", Value: "UTC"})
	}
	s.add(c, l)
	return &commonpb.Status{}, nil
}

// DropCollection removes a collection. It is no error if there is none.
func (s *Server) DropCollection(_ context.Context, q *milvuspb.DropCollectionRequest) (*commonpb.Status, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	delete(s.collections, q.CollectionName)
	return &commonpb.Status{}, nil
}

// CreatePartition adds one.
func (s *Server) CreatePartition(_ context.Context, q *milvuspb.CreatePartitionRequest) (*commonpb.Status, error) {
	if !named(q.PartitionName) {
		return &commonpb.Status{Code: 1100, Reason: "Invalid partition name: " + q.PartitionName}, nil
	}
	return s.change(q.CollectionName, func(c *collection) { c.Partitions = append(c.Partitions, q.PartitionName) })
}

// CreateIndex adds one. It is called as its field is, and as its path where it is one on JSON, unless it is given a name.
func (s *Server) CreateIndex(_ context.Context, q *milvuspb.CreateIndexRequest) (*commonpb.Status, error) {
	params := model.ToMap(q.ExtraParams)
	switch {
	case q.FieldName == "":
		return s.change(q.CollectionName, func(*collection) {}) // which it refuses, unless there is no such collection
	case strings.Contains(q.IndexName, "/"):
		return &commonpb.Status{Code: 1100, Reason: "Invalid index name: " + q.IndexName}, nil
	case params["index_type"] == "AUTOINDEX" && params["metric_type"] != "" && len(params) > 2:
		return &commonpb.Status{Code: 1100, Reason: "only metric type can be passed when use AutoIndex"}, nil
	}
	name := cmp.Or(q.IndexName, q.FieldName+pointer(params["json_path"]))
	return s.change(q.CollectionName, func(c *collection) {
		c.Indexes = append(c.Indexes, model.Index{Name: name, Field: q.FieldName, Params: q.ExtraParams})
	})
}

// pointer is what of a path of JSON, such as meta["a"]["b"], comes after the field: /a/b.
func pointer(path string) (keys string) {
	for _, part := range strings.Split(path, `"`)[1:] {
		if !strings.ContainsAny(part, "[]") {
			keys += "/" + part
		}
	}
	return keys
}

// AlterIndex sets parameters of one, from 2.4 on.
func (s *Server) AlterIndex(ctx context.Context, q *milvuspb.AlterIndexRequest) (*commonpb.Status, error) {
	if !s.since("2.4") {
		return s.UnimplementedMilvusServiceServer.AlterIndex(ctx, q)
	}
	st := &commonpb.Status{Code: 700, Reason: "index not found"}
	found, err := s.change(q.CollectionName, func(c *collection) {
		for i, x := range c.Indexes {
			if x.Name == q.IndexName {
				c.Indexes[i].Params = append(slices.Clone(x.Params), q.ExtraParams...)
				st = &commonpb.Status{}
			}
		}
	})
	if err != nil || found.Code != 0 {
		return found, err
	}
	return st, nil
}

// SetProperty sets a property of a collection, as AlterCollection does.
func (s *Server) SetProperty(name, key, value string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	c := s.collections[name]
	c.Properties = slices.DeleteFunc(slices.Clone(c.Properties), func(p *commonpb.KeyValuePair) bool { return p.Key == key })
	c.Properties = append(c.Properties, &commonpb.KeyValuePair{Key: key, Value: value})
}

// CreateAlias has an alias name a collection.
func (s *Server) CreateAlias(_ context.Context, q *milvuspb.CreateAliasRequest) (*commonpb.Status, error) {
	if !named(own(q.Alias)) {
		return &commonpb.Status{Code: 1100, Reason: "Invalid collection alias: " + q.Alias}, nil
	}
	return s.change(q.CollectionName, func(c *collection) { c.Aliases = append(c.Aliases, q.Alias) })
}

// named reports whether something can have a name.
func named(name string) bool { return validName.MatchString(name) }

var validName = regexp.MustCompile(`^[_A-Za-z][_A-Za-z0-9]*$`)

// AlterAlias has it name another.
func (s *Server) AlterAlias(ctx context.Context, q *milvuspb.AlterAliasRequest) (*commonpb.Status, error) {
	if st, err := s.DropAlias(ctx, &milvuspb.DropAliasRequest{Alias: q.Alias}); err != nil || st.Code != 0 {
		return st, err
	}
	return s.change(q.CollectionName, func(c *collection) { c.Aliases = append(c.Aliases, q.Alias) })
}

// DropAlias removes it.
func (s *Server) DropAlias(_ context.Context, q *milvuspb.DropAliasRequest) (*commonpb.Status, error) {
	return s.change(q.Alias, func(c *collection) {
		c.Aliases = slices.DeleteFunc(slices.Clone(c.Aliases), func(alias string) bool { return alias == q.Alias })
	})
}

func (s *Server) change(name string, change func(*collection)) (*commonpb.Status, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	c, st := s.find(name)
	if c != nil {
		change(c)
	}
	return st, nil
}
