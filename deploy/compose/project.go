// Package compose checks the Compose files beside it for what Compose itself lets pass and what then fails on the day:
// ports that collide, names that do not resolve, services that can't be scaled, secrets in the clear.
package compose

import (
	"context"
	"fmt"
	"path/filepath"
	"slices"
	"strings"

	"github.com/compose-spec/compose-go/v2/cli"
	"github.com/compose-spec/compose-go/v2/types"
)

// Overlays are what can be laid on the base, in the order in which they are given.
var Overlays = []string{"ha", "lb", "monitoring", "standalone", "migrate", "lab"}

// Files are the paths of the base in the folder, and of some overlays.
func Files(dir string, overlays ...string) []string {
	paths := []string{filepath.Join(dir, "compose.yaml")}
	for _, o := range Overlays {
		if slices.Contains(overlays, o) {
			paths = append(paths, filepath.Join(dir, "compose."+o+".yaml"))
		}
	}
	return paths
}

// Load reads Compose files as Compose does, all profiles included, with the variables in place of those of this process.
func Load(ctx context.Context, paths []string, variables map[string]string) (*types.Project, error) {
	var env []string
	for name, value := range variables {
		env = append(env, name+"="+value)
	}
	options, err := cli.NewProjectOptions(paths, cli.WithEnv(env), cli.WithProfiles([]string{"*"}))
	if err != nil {
		return nil, fmt.Errorf("reading %s: %w", strings.Join(paths, ", "), err)
	}
	project, err := options.LoadProject(ctx)
	if err != nil {
		return nil, fmt.Errorf("loading %s: %w", strings.Join(paths, ", "), err)
	}
	return project, nil
}
