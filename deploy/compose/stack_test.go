//go:build compose

package compose

import (
	"context"
	"fmt"
	"maps"
	"os"
	"os/signal"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/compose-spec/compose-go/v2/dotenv"

	"migrate/deploy/engine"
	"migrate/deploy/images"
	"migrate/deploy/lab"
	"migrate/internal/clock"
)

const collection = "rag_documents" // what deploy/demo makes

// A stack is the Compose project as it stands: on an engine of its own, with credentials of its own.
type stack struct {
	t         *testing.T
	ctx       context.Context // ends with the test, or with a Ctrl-C
	engine    *engine.Engine
	program   string            // Docker Compose
	env       string            // the file with the credentials
	variables map[string]string // of lab.env
	overlays  []string
	more      []string       // files on top of them
	replicas  map[string]int // of what was scaled
}

// newStack starts an engine, makes the images, and has both go when the test ends.
func newStack(t *testing.T) *stack {
	ctx, stop := signal.NotifyContext(t.Context(), os.Interrupt, syscall.SIGTERM)
	t.Cleanup(stop)
	s := &stack{
		t: t, ctx: ctx, env: filepath.Join(t.TempDir(), "env"), variables: readEnv(t, "lab.env"), replicas: map[string]int{},
	}
	var software lab.Software
	s.step("software", func() { software = s.install() })
	s.program = software.Compose
	s.step("a Docker engine", s.start)
	s.step("images", func() {
		if err := images.Build(ctx, s.engine, software, s.variables); err != nil {
			t.Fatal(err)
		}
		s.run("../..", nil, "make", "image", "BASE=scratch", "IMAGE="+s.variables["MIGRATE_IMAGE"])
	})
	s.run(".", nil, "./new-env", s.env)
	return s
}

func (s *stack) install() lab.Software {
	if err := engine.Install(s.ctx); err != nil {
		s.t.Fatal(err)
	}
	l, err := lab.Open("")
	if err != nil {
		s.t.Fatal(err)
	}
	l.Report = func(line string) { fmt.Println("          " + line) }
	software, err := l.Software(s.ctx)
	if err != nil {
		s.t.Fatal(err)
	}
	return software
}

// start starts the engine in a folder that goes with it: what it holds can be made again in half a minute.
func (s *stack) start() {
	dir := s.path("../../.lab/docker")
	e, err := engine.Start(s.ctx, dir)
	if err != nil {
		s.t.Fatal(err)
	}
	s.engine = e
	s.t.Cleanup(func() {
		if s.t.Failed() {
			s.tell()
		}
		if err := e.Stop(); err != nil {
			s.t.Error(err)
		}
		if err := os.RemoveAll(dir); err != nil {
			s.t.Error(err)
		}
	})
}

// tell shows what is not well.
func (s *stack) tell() {
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	defer cancel()
	list, _ := s.engine.Docker(ctx, nil, "ps", "--all", "--format", "{{.Names}}\t{{.Status}}")
	fmt.Println(list)
	for line := range strings.Lines(list) {
		if name, status, _ := strings.Cut(line, "\t"); !strings.Contains(status, "(healthy)") {
			log, err := s.engine.Run(ctx, nil, "", nil, "sh", "-c", `docker logs --tail 20 "$0" 2>&1`, name)
			fmt.Println(name, err, log)
		}
	}
}

// step does one thing, and prints it with the time that it took.
func (s *stack) step(what string, do func()) {
	s.t.Helper()
	began := time.Now()
	do()
	fmt.Printf("%7.1fs  %s\n", time.Since(began).Seconds(), what)
}

// up brings the base, the lab and the overlays up, and waits until all of it is healthy. There is no Grafana: no package
// registry has it.
func (s *stack) up(overlays ...string) {
	s.overlays = append(slices.Clone(overlays), "lab")
	clear(s.replicas)
	s.bringUp(append([]string{"up", "--detach", "--wait"}, s.services()...)...)
	s.checkHealth()
}

// bringUp goes on as `migrate cluster start` does where a role ends once: one that comes before its last session has run out
// does, and Docker starts it again, but Compose gives up at the first.
func (s *stack) bringUp(up ...string) {
	s.t.Helper()
	const tries = 4
	for try := 1; ; try++ {
		_, err := s.tryCompose(s.ctx, up...)
		if err == nil {
			return
		}
		if try == tries || s.ctx.Err() != nil {
			s.t.Fatal(err)
		}
		fmt.Println("          not all are up; Docker starts what ended again:", err)
		_ = clock.Sleep(s.ctx, 10*time.Second) // the next try tells
	}
}

// services are those that come up, which leaves jobs out.
func (s *stack) services() []string {
	services := strings.Fields(s.compose("config", "--services"))
	return slices.DeleteFunc(services, func(name string) bool { return name == "grafana" })
}

func (s *stack) checkHealth() {
	want := 0
	for _, service := range load(s.t, Files(".", s.overlays...), s.all()).Services {
		if comesUp(service) && service.Name != "grafana" {
			want += service.GetScale()
		}
	}
	list := s.docker("ps", "--all", "--format", "{{.Names}} {{.Status}}")
	if healthy := strings.Count(list, "(healthy)"); healthy != want || strings.Count(list, "\n") != want {
		s.t.Fatalf("%d containers are healthy, want %d and no other:\n%s", healthy, want, list)
	}
}

// all are the variables that Compose gets.
func (s *stack) all() map[string]string {
	variables := maps.Clone(s.variables)
	made, err := dotenv.Read(s.env)
	if err != nil {
		s.t.Fatal(err)
	}
	maps.Copy(variables, made)
	return variables
}

// compose runs Docker Compose on the files as they are chosen now, and returns its output.
func (s *stack) compose(args ...string) string {
	s.t.Helper()
	out, err := s.tryCompose(s.ctx, args...)
	if err != nil {
		s.t.Fatal(err)
	}
	return out
}

func (s *stack) tryCompose(ctx context.Context, args ...string) (string, error) {
	flags := []string{"--progress", "plain", "--env-file", s.env, "--env-file", "lab.env"}
	for _, file := range append(Files(".", s.overlays...), s.more...) {
		flags = append(flags, "--file", file)
	}
	target := "proxy:19530"
	if slices.Contains(s.overlays, "lb") {
		target = "lb:19530"
	}
	env := []string{"MIGRATE_SOURCE_ADDRESS=standalone:19530", "MIGRATE_TARGET_ADDRESS=" + target, "MIGRATE_COLLECTION=" + collection}
	return s.engine.Run(ctx, nil, ".", env, s.program, append(flags, args...)...)
}

func (s *stack) migrate(command string) {
	s.t.Helper()
	if err := s.tryMigrate(s.ctx, command); err != nil {
		s.t.Fatal(err)
	}
}

// tryMigrate runs migrate as a job, with flags of `compose run`.
func (s *stack) tryMigrate(ctx context.Context, command string, flags ...string) error {
	args := append([]string{"run", "--rm", "--no-TTY"}, flags...)
	_, err := s.tryCompose(ctx, append(args, "migrate", command, "--collection", collection)...)
	return err
}

// tryMigrateAs is tryMigrate for a collection of another name on the target, beside what was killed.
func (s *stack) tryMigrateAs(ctx context.Context, command, as string) error {
	_, err := s.tryCompose(ctx, "run", "--rm", "--no-TTY", "--no-deps", "migrate", command, "--collection", collection, "--as", as)
	return err
}

func (s *stack) docker(args ...string) string {
	s.t.Helper()
	out, err := s.engine.Docker(s.ctx, nil, args...)
	if err != nil {
		s.t.Fatal(err)
	}
	return out
}

// demo runs deploy/demo.
func (s *stack) demo(args ...string) {
	s.t.Helper()
	s.run(".", nil, "go", append([]string{"run", "../demo"}, args...)...)
}

func (s *stack) run(dir string, env []string, program string, args ...string) {
	s.t.Helper()
	if _, err := s.engine.Run(s.ctx, nil, dir, env, program, args...); err != nil {
		s.t.Fatal(err)
	}
}

func (s *stack) path(name string) string {
	path, err := filepath.Abs(name)
	if err != nil {
		s.t.Fatal(err)
	}
	return path
}

func (s *stack) standalone() string { return "127.0.0.1:" + s.variables["STANDALONE_PORT"] }
func (s *stack) lb() string         { return "127.0.0.1:" + s.variables["LB_PORT"] }

// metric is the sum of what one container of a service says of a metric.
func (s *stack) metric(ctx context.Context, service string, index int, name string) (float64, error) {
	text, err := s.tryCompose(ctx, "exec", "-T", "--index", itoa(index), service, "curl", "-sf", "http://localhost:9091/metrics")
	return sum(text, name), err
}

// sum adds up the values of every series whose name starts so.
func sum(metrics, name string) float64 {
	var total float64
	for line := range strings.Lines(metrics) {
		if !strings.HasPrefix(line, name) {
			continue
		}
		fields := strings.Fields(line)
		value, err := strconv.ParseFloat(fields[len(fields)-1], 64)
		if err == nil {
			total += value
		}
	}
	return total
}

func itoa(n int) string { return strconv.Itoa(n) }
