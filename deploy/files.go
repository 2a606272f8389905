// Package deploy holds the files of the Compose project, for migrate to write out where there is no copy of this repository.
package deploy

import (
	"embed"
	"io/fs"
)

//go:embed compose/*.yaml compose/.env.example compose/new-env compose/lb compose/migrate compose/monitoring compose/pulsar
var files embed.FS

// ComposeFiles are the files of the Compose project.
func ComposeFiles() (fs.FS, error) { return fs.Sub(files, "compose") }
