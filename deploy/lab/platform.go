package lab

import (
	"context"
	"fmt"
	"io"
	"net"
	"os"
	"path/filepath"
	"strconv"
	"sync"
	"time"

	"golang.org/x/sys/unix"

	"migrate/internal/clock"
	"migrate/internal/ops/cluster"
	"migrate/internal/ops/compose"
)

// Cluster is the lab's cluster by itself, as `migrate cluster` drives one: every part but the standalones and what serves those.
type Cluster struct{ *Lab }

var _ cluster.Platform = Cluster{}

// What the cluster takes, in bytes: fourteen processes that hold 3 GiB with little data.
const (
	neededMemory = 8 << 30
	neededDisk   = 10 << 30
)

func ofCluster(p part) bool { return p.role != "" }

// Look says what stands in the way of a start: a small machine, a program that is missing, a port that is taken.
func (c Cluster) Look(context.Context) ([]cluster.Finding, error) {
	var s unix.Sysinfo_t
	if err := unix.Sysinfo(&s); err != nil {
		return nil, fmt.Errorf("asking for the machine's memory: %w", err)
	}
	m := cluster.MachineOf(compose.Engine{Memory: int64(s.Totalram) * int64(s.Unit), Root: nearest(c.dir)})
	findings := []cluster.Finding{
		{What: "platform", Found: "processes of this machine, in " + c.dir}, m.CheckMemory(neededMemory), m.CheckDisk(neededDisk),
	}
	wanted, err := c.replicas()
	if err != nil {
		return nil, err
	}
	for _, p := range c.parts {
		if wanted.includes(p) && ofCluster(p) {
			findings = append(findings, c.lookAt(p))
		}
	}
	return findings, nil
}

// nearest is the folder, or the nearest above it that is there.
func nearest(dir string) string {
	for dir != filepath.Dir(dir) {
		if _, err := os.Stat(dir); err == nil {
			break
		}
		dir = filepath.Dir(dir)
	}
	return dir
}

// lookAt says whether a part could be started.
func (c Cluster) lookAt(p part) cluster.Finding {
	f := cluster.Finding{What: p.name, Found: "can be started"}
	as, err := c.recorded(p)
	if err == nil && as.alive() {
		f.Found = "runs"
		return f
	}
	if err == nil {
		err = c.haveTools([]pack{p.software})
	}
	if err == nil {
		err = checkPorts(p)
	}
	if err != nil {
		f.Bad, f.Found = true, err.Error()
	}
	return f
}

// Services are the cluster's roles.
func (c Cluster) Services(context.Context) ([]compose.Service, error) {
	wanted, err := c.replicas()
	if err != nil {
		return nil, err
	}
	var services []compose.Service
	for _, p := range c.parts {
		if ofCluster(p) && p.number <= 1 {
			s := compose.Service{Name: p.role, Replicas: 1}
			if p.number == 1 {
				s.Replicas, s.Scalable = wanted[p.role], true
			}
			services = append(services, s)
		}
	}
	return services, nil
}

// Containers are the processes that run.
func (c Cluster) Containers(ctx context.Context) ([]compose.Container, error) {
	found := make([]*compose.Container, len(c.parts))
	var looking sync.WaitGroup
	for i, p := range c.parts {
		if ofCluster(p) {
			looking.Go(func() { found[i] = c.container(ctx, p) })
		}
	}
	looking.Wait()
	var containers []compose.Container
	for _, one := range found {
		if one != nil {
			containers = append(containers, *one)
		}
	}
	return containers, ctx.Err()
}

// container is a part's process; nil where it does not run.
func (c Cluster) container(ctx context.Context, p part) *compose.Container {
	s := c.statusOf(ctx, p)
	if s.PID == 0 {
		return nil
	}
	one := &compose.Container{ID: p.name, Name: p.name, Service: p.role, State: "running", Health: "unhealthy"}
	if s.State == StateRunning {
		one.Health = "healthy"
	}
	if host, port, err := net.SplitHostPort(clientAddress(p)); err == nil {
		number, _ := strconv.Atoi(port)
		one.Publishers = []compose.Publisher{{URL: host, TargetPort: number, PublishedPort: number}}
	}
	return one
}

// clientAddress is where the users of a cluster reach a part; empty where they don't.
func clientAddress(p part) string {
	switch p.role {
	case "proxy", "minio":
		return loopback(p.ports[0].number)
	}
	return ""
}

// usageTime is for how long the processes' CPU time is counted.
const usageTime = 500 * time.Millisecond

// Usage is what each process takes.
func (c Cluster) Usage(ctx context.Context) (map[string]compose.Usage, error) {
	before, began := c.cpuTimes(), time.Now()
	if err := clock.Sleep(ctx, usageTime); err != nil {
		return nil, err
	}
	took, usage := time.Since(began).Seconds(), map[string]compose.Usage{}
	for as, seconds := range c.cpuTimes() {
		u := compose.Usage{Memory: as.memory()}
		if earlier, known := before[as]; known {
			u.CPU = max(0, (seconds-earlier)/took) // the time of one that has just ended reads as 0
		}
		usage[as.name] = u
	}
	return usage, nil
}

// namedProcess is the process of a part.
type namedProcess struct {
	process
	name string
}

// cpuTimes are the seconds of CPU time that the cluster's processes have taken since they were started.
func (c Cluster) cpuTimes() map[namedProcess]float64 {
	times := map[namedProcess]float64{}
	for _, p := range c.parts {
		as, err := c.recorded(p)
		if err == nil && ofCluster(p) && as.alive() {
			times[namedProcess{as, p.name}] = as.cpuTime()
		}
	}
	return times
}

// Metrics asks a role of Milvus for what it says of itself.
func (c Cluster) Metrics(ctx context.Context, of compose.Container) ([]byte, error) {
	p, err := c.part(of.ID)
	if err != nil {
		return nil, err
	}
	client, err := httpClient(nil)
	if err != nil {
		return nil, err
	}
	defer client.CloseIdleConnections()
	return get(ctx, client, "http://"+loopback(p.metrics())+"/metrics")
}

// Up installs and starts what does not run yet.
func (c Cluster) Up(ctx context.Context, out io.Writer) error {
	return c.telling(out).up(ctx, ofCluster)
}

// Scale starts or stops processes of a role.
func (c Cluster) Scale(ctx context.Context, out io.Writer, service string, number int) error {
	return c.telling(out).Lab.Scale(ctx, service, number)
}

// Down stops the cluster's processes; their data stays.
func (c Cluster) Down(ctx context.Context, out io.Writer) error {
	if _, err := os.Stat(c.dir); err != nil {
		return fmt.Errorf("looking for the lab's folder: %w", err)
	}
	return c.telling(out).down(ctx, ofCluster)
}

// Wipe stops the cluster's processes, and removes their data.
func (c Cluster) Wipe(ctx context.Context, out io.Writer) error {
	if err := c.Down(ctx, out); err != nil {
		return err
	}
	return c.telling(out).wipeCluster()
}

// telling is the cluster, with what it does told to out.
func (c Cluster) telling(out io.Writer) Cluster {
	l := *c.Lab
	var mu sync.Mutex
	l.Report = func(line string) {
		mu.Lock()
		defer mu.Unlock()
		fmt.Fprintln(out, line)
	}
	return Cluster{&l}
}

// Take ends a process.
func (c Cluster) Take(ctx context.Context, one compose.Container, how compose.Ending) error {
	if how == compose.Kill {
		return c.Kill(ctx, one.ID)
	}
	return c.Stop(ctx, one.ID)
}

// GiveBack starts a process again. One whose Take was cut off may still be on its way out, so it is ended first.
func (c Cluster) GiveBack(ctx context.Context, one compose.Container) error {
	return c.Restart(ctx, one.ID)
}
