package main

import (
	"bufio"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"
)

const unitFolder = "../../deploy/systemd"

// directives are the values of a unit, by their names.
func directives(t *testing.T, text string) map[string][]string {
	t.Helper()
	values := map[string][]string{}
	for line := range strings.Lines(text) {
		line = strings.TrimSpace(line)
		if line == "" || strings.HasPrefix(line, "#") || strings.HasPrefix(line, "[") {
			continue
		}
		name, value, is := strings.Cut(line, "=")
		if !is {
			t.Errorf("no directive: %s", line)
		}
		values[name] = append(values[name], value)
	}
	return values
}

func readText(t *testing.T, path string) string {
	t.Helper()
	text, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}

// TestUnit holds the unit against the program that it starts: its flags, and the exit codes by which it is started again.
func TestUnit(t *testing.T) {
	unit := directives(t, readText(t, filepath.Join(unitFolder, "migrate-sync.service")))
	command := strings.Fields(unit["ExecStart"][0])
	cmd, rest, err := newRoot().Find(command[1:])
	if err != nil {
		t.Fatal(err)
	}
	if cmd.Name() != "sync" {
		t.Errorf("it starts %s", cmd.Name())
	}
	if err := cmd.ParseFlags(rest); err != nil {
		t.Errorf("ExecStart: %v", err)
	}
	code := strconv.Itoa
	for name, want := range map[string]string{
		"Restart":                  "on-failure",
		"RestartPreventExitStatus": code(exitUsage) + " " + code(exitDiffers) + " " + code(exitRefused),
		"SuccessExitStatus":        code(exitInterrupted),
		"NoNewPrivileges":          "yes",
		"DynamicUser":              "yes",
		"Environment":              "GOTRACEBACK=crash",
		"LimitCORE":                "0",
		"StateDirectory":           "%N", // a copy of the unit has one of its own
		"WorkingDirectory":         "%S/%N",
		"ProtectSystem":            "strict",
		"CapabilityBoundingSet":    "",
	} {
		if !slices.Equal(unit[name], []string{want}) {
			t.Errorf("%s is %q, want %q", name, unit[name], want)
		}
	}
	if len(unit["EnvironmentFile"]) != 1 {
		t.Error("secrets belong into the one file that only root reads")
	}
	if analyze, err := exec.LookPath("systemd-analyze"); err == nil {
		verifyUnit(t, analyze)
	}
}

// verifyUnit has systemd itself look at the unit.
func verifyUnit(t *testing.T, analyze string) {
	t.Helper()
	text := readText(t, filepath.Join(unitFolder, "migrate-sync.service"))
	text = strings.Replace(text, "ExecStart=/usr/local/bin/migrate", "ExecStart="+binary, 1)
	path := filepath.Join(t.TempDir(), "migrate-sync.service")
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	out, err := exec.CommandContext(t.Context(), analyze, "verify", "--man=no", path).CombinedOutput()
	if err != nil || len(out) > 0 {
		t.Errorf("%v: %s", err, out)
	}
}

// TestUnitSettings holds that each line of the example is a setting, that no secret has a value, and that the program takes
// all of it.
func TestUnitSettings(t *testing.T) {
	text := readText(t, filepath.Join(unitFolder, "sync.env.example"))
	var env []string
	for lines := bufio.NewScanner(strings.NewReader(text)); lines.Scan(); {
		setting := strings.TrimPrefix(lines.Text(), "#")
		name, value, is := strings.Cut(setting, "=")
		if !is || strings.HasPrefix(setting, " ") {
			continue
		}
		env = append(env, setting)
		if secret := strings.HasSuffix(name, "_KEY") || strings.HasSuffix(name, "PASSWORD") || strings.HasSuffix(name, "TOKEN"); secret && value != "" {
			t.Errorf("%s has a value", name)
		}
	}
	if len(env) < 10 {
		t.Fatalf("only %d settings: %q", len(env), env)
	}
	if err := unknownEnv(env); err != nil {
		t.Error(err)
	}
}
