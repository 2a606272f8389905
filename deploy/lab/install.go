package lab

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"time"

	"golang.org/x/sync/errgroup"
)

// A pack is software from a package registry, in a folder of its own in the cache. The folder is there only when it is
// whole.
type pack struct {
	name  string   // its folder's name, with its version
	how   string   // where it comes from, for the progress line
	tools []string // programs that building it takes
	build func(ctx context.Context, b *build) error
}

// install makes sure that the packs are in the cache, all at once.
func (l *Lab) install(ctx context.Context, packs ...pack) error {
	if err := l.haveTools(packs); err != nil {
		return err
	}
	group, ctx := errgroup.WithContext(ctx)
	for _, p := range packs {
		if !l.isInstalled(p) {
			group.Go(func() error { return l.installOne(ctx, p) })
		}
	}
	return group.Wait()
}

// installOne builds the pack under a name that nothing takes for finished, and renames it when it is whole. Another
// process that wants it waits, and then finds it there.
func (l *Lab) installOne(ctx context.Context, p pack) error {
	unlock, err := lockFile(ctx, filepath.Join(l.cache, p.name+".lock"))
	if err != nil {
		return err
	}
	defer unlock()
	if l.isInstalled(p) {
		return nil
	}
	l.reportf("installing %s (%s)", p.name, p.how)
	began := time.Now()
	if err := l.buildAndRename(ctx, p); err != nil {
		return fmt.Errorf("installing %s: %w", p.name, err)
	}
	l.reportf("installed %s in %s", p.name, time.Since(began).Round(100*time.Millisecond))
	return nil
}

func (l *Lab) buildAndRename(ctx context.Context, p pack) error {
	log, err := os.Create(filepath.Join(l.cache, p.name+".log"))
	if err != nil {
		return err
	}
	defer log.Close()
	b := &build{dir: l.installed(p) + ".partial", log: log}
	defer os.RemoveAll(b.dir)
	if err := b.clear(); err != nil {
		return err
	}
	if err := p.build(ctx, b); err != nil {
		if ctx.Err() != nil {
			return ctx.Err()
		}
		return withTail(err, log.Name())
	}
	return os.Rename(b.dir, l.installed(p))
}

// installed is the path of the pack's folder, or of something in it.
func (l *Lab) installed(p pack, elements ...string) string {
	return filepath.Join(append([]string{l.cache, p.name}, elements...)...)
}

func (l *Lab) isInstalled(p pack) bool {
	_, err := os.Stat(l.installed(p))
	return err == nil
}

// A build is one attempt at a pack: the folder that it fills and the log of the programs it runs.
type build struct {
	dir string
	log *os.File
}

// clear empties the folder: an attempt that was killed leaves its own behind.
func (b *build) clear() error {
	if err := os.RemoveAll(b.dir); err != nil {
		return err
	}
	return os.MkdirAll(b.dir, 0o755)
}

func (b *build) path(elements ...string) string {
	return filepath.Join(append([]string{b.dir}, elements...)...)
}

// run runs a program in the build's folder, with its output in the log.
func (b *build) run(ctx context.Context, env []string, name string, args ...string) error {
	fmt.Fprintf(b.log, "$ %s %s\n", name, strings.Join(args, " "))
	cmd := exec.CommandContext(ctx, name, args...)
	cmd.Dir, cmd.Stdout, cmd.Stderr = b.dir, b.log, b.log
	cmd.Env = append(os.Environ(), env...)
	cmd.Cancel = func() error { return cmd.Process.Signal(os.Interrupt) }
	cmd.WaitDelay = time.Second
	if err := cmd.Run(); err != nil {
		return fmt.Errorf("running %s: %w", filepath.Base(name), err)
	}
	return nil
}

// prerequisites tell how to come by each program that the lab takes for granted.
var prerequisites = map[string]string{
	"go":          "install Go 1.26 or newer",
	"python3":     "install Python 3.10 or newer (Debian: apt-get install python3 python3-pip python3-venv)",
	"java":        "install Java 11 or newer (Debian: apt-get install openjdk-17-jre-headless)",
	"mvn":         "install Maven (Debian: apt-get install maven)",
	"debootstrap": "install debootstrap (Debian: apt-get install debootstrap)",
}

func missing(tool string) error {
	return fmt.Errorf("%s is not on the PATH: %s", tool, prerequisites[tool])
}

// haveTools is an error that names every program that the packs not yet installed take, and that is not there.
func (l *Lab) haveTools(packs []pack) error {
	var errs []error
	looked := map[string]bool{}
	for _, p := range packs {
		if l.isInstalled(p) {
			continue
		}
		for _, tool := range p.tools {
			if _, err := exec.LookPath(tool); err != nil && !looked[tool] {
				errs = append(errs, fmt.Errorf("installing %s: %w", p.name, missing(tool)))
			}
			looked[tool] = true
		}
	}
	return errors.Join(errs...)
}
