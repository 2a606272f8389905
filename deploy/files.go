// Package deploy holds the files of the Compose project, for migrate to write out where there is no copy of this repository.
package deploy

import (
	"embed"
	"io/fs"
)

// compose.lab.yaml is for the tests: its images are made by them.
//
//go:embed compose/compose.yaml compose/compose.ha.yaml compose/compose.lb.yaml compose/compose.monitoring.yaml
//go:embed compose/compose.standalone.yaml compose/compose.migrate.yaml compose/.env.example compose/new-env compose/lb compose/migrate compose/monitoring compose/pulsar
var files embed.FS

// ComposeFiles are the files of the Compose project.
func ComposeFiles() (fs.FS, error) { return fs.Sub(files, "compose") }
