package move

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"

	"migrate/internal/milvus"
	"migrate/internal/model"
)

// loadLike has a collection of the target, which an import has loaded as a whole, be loaded as it is on the source: released, in some
// partitions alone, in as many replicas, in resource groups of the same names. What the target can't do is told.
func loadLike(ctx context.Context, target *milvus.Server, name string, like model.Load) (notes []string, err error) {
	c, err := target.DescribeWhole(ctx, name)
	if err != nil {
		return nil, err
	}
	if like.Released() {
		if c.Load.Released() {
			return nil, nil
		}
		return nil, target.Release(ctx, name)
	}
	if len(c.Unindexed()) > 0 {
		return nil, nil // it can't be loaded, as on the source
	}
	like, notes, err = placeable(ctx, target, like)
	if err != nil {
		return notes, err
	}
	if c.Load.Replicas != like.Replicas || !slices.Equal(c.Load.Groups, like.Groups) {
		if err := replicate(ctx, target, name, like); err != nil {
			return append(notes, fmt.Sprintf("it is loaded in one replica, since the target refused %d: %v", like.Replicas, err)), unlessRefused(err)
		}
	}
	return notes, releaseOthers(ctx, target, c, like)
}

// placeable leaves out resource groups that the target has not.
func placeable(ctx context.Context, target *milvus.Server, like model.Load) (model.Load, []string, error) {
	if len(like.Groups) == 0 {
		return like, nil, nil
	}
	there, err := target.ResourceGroups(ctx)
	if note := groupsLacking(like, there); err == nil && note != "" {
		like.Groups = nil
		return like, []string{note}, nil
	}
	return like, nil, err
}

// groupsLacking says what becomes of replicas whose resource groups are not there; nothing where they are.
func groupsLacking(like model.Load, there []string) string {
	lacks := without(like.Groups, there)
	if len(lacks) == 0 {
		return ""
	}
	return fmt.Sprintf("its replicas are in the default resource group: the target has no %s", strings.Join(slices.Compact(lacks), ", "))
}

// replicate loads a collection anew with other replicas, and as it was where the target refuses them.
func replicate(ctx context.Context, target *milvus.Server, name string, like model.Load) error {
	if err := target.Release(ctx, name); err != nil {
		return err
	}
	err := target.LoadLike(ctx, name, like)
	if err == nil {
		return nil
	}
	return errors.Join(err, target.Load(ctx, name))
}

// unlessRefused is an error that is not an answer of the server.
func unlessRefused(err error) error {
	if milvus.Refused(err) && !errors.Is(err, milvus.ErrLoad) {
		return nil
	}
	return err
}

// releaseOthers releases the partitions that are not loaded on the source.
func releaseOthers(ctx context.Context, target *milvus.Server, c *model.Collection, like model.Load) error {
	if others := like.Lacking(c.Partitions); len(others) > 0 && len(others) < len(c.Partitions) {
		return target.ReleasePartitions(ctx, c.Name, others)
	}
	return nil
}
