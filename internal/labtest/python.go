package labtest

import (
	"context"
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"strings"

	"migrate/deploy/lab"
)

// Python runs the lab's Python, which has pymilvus 2.3.7, pyarrow and duckdb, with a script and its arguments, and reads the JSON that it
// prints. Its error is what the script complains of.
func Python(ctx context.Context, into any, args ...string) error {
	return python(ctx, (*lab.Lab).Python, into, args...)
}

// NewPython runs the lab's newer Python, which has pymilvus 3 and pyarrow.
func NewPython(ctx context.Context, into any, args ...string) error {
	return python(ctx, (*lab.Lab).NewPython, into, args...)
}

func python(ctx context.Context, interpreter func(*lab.Lab, context.Context) (string, error), into any, args ...string) error {
	l, err := lab.Open(os.Getenv(lab.DirVariable))
	if err != nil {
		return err
	}
	python, err := interpreter(l, ctx)
	if err != nil {
		return err
	}
	cmd := exec.CommandContext(ctx, python, args...)
	var complaint strings.Builder
	cmd.Stderr = &complaint
	out, err := cmd.Output()
	if err != nil {
		return fmt.Errorf("running Python: %w\n%s", err, complaint.String())
	}
	if err := json.Unmarshal(out, into); err != nil {
		return fmt.Errorf("python printed %.200q: %w", out, err)
	}
	return nil
}
