package move

import (
	"context"
	"errors"
	"fmt"

	"migrate/internal/milvus"
)

// pointAliases has aliases name a collection of the target, once its rows were seen to be equal. One that names another collection there, or
// is the name of one, is told of and left.
func pointAliases(ctx context.Context, target *milvus.Server, name string, aliases []string) (notes []string, err error) {
	for _, alias := range aliases {
		now, err := target.Aliased(ctx, alias)
		switch {
		case errors.Is(err, milvus.ErrNoAlias):
			notes = append(notes, fmt.Sprintf("alias %q is not made: it is the name of a collection on the target", alias))
		case err != nil:
			return notes, err
		case now != "" && now != name:
			notes = append(notes, fmt.Sprintf("alias %q names %q on the target, and was left so", alias, now))
		default:
			if err := target.PointAlias(ctx, alias, name); err != nil {
				return notes, err
			}
		}
	}
	return notes, nil
}
