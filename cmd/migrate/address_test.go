package main

import (
	"os"
	"path/filepath"
	"testing"

	"migrate/internal/labtest"
	"migrate/internal/labtest/memory"
	"migrate/internal/model"
)

// TestAddress is understood as a whole, and refused as wrong usage where it contradicts another setting.
func TestAddress(t *testing.T) {
	a, plain := labtest.NewAuthority(t), memory.Start(t, "v2.3.5")
	secure := labtest.TLSFront(t, plain.Address, a.Server(t, "h2"))
	bare := labtest.TLSFront(t, plain.Address, a.Server(t))
	ca := args("--source-ca-file", a.File)
	if err := plain.Client(t).CreateDatabase(t.Context(), model.Database{Name: "library"}); err != nil {
		t.Fatal(err)
	}
	for title, c := range map[string]struct {
		env  []string
		args []string
		code int
		want string
	}{
		"plain":                    {nil, args("http://" + plain.Address), exitFailed, `"nobody"`},
		"plain, and a database":    {nil, args("http://" + plain.Address + "/library"), exitFailed, `"nobody"`},
		"https":                    {nil, args("https://"+secure, ca), exitFailed, `"nobody"`},
		"HTTPS":                    {nil, args("HTTPS://"+secure, ca), exitFailed, `"nobody"`},
		"https to a plain one":     {nil, args("https://" + plain.Address), exitFailed, "first record does not look like a TLS handshake"},
		"http, and TLS":            {nil, args("http://"+secure, "--source-tls"), exitUsage, "source.tls: the address begins with http://"},
		"two databases":            {nil, args("http://h:1/one", "--source-database", "two"), exitUsage, `source.database: it is "two", and the address names "one"`},
		"another scheme":           {nil, args("tcp://h:1"), exitUsage, "source.address: it has to be host:port, or http://"},
		"a query":                  {nil, args("http://h:1?secure=true"), exitUsage, "source.address: "},
		"a deeper path":            {nil, args("http://h:1/one/two"), exitUsage, "source.address: "},
		"half a pair":              {nil, args("https://h:1", "--source-cert-file", "c.pem"), exitUsage, "source.key-file: cert-file is given"},
		"a certificate, no TLS":    {nil, args("h:1", "--source-cert-file", "c.pem", "--source-key-file", "k.pem"), exitUsage, "source.cert-file: it is of no use without TLS"},
		"the other side":           {[]string{"MIGRATE_TARGET_ADDRESS=root:a@h:1", "MIGRATE_TARGET_TOKEN=b"}, args("h:1"), exitUsage, "target.token: "},
		"a REST URL with a query":  {[]string{"MIGRATE_TARGET_REST_URL=http://h:1?x"}, args("h:1"), exitUsage, "target.rest-url: "},
		"no ALPN":                  {nil, args("https://"+bare, ca), exitFailed, "GRPC_ENFORCE_ALPN_ENABLED=false in the environment"},
		"no ALPN, and that is set": {[]string{"GRPC_ENFORCE_ALPN_ENABLED=false"}, args("https://"+bare, ca), exitFailed, `"nobody"`},
	} {
		t.Run(title, func(t *testing.T) {
			t.Parallel()
			migrate(t, c.env, args("plan", "--collection", "nobody", "--source-address", c.args)...).want(t, c.code, c.want)
		})
	}
}

// TestHome is what ~ stands for at the beginning of a path, wherever the path is given.
func TestHome(t *testing.T) {
	home := t.TempDir()
	t.Setenv("HOME", home)
	for path, want := range map[string]string{
		"": "", "~": home, "~/x/y": home + "/x/y", "./~/x": "./~/x", "x~": "x~", "/~": "/~", "s3://b/~": "s3://b/~",
	} {
		if got, err := inHome(path); err != nil || got != want {
			t.Errorf("%q: %q, %v", path, got, err)
		}
	}
	if at, err := inHome("~root/x"); err == nil {
		t.Errorf("~root/x is %q", at)
	}
}

// TestHomeInAFile: in migrate.yaml nobody else knows the home folder.
func TestHomeInAFile(t *testing.T) {
	home := t.TempDir()
	file := filepath.Join(home, "it.yaml")
	write := func(text string) {
		t.Helper()
		if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	in := []string{"HOME=" + home}
	write("sink: {url: ~/exports}\n")
	migrate(t, in, "status", "--config", "~/it.yaml", "--json").want(t, exitOK, "[]")
	write("source: {address: 'https://127.0.0.1:9', ca-file: ~/ca.pem}\n")
	migrate(t, in, "plan", "--config", "~/it.yaml", "--collection", "c").want(t, exitFailed, home+"/ca.pem")
	write("source: {address: 'https://127.0.0.1:9', cert-file: ~/c.pem, key-file: ~/k.pem}\n")
	migrate(t, in, "plan", "--config", file, "--collection", "c").want(t, exitFailed, home+"/c.pem", home+"/k.pem")
	write("project-dir: ~/nowhere\n")
	migrate(t, in, "cluster", "stop", "--config", file).want(t, exitFailed, home+"/nowhere")
	write("lab: ~root/lab\n")
	migrate(t, in, "cluster", "stop", "--config", file).want(t, exitUsage, "lab: of paths that begin with ~")
	migrate(t, nil, "status", "--sink-url=~/exports").want(t, exitOK)
}
