package main

import (
	"context"

	"migrate/deploy/lab"
	"migrate/internal/ops/cluster"
	"migrate/internal/ops/compose"
)

// platform is what the cluster runs on: a Compose project, or the lab, of which the rest of the program knows nothing.
func (c config) platform(ctx context.Context) (cluster.Platform, error) {
	if c.Lab != "" {
		l, err := lab.Open(c.Lab)
		if err != nil {
			return nil, err
		}
		return lab.Cluster{Lab: l}, nil
	}
	project, err := compose.Open(ctx, c.ProjectDir)
	if err != nil {
		return nil, err
	}
	return cluster.OnCompose(project), nil
}
