package milvus

import (
	"context"
	"errors"
	"fmt"
	"hash/fnv"
	"slices"
	"strings"

	"github.com/milvus-io/milvus-proto/go-api/v2/milvuspb"
)

// A fence is an alias by which the owner of a job alone writes to a collection. Whoever takes the job over drops it first, so that the
// server itself refuses what the one before has still under way: no clock is asked, and no time is waited for.
const fencePrefix = "_migrate_"

// FenceOf is the fence of one owner of a job.
func FenceOf(job, owner string) string { return fencesOf(job) + strings.ToLower(owner) }

// fencesOf is how all fences of a job begin. A job's name may have characters that an alias may not.
func fencesOf(job string) string {
	h := fnv.New64a()
	_, _ = h.Write([]byte(job)) // it returns no error
	return fmt.Sprintf("%s%016x_", fencePrefix, h.Sum64())
}

// Fences are those of a job that a collection has.
func (s *Server) Fences(ctx context.Context, collection, job string) ([]string, error) {
	aliases, err := s.aliases(ctx, collection)
	return slices.DeleteFunc(aliases, func(a string) bool { return !strings.HasPrefix(a, fencesOf(job)) }), err
}

// DropFences drops aliases that Fences named. It may be repeated.
func (s *Server) DropFences(ctx context.Context, fences []string) error {
	for _, f := range fences {
		if err := s.PointAlias(ctx, f, ""); err != nil {
			return err
		}
	}
	return nil
}

// aliases are all of a collection, fences among them.
func (s *Server) aliases(ctx context.Context, collection string) ([]string, error) {
	if !s.Capabilities().Clock {
		return s.liteAliases(ctx, collection)
	}
	resp, err := s.svc.DescribeCollection(ctx, &milvuspb.DescribeCollectionRequest{DbName: s.database, CollectionName: collection})
	if err != nil {
		return nil, fmt.Errorf("looking for the aliases of %q on %s: %w", collection, s.Address, err)
	}
	return resp.GetAliases(), nil
}

// liteAliases are those of a collection of a Milvus Lite, where it has any.
func (s *Server) liteAliases(ctx context.Context, collection string) ([]string, error) {
	resp, err := s.svc.ListAliases(ctx, &milvuspb.ListAliasesRequest{DbName: s.database, CollectionName: collection})
	if err != nil && !errors.Is(err, ErrUnimplemented) {
		return nil, fmt.Errorf("listing the aliases of %q on %s: %w", collection, s.Address, err)
	}
	return resp.GetAliases(), nil
}

// withoutFences are the aliases that are the users'.
func withoutFences(aliases []string) (users []string) {
	for _, a := range aliases {
		if !strings.HasPrefix(a, fencePrefix) {
			users = append(users, a)
		}
	}
	return users
}
