package lab

import (
	"fmt"
	"os"
	"path/filepath"
	"regexp"
)

// placeholder matches `{{ name }}`, `{{ name(type) }}` and `{{ name(type): default }}` in the wheel's template.
var placeholder = regexp.MustCompile(`\{\{\s*\w+(?:\(\w+\))?\s*(?::\s*([^}]*?))?\s*\}\}`)

const configNote = "# Milvus' defaults, written by the lab. Where a part differs from them, its environment says so.\n"

// renderConfig writes the configuration folder that every Milvus of the lab reads.
func (l *Lab) renderConfig() error {
	template, err := os.ReadFile(l.installed(milvusPack, "config.yaml.template"))
	if err != nil {
		return fmt.Errorf("reading Milvus' configuration template: %w", err)
	}
	glog, err := os.ReadFile(l.installed(milvusPack, "glog.conf"))
	if err != nil {
		return fmt.Errorf("reading Milvus' glog.conf: %w", err)
	}
	if err := writeFile(l.path("config", "milvus", "milvus.yaml"), configNote+render(string(template))); err != nil {
		return fmt.Errorf("writing Milvus' configuration: %w", err)
	}
	if err := writeFile(l.path("config", "milvus", "glog.conf"), string(glog)); err != nil {
		return fmt.Errorf("writing Milvus' glog.conf: %w", err)
	}
	return nil
}

// render puts its default, or nothing, in the place of every placeholder.
func render(template string) string {
	return placeholder.ReplaceAllString(template, "$1")
}

// writeFile puts text at path in one step: parts that start together write the same files.
func writeFile(path, text string) error {
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		return err
	}
	temp, err := os.CreateTemp(filepath.Dir(path), filepath.Base(path)+".*.partial")
	if err != nil {
		return err
	}
	defer os.Remove(temp.Name())
	_, err = temp.WriteString(text)
	if closeErr := temp.Close(); err == nil {
		err = closeErr
	}
	if err != nil {
		return err
	}
	return os.Rename(temp.Name(), path)
}
