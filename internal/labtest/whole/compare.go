package whole

import (
	"context"
	_ "embed"
	"encoding/json"
	"fmt"
	"maps"
	"os"
	"os/exec"
	"slices"
	"strings"

	"migrate/deploy/lab"
	"migrate/internal/milvus"
)

//go:embed testdata/compare.py
var comparison string

// Compared is how much of two servers was compared, and in what they differ.
type Compared struct {
	Databases, Collections, Rows int
	Differences                  []string
}

// Comparison has pymilvus compare what was made on a server with what was moved to another: all but what is NotMovable. It shares nothing
// with migrate.
type Comparison struct {
	Left, Right milvus.Config
	NewKeys     []string // collections whose rows have other keys
	Only        []string // collections; all where empty
}

// Run compares, and loads for that what is not loaded.
func (c Comparison) Run(ctx context.Context) (Compared, error) {
	l, err := lab.Open(os.Getenv(lab.DirVariable))
	if err != nil {
		return Compared{}, err
	}
	python, err := l.Python(ctx)
	if err != nil {
		return Compared{}, err
	}
	asked, err := json.Marshal(map[string]any{
		"left": login(c.Left), "right": login(c.Right), "not_moved": slices.Sorted(maps.Keys(NotMovable)),
		"new_keys": append([]string{}, c.NewKeys...), "only": append([]string{}, c.Only...),
	})
	if err != nil {
		return Compared{}, err
	}
	cmd := exec.CommandContext(ctx, python, "-c", comparison)
	var complaint strings.Builder
	cmd.Stdin, cmd.Stderr = strings.NewReader(string(asked)), &complaint
	out, err := cmd.Output()
	if err != nil {
		return Compared{}, fmt.Errorf("comparing by pymilvus: %w\n%s", err, complaint.String())
	}
	var found Compared
	return found, json.Unmarshal(out, &found)
}

// login is what pymilvus needs to know of a server.
func login(cfg milvus.Config) map[string]string {
	is := map[string]string{"address": cfg.Address, "user": cfg.Username, "password": cfg.Password}
	if cfg.TLS {
		is["ca"] = cfg.CAFile
	}
	return is
}
