package milvus

import (
	"context"
	"fmt"
	"sync"

	"github.com/milvus-io/milvus-proto/go-api/v2/milvuspb"

	"migrate/internal/model"
)

// Catalog describes many collections of a server. Which of them are loaded is asked once of each database, and as of then.
type Catalog struct {
	server *Server
	mu     sync.Mutex
	loaded map[string]map[int64]bool // by database, the ids of those that are, if only in part
}

// NewCatalog begins one.
func NewCatalog(s *Server) *Catalog {
	return &Catalog{server: s, loaded: map[string]map[int64]bool{}}
}

// Describe is DescribeWhole of a collection, by three calls where it is released, and by five at most.
func (c *Catalog) Describe(ctx context.Context, database, name string) (*model.Collection, error) {
	server := c.server.In(database)
	if !server.Capabilities().Replicas { // it does not list what is loaded
		return server.DescribeWhole(ctx, name)
	}
	coll, err := server.Definition(ctx, name)
	if err != nil {
		return nil, err
	}
	loaded, err := c.isLoaded(ctx, server, coll.ID)
	if err != nil {
		return nil, err
	}
	if coll.Load = new(model.Load); loaded {
		if *coll.Load, err = server.loadOfLoaded(ctx, coll); err != nil { // it may have been released since
			*coll.Load, err = server.LoadOf(ctx, coll)
		}
	}
	coll.Loaded = coll.Load.Whole(coll.Partitions)
	return coll, err
}

// isLoaded reports whether something of a collection is loaded, or being loaded.
func (c *Catalog) isLoaded(ctx context.Context, server *Server, id int64) (bool, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	all, asked := c.loaded[server.database]
	if asked {
		return all[id], nil
	}
	req := &milvuspb.ShowCollectionsRequest{DbName: server.database, Type: milvuspb.ShowType_InMemory}
	resp, err := server.svc.ShowCollections(ctx, req)
	if err != nil {
		return false, fmt.Errorf("listing the loaded collections of database %q on %s: %w", server.database, server.Address, err)
	}
	all = make(map[int64]bool, len(resp.GetCollectionIds()))
	for _, id := range resp.GetCollectionIds() {
		all[id] = true
	}
	c.loaded[server.database] = all
	return all[id], nil
}
