package milvus

import (
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

func TestParseAddress(t *testing.T) {
	for text, want := range map[string]Address{
		"host:19530":                            {HostPort: "host:19530"},
		"host":                                  {HostPort: "host:19530"},
		"[::1]:19530":                           {HostPort: "[::1]:19530"},
		"[fe80::1%25eth0]:1":                    {HostPort: "[fe80::1%25eth0]:1"},
		"host:19530/mydb":                       {HostPort: "host:19530", Database: "mydb"},
		"http://host:19530":                     {Scheme: "http", HostPort: "host:19530"},
		"http://host":                           {Scheme: "http", HostPort: "host:19530"},
		"https://host":                          {Scheme: "https", HostPort: "host:443"},
		"HTTPS://host:19530/":                   {Scheme: "https", HostPort: "host:19530"},
		"Http://host:19530/mydb":                {Scheme: "http", HostPort: "host:19530", Database: "mydb"},
		"root:Milvus@host:19530":                {HostPort: "host:19530", Username: "root", Password: "Milvus"},
		"https://root:p%40ss%2Fw%3A@host:1/d_1": {Scheme: "https", HostPort: "host:1", Username: "root", Password: "p@ss/w:", Database: "d_1"},
		"root:p@ss@host:1":                      {HostPort: "host:1", Username: "root", Password: "p@ss"},
		"root@host:1":                           {HostPort: "host:1", Username: "root"},
	} {
		if got, err := ParseAddress(text); err != nil || got != want {
			t.Errorf("%s: %+v, %v", text, got, err)
		}
	}
}

// TestParseAddressRefuses what is not an address, and repeats nothing of it.
func TestParseAddressRefuses(t *testing.T) {
	for _, text := range []string{
		"", "http://", "http:///mydb", "tcp://hunter2:1", "unix:///hunter2", "grpcs://root:hunter2@host:1", "root:a://hunter2@host:1",
		"http://host:1/hunter2/b", "http://host:1//hunter2", "http://host:1?token=hunter2", "host:1#hunter2", "http://host:1/?",
		"root:hun/ter2@host:1", "root:12/hunter2@host:1", "root:12#hunter2@host:1", "root:hunter2%@host:1", ":hunter2@host:1",
		"host:hunter2", "host:0", "host:65536", "::1", "[::1", "ho st:1", "host:1/../hunter2", "./hunter2.db",
	} {
		a, err := ParseAddress(text)
		if err == nil || strings.Contains(err.Error(), "ter2") {
			t.Errorf("%q: %+v, %v", text, a, err)
		}
	}
}

// FuzzParseAddress: what is made of an address is read as the same one, has no login left, and no error shows any of it.
func FuzzParseAddress(f *testing.F) {
	for _, text := range []string{"host:1", "https://root:a%40b@[::1]:2/db", "[fe80::1%25e]:1", "http://a@b@c", "a:1:2"} {
		f.Add(text)
	}
	f.Fuzz(func(t *testing.T, text string) {
		a, err := ParseAddress(text)
		if err != nil {
			if err != errAddress {
				t.Fatalf("%q: %v", text, err)
			}
			return
		}
		again, err := ParseAddress(a.HostPort)
		if err != nil || again != (Address{HostPort: a.HostPort}) {
			t.Fatalf("%q is %q, which is %+v, %v", text, a.HostPort, again, err)
		}
	})
}

func TestHostPort(t *testing.T) {
	for text, want := range map[string]string{
		"": "", "host": "host", "host:1": "host:1", "https://host:1/db": "host:1", "http://root:hunter2@host:1": "host:1", "root:hun/ter2@host:1": "host:1",
	} {
		if got := HostPort(text); got != want {
			t.Errorf("%q: %q", text, got)
		}
	}
}

func TestResolve(t *testing.T) {
	for name, test := range map[string]struct{ given, want Config }{
		"plain":          {Config{Address: "host:1", TLS: true}, Config{Address: "host:1", TLS: true}},
		"https":          {Config{Address: "HTTPS://host:1"}, Config{Address: "host:1", TLS: true}},
		"http":           {Config{Address: "http://host:1/db"}, Config{Address: "host:1", Database: "db"}},
		"the same twice": {Config{Address: "root:p@host:1/db", Username: "root", Password: "p", Database: "db"}, Config{Address: "host:1", Username: "root", Password: "p", Database: "db"}},
		"a password":     {Config{Address: "root@host:1", Password: "p"}, Config{Address: "host:1", Username: "root", Password: "p"}},
		"REST":           {Config{Address: "host:1", RESTURL: "HTTPS://host:2/", CAFile: "ca.pem"}, Config{Address: "host:1", RESTURL: "https://host:2", CAFile: "ca.pem"}},
		"nothing":        {Config{CAFile: "ca.pem"}, Config{CAFile: "ca.pem"}},
	} {
		got, err := test.given.Resolve()
		if err != nil || got != test.want {
			t.Errorf("%s: %+v, %v", name, got, err)
		}
		if again, err := got.Resolve(); err != nil || again != got {
			t.Errorf("%s, resolved again: %+v, %v", name, again, err)
		}
	}
}

// TestResolveRefuses contradictions by the name of the setting, and shows no secret of either.
func TestResolveRefuses(t *testing.T) {
	for _, test := range []struct {
		given Config
		want  string
	}{
		{Config{Address: "http://host:1", TLS: true}, "tls: the address begins with http://"},
		{Config{Address: "host:1/one", Database: "two"}, `database: it is "two", and the address names "one"`},
		{Config{Address: "root:hunter2@host:1", Token: "hunter3"}, "token: the address holds a user too"},
		{Config{Address: "root:hunter2@host:1", Username: "admin"}, "username: the address holds another one"},
		{Config{Address: "root:hunter2@host:1", Password: "hunter3"}, "password: the address holds another one"},
		{Config{Address: "ftp://host:1"}, "address: it has to be host:port"},
		{Config{Address: "host:1", RESTURL: "http://host:1?hunter2"}, "rest-url: it takes no query"},
		{Config{Address: "host:1", RESTURL: "http://host:1#hunter2"}, "rest-url: it takes no query"},
		{Config{Address: "https://host:1", CertFile: "c.pem"}, "key-file: cert-file is given"},
		{Config{Address: "https://host:1", KeyFile: "c.key"}, "cert-file: key-file is given"},
		{Config{Address: "host:1", CertFile: "c.pem", KeyFile: "c.key"}, "cert-file: it is of no use without TLS"},
		{Config{Address: "http://host:1", CAFile: "ca.pem"}, "ca-file: it is of no use without TLS"},
	} {
		_, err := test.given.Resolve()
		if err == nil || !strings.Contains(err.Error(), test.want) || strings.Contains(err.Error(), "hunter") {
			t.Errorf("%v: %v, want %q", test.given, err, test.want)
		}
		if _, err := Connect(t.Context(), test.given); err == nil || !strings.Contains(err.Error(), test.want) {
			t.Errorf("connecting: %v, want %q", err, test.want)
		}
	}
}

// TestFilesAreServedFirst: a file or a folder of Milvus Lite is no address, and the error says how to make one of it.
func TestFilesAreServedFirst(t *testing.T) {
	folder := t.TempDir()
	file := filepath.Join(folder, "demo.db")
	if err := os.WriteFile(file, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	for address, want := range map[string]string{
		file:                     "a file of Milvus Lite, and no server; nothing is started for it",
		"file://" + file:         " Server; s = Server(*sys.argv[1:]); s.start() and s._p.wait()' " + file + " 127.0.0.1:19530`",
		folder:                   "`milvus-lite server --data-dir " + folder + " --host 127.0.0.1 --port 19530`",
		"hunter2.db":             "and there is none",
		"./hunter2":              "and there is none",
		"~/hunter2.db":           "and there is none",
		"root:a/hunter2@host.db": "and there is none",
	} {
		_, err := Connect(t.Context(), Config{Address: address})
		if err == nil || !strings.Contains(err.Error(), "address: it names ") || !strings.Contains(err.Error(), want) || strings.Contains(err.Error(), "hunter") {
			t.Errorf("%s: %v, want %q", address, err, want)
		}
	}
	for _, address := range []string{"host", "db", "host.db:19530", "host:1/db", "root:a.db@host:1"} {
		if _, err := (Config{Address: address}).Resolve(); err != nil {
			t.Errorf("%s: %v", address, err)
		}
	}
}

func TestRESTAddressFollows(t *testing.T) {
	for address, want := range map[string]string{
		"host:1": "http://host:1/", "http://root:hunter2@host:1/db": "http://host:1/", "https://host:1/db": "https://host:1/",
	} {
		cfg, err := Config{Address: address}.Resolve()
		if err != nil {
			t.Fatal(err)
		}
		if jobs := newImportJobs(cfg, nil); !strings.HasPrefix(jobs.base, want) || strings.Contains(jobs.base, "hunter2") {
			t.Errorf("%s: REST at %s", address, jobs.base)
		}
	}
}

func TestConfigIsLoggedWithoutLogin(t *testing.T) {
	var b strings.Builder
	cfg := Config{Address: "root:hunter2@host:1", Password: "hunter2", Token: "hunter2"}
	slog.New(slog.NewTextHandler(&b, nil)).Info("x", "server", cfg)
	for _, text := range []string{b.String(), fmt.Sprint(cfg), fmt.Sprintf("%+v %#v", cfg, cfg)} {
		if strings.Contains(text, "hunter2") || !strings.Contains(text, "host:1") {
			t.Error(text)
		}
	}
}
