package lab

import (
	"os"
	"slices"
	"strings"
	"testing"
)

// withPack puts the named files of a pack into the lab's cache.
func withPack(t *testing.T, l *Lab, p pack, files map[string]string) {
	t.Helper()
	for name, text := range files {
		if err := writeFile(l.installed(p, name), text); err != nil {
			t.Fatal(err)
		}
	}
}

func TestMilvusCommands(t *testing.T) {
	roles := []string{"ROOTCOORD", "DATACOORD", "QUERYCOORD", "INDEXCOORD", "DATANODE", "QUERYNODE", "INDEXNODE", "PROXY"}
	tests := []struct {
		part, args string
		ports      []string // keys that must be set: a default would collide with another part
		want       []string
	}{
		{
			part: "standalone", args: "run standalone -alias standalone",
			ports: append(slices.Clone(roles), "METRICS"), want: []string{"PROXY_PORT=19531"},
		},
		{
			part: "standalone-secure", args: "run standalone -alias standalone-secure",
			ports: append(slices.Clone(roles), "METRICS"),
			want:  []string{"PROXY_PORT=19532", "COMMON_SECURITY_AUTHORIZATIONENABLED=true", "COMMON_SECURITY_TLSMODE=1"},
		},
		{
			part: "standalone-limited", args: "run standalone -alias standalone-limited",
			ports: append(slices.Clone(roles), "METRICS"),
			want:  []string{"PROXY_PORT=19533", "QUOTAANDLIMITS_DQL_ENABLED=true", "QUOTAANDLIMITS_DQL_QUERYRATE_MAX=5"},
		},
		{
			part: "standalone-remote", args: "run standalone -alias standalone-remote",
			ports: append(slices.Clone(roles), "METRICS"),
			want: []string{
				"PROXY_PORT=19538", "COMMON_SECURITY_AUTHORIZATIONENABLED=true", "COMMON_STORAGETYPE=remote", "MINIO_BUCKETNAME=remote-bucket",
			},
		},
		{
			part: "querynode-2", args: "run querynode -alias querynode-2", ports: []string{"QUERYNODE", "METRICS"},
			want: []string{"MQ_TYPE=pulsar", "ETCD_USE_EMBED=false", "COMMON_STORAGETYPE=remote", "MINIO_BUCKETNAME=a-bucket"},
		},
		{
			part: "proxy-2", args: "run proxy -alias proxy-2", ports: []string{"PROXY", "METRICS"},
			want: []string{"PROXY_PORT=19630", "PROXY_INTERNALPORT=20200", "METRICS_PORT=20201"},
		},
	}
	l := aLab(t)
	withPack(t, l, milvusPack, map[string]string{"config.yaml.template": "port: {{ port(int): 1 }}", "glog.conf": ""})
	for _, test := range tests {
		t.Run(test.part, func(t *testing.T) {
			env := environmentOf(t, l, test.part, test.args)
			for _, role := range roles {
				if !slices.Contains(env, role+"_IP=127.0.0.1") {
					t.Errorf("%s_IP is not the loopback", role)
				}
			}
			for _, key := range test.ports {
				if !slices.ContainsFunc(env, func(line string) bool { return strings.HasPrefix(line, key+"_PORT=") }) {
					t.Errorf("%s_PORT is not set", key)
				}
			}
			for _, line := range test.want {
				if !slices.Contains(env, line) {
					t.Errorf("the environment lacks %s", line)
				}
			}
		})
	}
}

func TestLiteCommands(t *testing.T) {
	l := aLab(t)
	env := environmentOf(t, l, "lite-2.5", l.path("data", "lite-2.5", "lite.db")+" 127.0.0.1:19535 INFO")
	if want := "LD_LIBRARY_PATH=" + l.installed(lite25Pack); !slices.Contains(env, want) {
		t.Errorf("the environment lacks %s", want)
	}
	environmentOf(t, l, "lite-3", "-m milvus_lite server --data-dir "+l.path("data", "lite-3")+" --host 127.0.0.1 --port 19536")
	for _, name := range []string{"lite-2.5", "lite-3"} { // a server does not make the folder that its own lies in
		if _, err := os.Stat(l.path("data", name)); err != nil {
			t.Error(err)
		}
	}
}

// environmentOf returns the environment of the named part's command, whose arguments must be args.
func environmentOf(t *testing.T, l *Lab, name, args string) []string {
	t.Helper()
	p, err := l.part(name)
	if err != nil {
		t.Fatal(err)
	}
	if err := os.MkdirAll(l.dir, 0o755); err != nil {
		t.Fatal(err)
	}
	c, err := p.command()
	if err != nil {
		t.Fatal(err)
	}
	if got := strings.Join(c.args, " "); got != args {
		t.Errorf("arguments %q; want %q", got, args)
	}
	return c.env
}

func TestRender(t *testing.T) {
	tests := []struct{ template, want string }{
		{"port: {{ port(int): 53100 }}", "port: 53100"},
		{"level: {{ level: info }} # a level", "level: info # a level"},
		{"dir: {{ data_dir }}", "dir: "},
		{"address: localhost:{{ port(int): 2379 }}", "address: localhost:2379"},
		{"enabled: {{ on(bool): false }}", "enabled: false"},
		{`build: '{"M": 18}'`, `build: '{"M": 18}'`},
	}
	for _, test := range tests {
		if got := render(test.template); got != test.want {
			t.Errorf("render(%q) = %q; want %q", test.template, got, test.want)
		}
	}
}
