package main

import (
	"encoding/base64"
	"fmt"
	"io"
	"io/fs"
	"net/http"
	"net/http/httptest"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/milvus-io/milvus-proto/go-api/v2/schemapb"

	"migrate/internal/labtest"
	"migrate/internal/labtest/memory"
)

// The secrets of these tests have in them what a URL writes otherwise, and a word that nothing else has.
const (
	password    = "Pa55/of@root:Xyzzy"
	wrong       = "Wr0ng/Xyzzy@Guess"
	token       = "T0ken-Xyzzy"
	secretKey   = "S3cret/Xyzzy+Key"
	listenWord  = "L1sten-Xyzzy"
	word        = "Xyzzy"
	loginOfRoot = "root:" + password
)

// wantNone looks for secrets in a text, as they are and as a header has them.
func wantNone(t *testing.T, what, text string) {
	t.Helper()
	shapes := []string{word}
	for _, s := range []string{password, wrong, token, secretKey, listenWord, loginOfRoot, "root:" + wrong} {
		shapes = append(shapes, base64.StdEncoding.EncodeToString([]byte(s)))
	}
	for _, s := range shapes {
		if strings.Contains(text, s) {
			t.Errorf("%s bears %q:\n%s", what, s, text)
			return
		}
	}
}

// wantFiles looks for secrets in the files of a folder, of which there are so many at least beside the one that gives them.
func wantFiles(t *testing.T, dir string, least int) {
	t.Helper()
	files := 0
	err := filepath.WalkDir(dir, func(path string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() || d.Name() == "migrate.yaml" {
			return err
		}
		files++
		text, err := os.ReadFile(path)
		wantNone(t, path, string(text))
		return err
	})
	if err != nil || files < least {
		t.Errorf("%d files, %v", files, err)
	}
}

// giving is one way to give settings to a command: the environment and the arguments for it, or a file in the folder that it is
// called in.
type giving func(t *testing.T, dir, command string, settings map[string]string) (env, args []string)

func byFlag(t *testing.T, _, command string, settings map[string]string) (env, args []string) {
	t.Helper()
	cmd, _, err := newRoot().Find([]string{command})
	if err != nil {
		t.Fatal(err)
	}
	for key, value := range settings {
		if cmd.Flags().Lookup(flagName(key)) != nil {
			args = append(args, "--"+flagName(key)+"="+value)
		}
	}
	return nil, args
}

func byEnvironment(_ *testing.T, _, _ string, settings map[string]string) (env, args []string) {
	for key, value := range settings {
		env = append(env, envName(key)+"="+value)
	}
	return env, nil
}

func byFile(t *testing.T, dir, _ string, settings map[string]string) (env, args []string) {
	t.Helper()
	var text strings.Builder
	for key, value := range settings {
		fmt.Fprintf(&text, "%s: %q\n", key, value)
	}
	if err := os.WriteFile(filepath.Join(dir, "migrate.yaml"), []byte(text.String()), 0o600); err != nil {
		t.Fatal(err)
	}
	return nil, nil
}

// login puts a login into the settings of one side.
type login func(settings map[string]string, side, secret string)

func asPassword(settings map[string]string, side, secret string) {
	settings[side+".username"], settings[side+".password"] = "root", secret
}

func asToken(settings map[string]string, side, secret string) { settings[side+".token"] = secret }

func inAddress(settings map[string]string, side, secret string) {
	settings[side+".address"] = "http://" + url.UserPassword("root", secret).String() + "@" + settings[side+".address"]
}

// pair are two servers in memory that want a login, with the same rows.
func pair(t *testing.T, wanted string) (source, target *memory.Server, collection string) {
	t.Helper()
	c := labtest.Collection(labtest.Schema(labtest.IntKey("id"), labtest.Vector("v", schemapb.DataType_FloatVector, dim)))
	source, target = memory.Start(t, "v2.3.5"), memory.Start(t, "v2.3.5")
	for _, s := range []*memory.Server{source, target} {
		s.Login = wanted
		s.Add(t, c)
		s.Sealed(t, c.Name, documentRows(0, 50))
	}
	return source, target, c.Name
}

// secretive runs the program with settings that are given in one way, and looks for secrets in what it says.
type secretive struct {
	dir      string
	give     giving
	settings map[string]string
}

func (s secretive) command(t *testing.T, arguments ...string) *exec.Cmd {
	t.Helper()
	env, given := s.give(t, s.dir, arguments[0], s.settings)
	cmd := exec.CommandContext(t.Context(), binary, args(arguments[0], given, "--log-level", "debug", arguments[1:])...)
	cmd.Dir, cmd.Env = s.dir, append([]string{"PATH=" + os.Getenv("PATH"), "HOME=" + s.dir}, env...)
	return cmd
}

func (s secretive) run(t *testing.T, code int, arguments ...string) {
	t.Helper()
	r := begin(t, s.command(t, arguments...))()
	r.want(t, code)
	wantNone(t, arguments[0], r.stdout+r.stderr)
}

// serve has a sync serve, and looks for secrets in all that it answers.
func (s secretive) serve(t *testing.T) {
	t.Helper()
	url, end := serving(t, s.command(t, "sync", "--base-done", "--interval", "100ms", "--listen", "127.0.0.1:0", "--pprof"))
	await(t, func() bool { return strings.Contains(fetchWith(t, url+"/readyz", listenWord), "ok") })
	for _, path := range []string{"/", "/metrics", "/healthz", "/readyz", "/debug/pprof/", "/debug/pprof/cmdline", "/debug/pprof/goroutine?debug=2"} {
		wantNone(t, path, fetchWith(t, url+path, listenWord))
		wantNone(t, path, fetchWith(t, url+path, wrong))
	}
	r := end()
	r.want(t, exitInterrupted)
	wantNone(t, "sync", r.stdout+r.stderr)
}

// fetchWith is the answer to a request that bears a token; "" where nobody answers.
func fetchWith(t *testing.T, url, bearer string) string {
	t.Helper()
	req, err := http.NewRequestWithContext(t.Context(), http.MethodGet, url, nil)
	if err != nil {
		t.Fatal(err)
	}
	req.Header.Set("Authorization", "Bearer "+bearer)
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		return ""
	}
	defer resp.Body.Close()
	text, err := io.ReadAll(resp.Body)
	if err != nil {
		return ""
	}
	return string(text)
}

// TestSecretsAreNotTold gives secrets in every way, to commands that end well and to such that do not, and looks for them in all
// that is printed, logged, served and written.
func TestSecretsAreNotTold(t *testing.T) {
	formats := [][]string{nil, {"--json"}, {"--log-format", "json"}}
	for i, give := range []struct {
		how  string
		give giving
	}{{"flag", byFlag}, {"environment", byEnvironment}, {"file", byFile}} {
		for j, c := range []struct {
			what          string
			put           login
			wanted, right string
		}{
			{"password", asPassword, loginOfRoot, password}, {"token", asToken, token, token}, {"address", inAddress, loginOfRoot, password},
		} {
			t.Run(c.what+" by "+give.how, func(t *testing.T) {
				t.Parallel()
				source, target, name := pair(t, c.wanted)
				with := func(secret string) secretive {
					s := secretive{t.TempDir(), give.give, map[string]string{
						"collection": name, "listen-token": listenWord, "sink.secret-key": secretKey, "staging.secret-key": secretKey, "source.storage.secret-key": secretKey,
						"source.address": source.Address, "target.address": target.Address,
					}}
					c.put(s.settings, "source", secret)
					c.put(s.settings, "target", secret)
					return s
				}
				movesInSilence(t, with(c.right))
				failsInSilence(t, with(wrong), formats[(i+j)%len(formats)]) // each with each way, and with each secret
			})
		}
	}
}

func movesInSilence(t *testing.T, s secretive) {
	s.run(t, exitOK, "plan")
	s.run(t, exitOK, "export")
	s.run(t, exitOK, "export", "--overwrite", "--json", "--log-format", "json")
	s.run(t, exitOK, "verify", "--json")
	s.serve(t)
	s.run(t, exitOK, "sync", "--once", "--base-done", "--json")
	s.run(t, exitOK, "cutover", "--base-done", "--still-for", "1s", "--json")
	s.run(t, exitOK, "status")
	s.run(t, exitOK, "status", "--json")
	wantFiles(t, s.dir, 5) // two checkpoints, a manifest, a certificate and its page at least
}

func failsInSilence(t *testing.T, s secretive, format []string) {
	refuses := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusForbidden) }))
	t.Cleanup(refuses.Close)
	store := args("--sink-url", "s3://bucket/x", "--sink-endpoint", strings.TrimPrefix(refuses.URL, "http://"), "--sink-access-key", "somebody")
	for _, command := range []string{"plan", "export", "verify"} {
		s.run(t, exitFailed, args(command, format)...)
	}
	s.run(t, exitFailed, args("sync", "--once", "--base-done", format)...)
	s.run(t, exitFailed, args("doctor", store, format)...)
	s.run(t, exitFailed, args("status", store, format)...)
	wantFiles(t, s.dir, 0)
}

// TestSecretsInAnAddress that is refused are not repeated by what is said of it.
func TestSecretsInAnAddress(t *testing.T) {
	t.Parallel()
	user := url.UserPassword("root", wrong).String()
	for _, address := range [][]string{
		{"http://x:" + wrong + "@h:1"}, {"ftp://" + wrong}, {"http://" + user + "@h:1", "--source-tls"}, {user + "@h:1", "--source-token", token},
	} {
		for _, format := range [][]string{nil, {"--json"}, {"--log-format", "json"}} {
			r := migrate(t, nil, args("plan", "--collection", "c", "--source-address", address, format)...)
			r.want(t, exitUsage)
			wantNone(t, strings.Join(address, " "), r.stdout+r.stderr)
		}
	}
}

// TestSecretsInABrokenFile are not repeated by what is said of it.
func TestSecretsInABrokenFile(t *testing.T) {
	for _, text := range []string{
		"source: {password: [Xyzzy]}", "source: {password: {Xyzzy: x}}", "source: root:Xyzzy@host:1", "source: {address: ['root:Xyzzy@h:1']}",
		"source:\n  password: Xyzzy\n    x: y", `source: {password: "Xyzzy`, "source: {tls: Xyzzy}", "source: {passwort: Xyzzy}", "- Xyzzy", "Xyzzy",
		"source: {password: *Xyzzy}", "source: {password: !!int Xyzzy}", "source: {password: @Xyzzy}", "source: {password: '2' Xyzzy}",
		"sink: {secret-key: [Xyzzy]}", "sink: {url: 's3://key:Xyzzy@bucket'}", "sink: {url: 's3://b/p', endpoint: 'key:Xyzzy@h:1'}",
		"target: {address: 'h:1', rest-url: 'http://root:Xyzzy@h:1'}",
	} {
		dir := t.TempDir()
		file := filepath.Join(dir, "it.yaml")
		if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		r := migrate(t, nil, "status", "--config", file)
		if wantNone(t, text, r.stdout+r.stderr); r.code == exitOK {
			t.Errorf("%s: taken", text)
		}
	}
}
