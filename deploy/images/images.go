// Package images makes the images of deploy/compose from packages, where none can be pulled: the layout, programs and
// health checks are those of the official images, and the versions those that the package registries serve.
package images

import (
	"archive/tar"
	"context"
	"embed"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strings"

	"migrate/deploy/lab"
)

//go:embed *.Dockerfile pulsar.sh
var files embed.FS

// Debian is the image of the root file system, which others are made from.
const Debian = "lab/debian"

// A Builder makes images: package engine's Engine.
type Builder interface {
	Docker(ctx context.Context, in io.Reader, args ...string) (string, error)
}

// An image is what its Dockerfile makes of a folder and of some more files.
type image struct {
	variable   string // names the image in lab.env
	dockerfile string
	folder     string
	more       map[string][]byte
}

// Build makes all images of the software and gives each the name that its variable has.
func Build(ctx context.Context, b Builder, s lab.Software, names map[string]string) error {
	if err := importDebian(ctx, b, s.Debian); err != nil {
		return err
	}
	all, err := table(s)
	if err != nil {
		return err
	}
	for _, i := range all {
		if err := i.build(ctx, b, names[i.variable]); err != nil {
			return fmt.Errorf("making image %s: %w", names[i.variable], err)
		}
	}
	return nil
}

func table(s lab.Software) ([]image, error) {
	start, err := files.ReadFile("pulsar.sh")
	if err != nil {
		return nil, err
	}
	opens := "--add-opens=" + strings.Join(s.PulsarOpens, "=ALL-UNNAMED\n--add-opens=") + "=ALL-UNNAMED\n"
	return []image{
		{"MILVUS_IMAGE", "milvus", s.Milvus, map[string][]byte{"configs/milvus.yaml": s.MilvusYAML, "configs/glog.conf": s.GlogConf}},
		{"ETCD_IMAGE", "etcd", s.Etcd, nil},
		{"MINIO_IMAGE", "minio", s.MinIO, nil},
		{"PULSAR_IMAGE", "pulsar", s.Pulsar, map[string][]byte{"pulsar": start, "opens": []byte(opens), "log4j2.xml": s.PulsarLog}},
		{"NGINX_IMAGE", "debian", "", nil},
		{"PROMETHEUS_IMAGE", "debian", "", nil},
	}, nil
}

// importDebian makes the image debian of the root file system.
func importDebian(ctx context.Context, b Builder, root string) error {
	pack := exec.CommandContext(ctx, "tar", "-C", root, "-c", ".")
	packed, err := pack.StdoutPipe()
	if err != nil {
		return err
	}
	if err := pack.Start(); err != nil {
		return fmt.Errorf("packing %s: %w", root, err)
	}
	_, err = b.Docker(ctx, packed, "import", "-", Debian)
	if err := errors.Join(err, pack.Wait()); err != nil {
		return fmt.Errorf("importing %s: %w", root, err)
	}
	return nil
}

// build sends the folder and the files to the engine as a tar, and has it make the image.
func (i image) build(ctx context.Context, b Builder, name string) error {
	dockerfile, err := files.ReadFile(i.dockerfile + ".Dockerfile")
	if err != nil {
		return err
	}
	out, in := io.Pipe()
	defer out.Close()
	go func() { in.CloseWithError(i.send(in, dockerfile)) }()
	_, err = b.Docker(ctx, out, "build", "--quiet", "--tag", name, "-")
	return err
}

func (i image) send(w io.Writer, dockerfile []byte) error {
	t := tar.NewWriter(w)
	if i.folder != "" {
		if err := t.AddFS(os.DirFS(i.folder)); err != nil {
			return fmt.Errorf("packing %s: %w", filepath.Base(i.folder), err)
		}
	}
	add := func(name string, text []byte) error {
		if err := t.WriteHeader(&tar.Header{Name: name, Mode: 0o755, Size: int64(len(text))}); err != nil {
			return err
		}
		_, err := t.Write(text)
		return err
	}
	for name, text := range i.more {
		if err := add(name, text); err != nil {
			return fmt.Errorf("packing %s: %w", name, err)
		}
	}
	return errors.Join(add("Dockerfile", dockerfile), t.Close())
}
