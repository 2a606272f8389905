package compose

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
)

// SetVariable gives a variable another value in the project's .env, and leaves all else in it as it is.
func (p *Project) SetVariable(name, value string) error {
	path := filepath.Join(p.Dir, ".env")
	old, err := os.ReadFile(path)
	if err != nil {
		return fmt.Errorf("reading the project's .env: %w", err)
	}
	temporary := path + ".new"
	if err := os.WriteFile(temporary, []byte(setVariable(string(old), name, value)), 0o600); err != nil {
		return fmt.Errorf("writing the project's .env: %w", err)
	}
	if err := os.Rename(temporary, path); err != nil {
		return fmt.Errorf("replacing the project's .env: %w", err)
	}
	return nil
}

// setVariable replaces the line of a variable, or adds one.
func setVariable(text, name, value string) string {
	line := name + "=" + value + "\n"
	var out strings.Builder
	found := false
	for l := range strings.Lines(text) {
		if strings.HasPrefix(l, name+"=") {
			if found {
				continue
			}
			l, found = line, true
		}
		out.WriteString(l)
	}
	if !found {
		if s := out.String(); s != "" && !strings.HasSuffix(s, "\n") {
			out.WriteString("\n")
		}
		out.WriteString(line)
	}
	return out.String()
}
