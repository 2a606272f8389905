package images

import (
	"archive/tar"
	"context"
	"errors"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"migrate/deploy/lab"
)

// recorder is an engine that keeps what it is sent.
type recorder struct{ images map[string]map[string]string } // contents of files by image and name

func (r *recorder) Docker(_ context.Context, in io.Reader, args ...string) (string, error) {
	if args[0] != "build" {
		_, err := io.Copy(io.Discard, in)
		return "", err
	}
	contents := map[string]string{}
	r.images[args[slices.Index(args, "--tag")+1]] = contents
	for t := tar.NewReader(in); ; {
		header, err := t.Next()
		if errors.Is(err, io.EOF) {
			return "", nil
		}
		if err != nil {
			return "", err
		}
		text, err := io.ReadAll(t)
		if err != nil {
			return "", err
		}
		contents[header.Name] = string(text)
	}
}

// TestBuild holds that each image is named by its variable and is sent whatever its Dockerfile copies.
func TestBuild(t *testing.T) {
	dir := t.TempDir()
	for _, name := range []string{"milvus/bin/milvus", "milvus/bin/libz.so.1", "etcd/etcd", "etcd/etcdctl", "minio/minio", "pulsar/lib/a.jar", "debian/etc/passwd"} {
		path := filepath.Join(dir, name)
		if err := errors.Join(os.MkdirAll(filepath.Dir(path), 0o755), os.WriteFile(path, []byte(name), 0o755)); err != nil {
			t.Fatal(err)
		}
	}
	software := lab.Software{
		Milvus: dir + "/milvus", MilvusYAML: []byte("mq:"), GlogConf: []byte("--minloglevel=0"), Etcd: dir + "/etcd",
		MinIO: dir + "/minio", Pulsar: dir + "/pulsar", PulsarLog: []byte("<Configuration/>"),
		PulsarOpens: []string{"java.base/java.lang", "java.base/java.io"}, Debian: dir + "/debian",
	}
	names := map[string]string{}
	for _, software := range []string{"MILVUS", "ETCD", "MINIO", "PULSAR", "NGINX", "PROMETHEUS"} {
		names[software+"_IMAGE"] = "lab/" + strings.ToLower(software)
	}
	r := &recorder{images: map[string]map[string]string{}}
	if err := Build(t.Context(), r, software, names); err != nil {
		t.Fatal(err)
	}
	for _, name := range names {
		for _, source := range copied(r.images[name]["Dockerfile"]) {
			if !sent(r.images[name], source) {
				t.Errorf("%s copies %s, which it was not sent", name, source)
			}
		}
	}
	if len(r.images) != len(names) || r.images["lab/milvus"]["bin/milvus"] != "milvus/bin/milvus" {
		t.Errorf("made %v", r.images)
	}
	const opens = "--add-opens=java.base/java.lang=ALL-UNNAMED\n--add-opens=java.base/java.io=ALL-UNNAMED\n"
	if got := r.images["lab/pulsar"]["opens"]; got != opens {
		t.Errorf("opens is %q", got)
	}
}

// copied are the sources of a Dockerfile's COPY lines.
func copied(dockerfile string) []string {
	var sources []string
	for line := range strings.Lines(dockerfile) {
		if words := strings.Fields(line); len(words) > 2 && words[0] == "COPY" {
			sources = append(sources, words[1:len(words)-1]...)
		}
	}
	return sources
}

// sent tells whether a file has the name, matches it, or lies below it.
func sent(contents map[string]string, source string) bool {
	for name := range contents {
		matched, _ := filepath.Match(source, name)
		if matched || strings.HasPrefix(name, source+"/") {
			return true
		}
	}
	return false
}

func TestBuildTellsWhichImageFailed(t *testing.T) {
	software := lab.Software{Milvus: t.TempDir() + "/missing", Debian: t.TempDir()}
	err := Build(t.Context(), &recorder{images: map[string]map[string]string{}}, software, map[string]string{"MILVUS_IMAGE": "lab/milvus"})
	if err == nil || !strings.Contains(err.Error(), "making image lab/milvus") {
		t.Errorf("error %v, want it to name the image", err)
	}
}
