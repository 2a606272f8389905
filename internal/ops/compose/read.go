package compose

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"path/filepath"
	"strconv"
	"strings"

	"github.com/dustin/go-humanize"
)

// Engine is the machine that the containers run on.
type Engine struct {
	Version string `json:"ServerVersion"`
	Memory  int64  `json:"MemTotal"`
	CPUs    int    `json:"NCPU"`
	Root    string `json:"DockerRootDir"` // where it keeps images and volumes
}

// Engine asks the daemon what machine it is on. ErrNoDaemon where it does not answer.
func (p *Project) Engine(ctx context.Context) (Engine, error) {
	var e Engine
	out, err := p.Docker(ctx, "info", "--format", "{{json .}}")
	if err != nil {
		return e, fmt.Errorf("asking the Docker daemon: %w", err)
	}
	return e, decode(out, &e)
}

// Service is one of the project's, as its files and its .env describe it.
type Service struct {
	Name     string
	Replicas int
	Scalable bool    // the files leave open how many there are
	CPUs     float64 // limit
	Memory   int64   // limit
	Ports    []Port
}

// Port is what a service publishes on the machine: one port for each replica, from a range that may be of one.
type Port struct {
	Host        string
	First, Last int
}

func (p Port) String() string {
	ports := strconv.Itoa(p.First)
	if p.Last != p.First {
		ports += "-" + strconv.Itoa(p.Last)
	}
	return net.JoinHostPort(p.Host, ports)
}

// Services are those that come up by themselves, in no order.
func (p *Project) Services(ctx context.Context) ([]Service, error) {
	out, err := p.Compose(ctx, "config", "--format", "json")
	if err != nil {
		return nil, fmt.Errorf("reading the project's configuration: %w", err)
	}
	return parseServices(out)
}

// configuration is the part of `compose config` that is looked at.
type configuration struct {
	Services map[string]struct {
		Deploy struct {
			Replicas  *int
			Resources struct {
				Limits struct {
					CPUs   number
					Memory number
				}
			}
		}
		Ports []struct {
			HostIP    string `json:"host_ip"`
			Published string
		}
	}
}

// number is one that Compose writes with or without quotation marks.
type number float64

func (n *number) UnmarshalJSON(b []byte) error {
	v, err := strconv.ParseFloat(strings.Trim(string(b), `"`), 64)
	*n = number(v)
	return err
}

func parseServices(out []byte) ([]Service, error) {
	var c configuration
	if err := decode(out, &c); err != nil {
		return nil, fmt.Errorf("reading the project's configuration: %w", err)
	}
	var services []Service
	for name, s := range c.Services {
		limits := s.Deploy.Resources.Limits
		service := Service{Name: name, Replicas: 1, CPUs: float64(limits.CPUs), Memory: int64(limits.Memory)}
		if s.Deploy.Replicas != nil {
			service.Replicas, service.Scalable = *s.Deploy.Replicas, true
		}
		for _, p := range s.Ports {
			port, err := parsePort(p.HostIP, p.Published)
			if err != nil {
				return nil, fmt.Errorf("reading the ports of %s: %w", name, err)
			}
			service.Ports = append(service.Ports, port)
		}
		services = append(services, service)
	}
	return services, nil
}

// parsePort reads "19530", or "19530-19537".
func parsePort(host, published string) (Port, error) {
	from, to, several := strings.Cut(published, "-")
	if !several {
		to = from
	}
	first, err1 := strconv.Atoi(from)
	last, err2 := strconv.Atoi(to)
	return Port{host, first, last}, errors.Join(err1, err2)
}

// Container is one of the project's.
type Container struct {
	ID         string
	Name       string
	Service    string
	State      string // running, exited, …
	Health     string // healthy, unhealthy, starting, or empty
	Publishers []Publisher
	Labels     string // name=value, separated by commas
}

// Dir is the folder of the project that the container was made for.
func (c Container) Dir() string {
	_, after, _ := strings.Cut(c.Labels, "com.docker.compose.project.working_dir=")
	dir, _, _ := strings.Cut(after, ",")
	return dir
}

// Publisher is a port of a container that the machine gives out.
type Publisher struct {
	URL           string // the machine's address
	TargetPort    int
	PublishedPort int
}

// Healthy tells whether it runs, and is known to be well.
func (c Container) Healthy() bool { return c.State == "running" && c.Health == "healthy" }

// Containers are all of the project's, also those that have ended. ErrOtherFolder where they are not this folder's.
func (p *Project) Containers(ctx context.Context) ([]Container, error) {
	out, err := p.Compose(ctx, "ps", "--all", "--format", "json")
	if err != nil {
		return nil, fmt.Errorf("listing the containers: %w", err)
	}
	containers, err := lines[Container](out)
	if err == nil {
		err = p.own(containers)
	}
	if err != nil {
		return nil, fmt.Errorf("listing the containers: %w", err)
	}
	return containers, nil
}

// own refuses containers that were made for another folder: Compose tells projects apart by their names only.
func (p *Project) own(containers []Container) error {
	here := resolved(p.Dir)
	for _, c := range containers {
		if dir := c.Dir(); dir != "" && resolved(dir) != here {
			return fmt.Errorf("%w: %s", ErrOtherFolder, dir)
		}
	}
	return nil
}

// resolved is a path by which a folder is told from others: without symbolic links, where they can be followed.
func resolved(path string) string {
	if absolute, err := filepath.Abs(path); err == nil {
		path = absolute
	}
	if followed, err := filepath.EvalSymlinks(path); err == nil {
		path = followed
	}
	return path
}

// Usage is what a container takes now.
type Usage struct {
	CPU    float64 // in cores
	Memory int64
}

// Usage is what each running container takes, by name.
func (p *Project) Usage(ctx context.Context) (map[string]Usage, error) {
	out, err := p.Compose(ctx, "stats", "--no-stream", "--format", "json")
	if err != nil {
		return nil, fmt.Errorf("asking what the containers take: %w", err)
	}
	return parseUsage(out)
}

func parseUsage(out []byte) (map[string]Usage, error) {
	found, err := lines[struct{ Name, CPUPerc, MemUsage string }](out)
	if err != nil {
		return nil, fmt.Errorf("reading what the containers take: %w", err)
	}
	usage := map[string]Usage{}
	for _, s := range found {
		percent, err1 := strconv.ParseFloat(strings.TrimSuffix(s.CPUPerc, "%"), 64)
		memory, _, _ := strings.Cut(s.MemUsage, "/")
		bytes, err2 := humanize.ParseBytes(strings.TrimSpace(memory))
		if err := errors.Join(err1, err2); err != nil {
			return nil, fmt.Errorf("reading what %s takes: %w", s.Name, err)
		}
		usage[s.Name] = Usage{percent / 100, int64(bytes)}
	}
	return usage, nil
}

// lines reads one JSON value after the other; older versions of Compose print one array.
func lines[T any](out []byte) ([]T, error) {
	if trimmed := bytes.TrimSpace(out); len(trimmed) > 0 && trimmed[0] == '[' {
		var all []T
		return all, decode(out, &all)
	}
	var all []T
	d := json.NewDecoder(bytes.NewReader(out))
	for {
		var one T
		switch err := d.Decode(&one); {
		case errors.Is(err, io.EOF):
			return all, nil
		case err != nil:
			return nil, fmt.Errorf("reading JSON: %w", err)
		}
		all = append(all, one)
	}
}

func decode(out []byte, into any) error {
	if err := json.Unmarshal(out, into); err != nil {
		return fmt.Errorf("reading JSON: %w", err)
	}
	return nil
}
