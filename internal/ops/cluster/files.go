package cluster

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
)

// Overlays are what can be laid on the base, in the order in which Compose has to get them.
var Overlays = []string{"ha", "lb", "monitoring", "standalone", "migrate"}

// ErrOverlay is an overlay that there is none of.
var ErrOverlay = errors.New("no such overlay")

// WriteFiles makes a folder with the files of a project, random credentials, and a name of its own and the overlays that are
// wished for noted in its .env. A folder that is there is refused.
func WriteFiles(ctx context.Context, dir string, files fs.FS, overlays []string) error {
	for _, o := range overlays {
		if !slices.Contains(Overlays, o) {
			return fmt.Errorf("overlay %q: %w: there are %s", o, ErrOverlay, strings.Join(Overlays, ", "))
		}
	}
	if err := os.Mkdir(dir, 0o755); err != nil {
		return fmt.Errorf("making the project's folder: %w", err)
	}
	if err := fill(ctx, dir, files, overlays); err != nil {
		return errors.Join(err, os.RemoveAll(dir))
	}
	return nil
}

func fill(ctx context.Context, dir string, files fs.FS, overlays []string) error {
	if err := os.CopyFS(dir, files); err != nil {
		return fmt.Errorf("writing the project's files: %w", err)
	}
	if err := setModes(dir); err != nil {
		return fmt.Errorf("writing the project's files: %w", err)
	}
	// The script that one would run by hand, so that there is one way to make credentials.
	if out, err := exec.CommandContext(ctx, "sh", filepath.Join(dir, "new-env")).CombinedOutput(); err != nil {
		return fmt.Errorf("making credentials: %w: %s", err, out)
	}
	return addSettings(filepath.Join(dir, ".env"), projectName(dir), overlays)
}

// setModes has everybody read the files and run the scripts: containers do that as users of their own, whatever umask this
// process has. A program carries files without their modes.
func setModes(dir string) error {
	return filepath.WalkDir(dir, func(path string, e fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		mode := os.FileMode(0o644)
		if e.IsDir() || e.Name() == "new-env" || filepath.Ext(path) == ".sh" {
			mode = 0o755
		}
		return os.Chmod(path, mode)
	})
}

// notInName is what Compose allows in no project's name.
var notInName = regexp.MustCompile(`[^a-z0-9_-]+`)

// projectName is the folder's name and six random letters or digits: Compose tells projects apart by their names, so that
// folders with the same one would share containers and data.
func projectName(dir string) string {
	name := filepath.Base(dir) + "-" + rand.Text()[:6]
	return strings.TrimLeft(notInName.ReplaceAllString(strings.ToLower(name), ""), "_-")
}

// addSettings has Compose take the name and the overlays without being told each time.
func addSettings(env, name string, overlays []string) error {
	chosen := []string{"compose.yaml"}
	for _, o := range Overlays {
		if slices.Contains(overlays, o) {
			chosen = append(chosen, "compose."+o+".yaml")
		}
	}
	f, err := os.OpenFile(env, os.O_APPEND|os.O_WRONLY, 0o600)
	if err != nil {
		return fmt.Errorf("noting name and overlays: %w", err)
	}
	_, err = fmt.Fprintf(f, "COMPOSE_PROJECT_NAME=%s\nCOMPOSE_FILE=%s\n", name, strings.Join(chosen, ":"))
	return errors.Join(err, f.Close())
}
