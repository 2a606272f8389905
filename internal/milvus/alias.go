package milvus

import (
	"context"
	"errors"
	"fmt"

	"github.com/milvus-io/milvus-proto/go-api/v2/milvuspb"
)

// ErrNoAlias: the name is a collection's own, so it can't be an alias of another.
var ErrNoAlias = errors.New("is a collection's own name")

// ErrAlias: the name is an alias, and not that of a collection.
var ErrAlias = errors.New("is an alias")

// Aliased returns the name of the collection that an alias names; "" where it names none. ErrNoAlias where a collection has
// that name itself.
func (s *Server) Aliased(ctx context.Context, alias string) (string, error) {
	resp, err := s.svc.DescribeCollection(ctx, &milvuspb.DescribeCollectionRequest{DbName: s.database, CollectionName: alias})
	if errors.Is(err, ErrNotFound) {
		return "", nil
	}
	if err != nil {
		return "", fmt.Errorf("looking for alias %q on %s: %w", alias, s.Address, err)
	}
	if name := resp.GetSchema().GetName(); name != alias {
		return name, nil
	}
	return "", fmt.Errorf("alias %q on %s: %w", alias, s.Address, ErrNoAlias)
}

// PointAlias has an alias name a collection, whatever it named before, or none where collection is empty. It may be repeated.
func (s *Server) PointAlias(ctx context.Context, alias, collection string) error {
	now, err := s.Aliased(ctx, alias)
	switch {
	case err != nil || now == collection:
	case collection == "":
		_, err = s.svc.DropAlias(ctx, &milvuspb.DropAliasRequest{DbName: s.database, Alias: alias})
	case now == "":
		_, err = s.svc.CreateAlias(ctx, &milvuspb.CreateAliasRequest{DbName: s.database, CollectionName: collection, Alias: alias})
	default:
		_, err = s.svc.AlterAlias(ctx, &milvuspb.AlterAliasRequest{DbName: s.database, CollectionName: collection, Alias: alias})
	}
	if err != nil {
		return fmt.Errorf("pointing alias %q on %s to %q: %w", alias, s.Address, collection, err)
	}
	return nil
}
