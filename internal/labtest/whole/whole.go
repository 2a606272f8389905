// Package whole makes a whole server, the same for the same seed: three databases with collections of every kind that 2.3 has, and the
// users, roles and grants around them. It holds what moves of a whole server have to bring over.
package whole

import (
	"cmp"
	"context"
	"fmt"
	"slices"

	"github.com/milvus-io/milvus-proto/go-api/v2/milvuspb"
	"golang.org/x/sync/errgroup"

	"migrate/internal/milvus"
)

// Server is one that is made whole, and wiped: a lab's own, by its superuser.
type Server struct {
	Config   milvus.Config
	Protocol milvuspb.MilvusServiceClient
	Seed     uint64
	// Scale divides the rows of each collection; 1 where zero.
	Scale int
}

// atOnce is how many collections are made at once.
const atOnce = 12

// Default is the database that every server has.
const Default = "default"

// Databases are those of the server, beside the default one.
var Databases = []string{"shop", "Archive_2023"}

// Make fills an empty server.
func (s Server) Make(ctx context.Context) error {
	rooms := map[string]*milvus.Server{}
	for _, name := range append([]string{Default}, Databases...) {
		if name != Default {
			if _, err := s.Protocol.CreateDatabase(ctx, &milvuspb.CreateDatabaseRequest{DbName: name}); err != nil {
				return fmt.Errorf("making database %s: %w", name, err)
			}
		}
		room, err := s.in(ctx, name)
		if err != nil {
			return err
		}
		defer room.Close()
		rooms[name] = room
	}
	working, ctx := errgroup.WithContext(ctx)
	working.SetLimit(atOnce)
	working.Go(func() error { return s.makeAccess(ctx) })
	for i, c := range largestFirst() {
		working.Go(func() error {
			if err := (maker{s, rooms[c.database], c, uint64(i)}).run(ctx); err != nil {
				return fmt.Errorf("making %s.%s: %w", c.database, c.name, err)
			}
			return nil
		})
	}
	return working.Wait()
}

// in connects to the server as one that works in a database.
func (s Server) in(ctx context.Context, database string) (*milvus.Server, error) {
	cfg := s.Config
	cfg.Database = database
	return milvus.Connect(ctx, cfg)
}

func largestFirst() []collection {
	return slices.SortedStableFunc(slices.Values(collections()), func(a, b collection) int { return cmp.Compare(b.rows, a.rows) })
}

// Wipe takes everything from the server but its superuser and the roles that it came with.
func (s Server) Wipe(ctx context.Context) error {
	listed, err := s.Protocol.ListDatabases(ctx, &milvuspb.ListDatabasesRequest{})
	if err != nil {
		return err
	}
	for _, database := range listed.DbNames {
		if err := s.wipeDatabase(ctx, database); err != nil {
			return fmt.Errorf("wiping database %s: %w", database, err)
		}
	}
	return s.wipeAccess(ctx)
}

func (s Server) wipeDatabase(ctx context.Context, database string) error {
	shown, err := s.Protocol.ShowCollections(ctx, &milvuspb.ShowCollectionsRequest{DbName: database})
	if err != nil {
		return err
	}
	dropping, each := errgroup.WithContext(ctx)
	dropping.SetLimit(atOnce)
	for _, name := range shown.CollectionNames {
		dropping.Go(func() error { return s.dropCollection(each, database, name) })
	}
	if err := dropping.Wait(); err != nil || database == Default {
		return err
	}
	_, err = s.Protocol.DropDatabase(ctx, &milvuspb.DropDatabaseRequest{DbName: database})
	return err
}

// dropCollection drops a collection after its aliases, which 2.3 would leave behind.
func (s Server) dropCollection(ctx context.Context, database, name string) error {
	is, err := s.Protocol.DescribeCollection(ctx, &milvuspb.DescribeCollectionRequest{DbName: database, CollectionName: name})
	if err != nil {
		return err
	}
	for _, alias := range is.Aliases {
		if _, err := s.Protocol.DropAlias(ctx, &milvuspb.DropAliasRequest{DbName: database, Alias: alias}); err != nil {
			return err
		}
	}
	_, err = s.Protocol.DropCollection(ctx, &milvuspb.DropCollectionRequest{DbName: database, CollectionName: name})
	return err
}
