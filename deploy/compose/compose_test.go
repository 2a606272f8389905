package compose

import (
	"maps"
	"math/bits"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/compose-spec/compose-go/v2/dotenv"
	"github.com/compose-spec/compose-go/v2/types"
)

// credentials are what ./new-env would make up.
func credentials() map[string]string {
	c := map[string]string{}
	for _, name := range Secrets {
		c[name] = "made-up-" + strings.ToLower(name)
	}
	return c
}

// TestCombinations checks the base with every two overlays, the lab's images and limits being one, with all, and with all but one.
func TestCombinations(t *testing.T) {
	lab := readEnv(t, "lab.env")
	for n := range uint(1) << len(Overlays) {
		if with := bits.OnesCount(n); with == 1 || with > 2 && with < len(Overlays)-1 { // one is in four of the pairs
			continue
		}
		var chosen []string
		for i, o := range Overlays {
			if n&(1<<i) != 0 {
				chosen = append(chosen, o)
			}
		}
		t.Run(strings.Join(append([]string{"base"}, chosen...), "+"), func(t *testing.T) {
			t.Parallel()
			variables := credentials()
			if slices.Contains(chosen, "lab") {
				maps.Copy(variables, lab)
			}
			for _, problem := range Check(load(t, Files(".", chosen...), variables)) {
				t.Error(problem)
			}
		})
	}
}

// TestDefaults holds what the base is without any variable but the credentials.
func TestDefaults(t *testing.T) {
	p := load(t, Files("."), credentials())
	const gib = 1 << 30
	for name, want := range map[string]struct {
		replicas int
		cpus     float32
		memory   int64
	}{
		"datanode":  {2, 2, 4 * gib},
		"querynode": {2, 4, 8 * gib},
		"indexnode": {2, 4, 8 * gib},
		"proxy":     {2, 2, 4 * gib},
	} {
		s := p.Services[name]
		limits := s.Deploy.Resources.Limits
		if s.GetScale() != want.replicas || float32(limits.NanoCPUs) != want.cpus || int64(limits.MemoryBytes) != want.memory {
			t.Errorf("%s: %d replicas with %v CPUs and %d bytes, want %+v", name, s.GetScale(), limits.NanoCPUs, limits.MemoryBytes, want)
		}
	}
	for name, s := range p.Services {
		if name != "proxy" && len(s.Ports) > 0 {
			t.Errorf("%s publishes a port; in the base only proxies do", name)
		}
	}
	if len(p.Networks) != 1 {
		t.Errorf("%d networks, want one", len(p.Networks))
	}
}

// TestCredentialsHaveNoDefault leaves each of them out in turn: no file may be loaded then.
func TestCredentialsHaveNoDefault(t *testing.T) {
	for _, name := range Secrets {
		variables := credentials()
		delete(variables, name)
		if _, err := Load(t.Context(), Files(".", Overlays...), variables); err == nil || !strings.Contains(err.Error(), "new-env") {
			t.Errorf("without %s: %v, want an error that names new-env", name, err)
		}
	}
}

// TestExampleIsComplete holds .env.example against the variables that the files use, and their defaults.
func TestExampleIsComplete(t *testing.T) {
	used := regexp.MustCompile(`\$\{(\w+)(?::[-?]([^}]*))?\}`)
	example := map[string]string{}
	for line := range strings.Lines(read(t, ".env.example")) {
		if name, value, is := strings.Cut(strings.TrimPrefix(strings.TrimSpace(line), "#"), "="); is && !strings.Contains(name, " ") {
			example[name] = value
		}
	}
	for _, file := range Files(".", Overlays...) {
		for _, match := range used.FindAllStringSubmatch(read(t, file), -1) {
			name, fallback := match[1], match[2]
			if value, listed := example[name]; !listed && name != "NAME" {
				t.Errorf("%s uses %s, which .env.example does not list", file, name)
			} else if listed && !slices.Contains(Secrets, name) && value != fallback {
				t.Errorf("%s: the default of %s is %q, and .env.example says %q", file, name, fallback, value)
			}
		}
	}
}

// TestScrapedNamesAreServices holds the names that Prometheus looks up against the services of all overlays.
func TestScrapedNamesAreServices(t *testing.T) {
	p := load(t, Files(".", Overlays...), credentials())
	lists := regexp.MustCompile(`names: \[(.*?)\]`).FindAllStringSubmatch(read(t, "monitoring/prometheus.yml"), -1)
	scraped := map[string]bool{}
	for _, list := range lists {
		for name := range strings.SplitSeq(list[1], ", ") {
			scraped[name] = true
			if _, is := p.Services[name]; !is {
				t.Errorf("Prometheus looks up %s, which is no service", name)
			}
		}
	}
	for name, s := range p.Services {
		alias := regexp.MustCompile(`-\d+$`).ReplaceAllString(name, "") // etcd-2 answers to etcd as well
		if hasMetrics := slices.Contains([]string{"milvus", "etcd", "minio", "pulsar"}, software(s)); hasMetrics && !scraped[alias] {
			t.Errorf("Prometheus does not scrape %s", name)
		}
	}
}

// TestAlertsAreTested holds that alerts_test.yml makes each alert fire; `promtool test rules` then holds it to be true.
func TestAlertsAreTested(t *testing.T) {
	tests := read(t, "monitoring/alerts_test.yml")
	alerts := regexp.MustCompile(`- alert: (\w+)`).FindAllStringSubmatch(read(t, "monitoring/alerts.yml"), -1)
	if len(alerts) == 0 {
		t.Error("there are no alerts")
	}
	for _, alert := range alerts {
		if !strings.Contains(tests, "alertname: "+alert[1]+"\n        exp_alerts:\n") {
			t.Errorf("no test makes %s fire", alert[1])
		}
	}
}

// TestMigrateIsConfined holds that migrate runs without root, without powers, and without a disk to write to, be it as a job
// or as a daemon.
func TestMigrateIsConfined(t *testing.T) {
	services := load(t, Files(".", "migrate"), credentials()).Services
	for _, name := range []string{"migrate", "sync"} {
		s := services[name]
		if s.User != "65532:65532" || !s.ReadOnly || !slices.Equal(s.CapDrop, []string{"ALL"}) ||
			!slices.Equal(s.SecurityOpt, []string{"no-new-privileges:true"}) {
			t.Errorf("%s: user %q, read-only %t, capabilities dropped %q, security %q", name, s.User, s.ReadOnly, s.CapDrop, s.SecurityOpt)
		}
		if comesUp(s) || len(s.Volumes) > 0 {
			t.Errorf("%s: comes up with all others: %t, mounts %v", name, comesUp(s), s.Volumes)
		}
	}
	if ports := services["migrate"].Ports; len(ports) > 0 {
		t.Errorf("the job publishes %v", ports)
	}
}

// TestSyncIsWatched holds that the daemon is asked how it is where it listens, and that it answers only those with the token.
func TestSyncIsWatched(t *testing.T) {
	variables := credentials()
	variables["MIGRATE_COLLECTION"] = "documents"
	s := load(t, Files(".", "migrate"), variables).Services["sync"]
	if !slices.Equal(s.HealthCheck.Test, []string{"CMD", "/migrate", "ready"}) || !slices.Equal(s.Command, []string{"sync"}) {
		t.Errorf("runs %q, and is asked by %q", s.Command, s.HealthCheck.Test)
	}
	for name, want := range map[string]string{
		"MIGRATE_COLLECTION": "documents", "MIGRATE_LISTEN": "0.0.0.0:9321", "MIGRATE_LISTEN_TOKEN": variables["MIGRATE_LISTEN_TOKEN"],
	} {
		if got := s.Environment[name]; got == nil || *got != want {
			t.Errorf("%s is not %q", name, want)
		}
	}
	if len(s.Ports) != 1 || s.Ports[0].Target != 9321 || s.Ports[0].HostIP != "127.0.0.1" {
		t.Errorf("publishes %+v", s.Ports)
	}
}

// sound passes every check; each broken example is this with something replaced.
const sound = `
services:
  proxy:
    image: milvusdb/milvus:v2.4.24
    command: [milvus, run, proxy]
    environment: {MINIO_ADDRESS: minio, ETCD_ENDPOINTS: "minio:2379", MINIO_SECRET_ACCESS_KEY: "${MINIO_ROOT_PASSWORD}"}
    ports: ["127.0.0.1:19530-19537:19530"]
    depends_on: {minio: {condition: service_healthy}}
    healthcheck: {test: [CMD, curl, "http://localhost:9091/healthz"], interval: 5s, timeout: 5s, retries: 3, start_period: 1m}
    deploy: {replicas: 2, resources: {limits: {cpus: "1", memory: 1g}}}
  minio:
    image: minio/minio:1
    volumes: [data:/data]
    healthcheck: {test: [CMD, curl, "http://localhost:9000"], interval: 10s, timeout: 10s, retries: 3, start_period: 2m}
    deploy: {resources: {limits: {cpus: "2", memory: 2g}}}
volumes: {data: {}}
`

// TestChecksCanFail proves that each check finds what it is for.
func TestChecksCanFail(t *testing.T) {
	if problems := checked(t, sound); len(problems) > 0 {
		t.Fatalf("the sound example: %q", problems)
	}
	const image = "image: minio/minio:1"
	for _, broken := range []struct {
		name, of, instead string
		want              string
	}{
		{"two services on one port", image, image + "\n    ports: ['127.0.0.1:19535:9000']",
			"proxy: publishes port 19535, which minio takes"},
		{"one port twice", `:19530"]`, `:19530", "127.0.0.1:19530:9091"]`,
			"proxy: publishes port 19530, which proxy takes"},
		{"replicas on one port", "127.0.0.1:19530-19537", "127.0.0.1:19530",
			"proxy: 2 replicas share 1 published ports"},
		{"a scalable service on one port", "volumes: [data:/data]", "ports: ['127.0.0.1:9000:9000']\n    scale: 1",
			"minio: can be scaled, and publishes the one port 9000"},
		{"a port open to all", "127.0.0.1:19530-19537", "19530-19537",
			`proxy: publishes 19530-19537 on "", not on this machine only`},
		{"an unknown host and port", "minio:2379", "etcd:2379",
			"proxy: is told of host etcd, which is no service"},
		{"an unknown address", "MINIO_ADDRESS: minio", "MINIO_ADDRESS: storage",
			"proxy: is told of host storage, which is no service"},
		{"an unknown host in a command", image, image + "\n    command: [minio, server, 'http://minio-2:9000/data']",
			"minio: is told of host minio-2, which is no service"},
		{"an unknown host in a mounted file", "[data:/data]", "['data:/data', './nginx.conf:/etc/nginx.conf']",
			"minio: is told of host proxies, which is no service"},
		{"a mount that is not there", "[data:/data]", "['data:/data', './missing.conf:/etc/nginx.conf']",
			"minio: mounts missing.conf, which is not there"},
		{"a loopback advertised", image, image + "\n    environment: {ETCD_ADVERTISE_CLIENT_URLS: 'http://127.0.0.1:2379'}",
			"minio: advertises what others can't reach"},
		{"no health check", `healthcheck: {test: [CMD, curl, "http://localhost:9000"], interval: 10s, timeout: 10s, retries: 3, start_period: 2m}`, "",
			"minio: has no health check"},
		{"a health check switched off", `{test: [CMD, curl, "http://localhost:9000"], interval: 10s, timeout: 10s, retries: 3, start_period: 2m}`, "{disable: true}",
			"minio: has no health check"},
		{"a program that the image lacks", `curl, "http://localhost:9000"`, `wget, "http://localhost:9000"`,
			"minio: is checked by wget, and its image has only [sh curl]"},
		{"a shell that the image lacks", image + "\n    volumes: [data:/data]\n    healthcheck: {test: [CMD, curl,",
			"image: coreos/etcd:1\n    volumes: [data:/data]\n    healthcheck: {test: [CMD-SHELL,",
			"minio: is checked by sh, and its image has only [etcdctl]"},
		{"a health check without bounds", ", timeout: 10s, retries: 3, start_period: 2m", "",
			"minio: has a health check without interval, timeout, retries or start period"},
		{"a start by luck", "service_healthy", "service_started",
			"proxy: waits for minio to be service_started, not healthy"},
		{"a wait for a job", image, image + "\n    profiles: [job]",
			"proxy: waits for minio, which is a job"},
		{"a wait for what does not come up", image, image + "\n    profiles: [sync]",
			"proxy: waits for minio, which has to be started by its name"},
		{"a fixed container name", image, image + "\n    container_name: milvus-minio",
			"minio: has the fixed container name milvus-minio"},
		{"a fixed host name", image, image + "\n    hostname: storage",
			"minio: has the fixed host name storage"},
		{"a fixed address", image, image + "\n    networks: {default: {ipv4_address: 10.5.0.2}}",
			"minio: has a fixed address"},
		{"no limits", `deploy: {resources: {limits: {cpus: "2", memory: 2g}}}`, "",
			"minio: has no limits"},
		{"no limit of memory", `cpus: "2", memory: 2g`, `cpus: "2"`,
			"minio: has no limit of CPU or of memory"},
		{"replicas on one volume", `deploy: {resources: {limits: {cpus: "2"`, `deploy: {replicas: 2, resources: {limits: {cpus: "2"`,
			"minio: can be scaled, and all its replicas write to volume data"},
		{"two services on one volume", "run, proxy]", "run, proxy]\n    volumes: [data:/data]",
			"proxy: writes to volume data, as minio does"},
		{"a secret in the clear", "${MINIO_ROOT_PASSWORD}", "minioadmin",
			"proxy: has a value for MINIO_SECRET_ACCESS_KEY in the clear"},
		{"a secret in a command", image, image + "\n    command: [minio, server, /data, --password=minioadmin]",
			"minio: has a secret in the clear: password=minioadmin"},
		{"a role that is gone", "milvus:v2.4.24\n    command: [milvus, run, proxy]", "milvus:v2.6.0\n    command: [milvus, run, indexnode]",
			"proxy: runs [milvus run indexnode], which Milvus 2.6 does not have"},
		{"a role not there yet", "run, proxy]", "run, streamingnode]",
			"proxy: runs [milvus run streamingnode], which Milvus 2.4 does not have"},
		{"no version", "milvus:v2.4.24", "milvus:latest",
			"proxy: image milvusdb/milvus:latest names no version"},
		{"a version that loses statistics", "milvus:v2.4.24", "milvus:v2.4.0",
			"proxy: is Milvus 2.4.0, which loses the statistics of bulk-inserted segments"},
	} {
		t.Run(broken.name, func(t *testing.T) {
			if !strings.Contains(sound, broken.of) {
				t.Fatalf("the sound example has no %q", broken.of)
			}
			problems := checked(t, strings.ReplaceAll(sound, broken.of, broken.instead))
			if !strings.Contains(strings.Join(problems, "\n"), broken.want) {
				t.Errorf("found %q, want %q", problems, broken.want)
			}
		})
	}
}

func TestPortRange(t *testing.T) {
	for text, want := range map[string][]int{"": nil, "x": nil, "80": {80}, "80-82": {80, 81, 82}, "82-80": nil, "80-x": nil} {
		if got := portRange(text); !slices.Equal(got, want) {
			t.Errorf("portRange(%q) = %v, want %v", text, got, want)
		}
	}
}

// checked are the problems of a Compose file with the text.
func checked(t *testing.T, text string) []string {
	t.Helper()
	dir := t.TempDir()
	path := filepath.Join(dir, "compose.yaml")
	if err := os.WriteFile(path, []byte("name: example\n"+text), 0o600); err != nil {
		t.Fatal(err)
	}
	nginx := "# not a host: example:80\nserver proxies:19530 max_fails=2;\n"
	if err := os.WriteFile(filepath.Join(dir, "nginx.conf"), []byte(nginx), 0o600); err != nil {
		t.Fatal(err)
	}
	return Check(load(t, []string{path}, credentials()))
}

func load(t *testing.T, paths []string, variables map[string]string) *types.Project {
	t.Helper()
	p, err := Load(t.Context(), paths, variables)
	if err != nil {
		t.Fatal(err)
	}
	return p
}

func readEnv(t *testing.T, path string) map[string]string {
	t.Helper()
	variables, err := dotenv.Read(path)
	if err != nil {
		t.Fatal(err)
	}
	return variables
}

func read(t *testing.T, path string) string {
	t.Helper()
	text, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}
