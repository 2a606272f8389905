package export

import (
	"context"
	"errors"
	"fmt"
	"path"

	"migrate/sinks"
)

// Whole reports whether a part is on the sink as it was written.
func Whole(ctx context.Context, sink sinks.Sink, job string, p Part) (whole bool, err error) {
	obj, err := sink.Open(ctx, path.Join(job, p.Object))
	if errors.Is(err, sinks.ErrNotExist) {
		return false, nil
	}
	if err != nil {
		return false, fmt.Errorf("opening part %s: %w", p.Object, err)
	}
	defer func() { err = errors.Join(err, obj.Close()) }()
	if obj.Size() != p.Bytes {
		return false, nil
	}
	sum, _, err := Digest(obj)
	if err != nil {
		return false, fmt.Errorf("reading part %s: %w", p.Object, err)
	}
	return sum == p.SHA256, nil
}
