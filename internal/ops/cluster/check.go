package cluster

import (
	"cmp"
	"context"
	"fmt"
	"net"
	"slices"
	"strconv"

	"github.com/dustin/go-humanize"
	"golang.org/x/sys/unix"

	"migrate/internal/ops/compose"
)

// What a cluster takes. A machine that is sold with 16 GiB shows a little less, since its kernel keeps some.
const (
	NeededMemory = 16 << 30
	kept         = 1 << 30
	NeededDisk   = 100 << 30
)

// A Finding is the outcome of one check.
type Finding struct {
	What   string `json:"what"`
	Found  string `json:"found"`
	Bad    bool   `json:"bad"`
	Small  bool   `json:"small,omitempty"`  // the machine is smaller than it should be, which one may choose to bear
	Unseen bool   `json:"unseen,omitempty"` // it was not looked at, so it is neither good nor bad
}

// Machine is what the checks ask of the machine that the servers run on.
type Machine struct {
	compose.Engine
	// FreeDisk is how many bytes are free where the data is kept. Below 0: it can't be seen from here.
	FreeDisk int64
	// Free tells whether nothing listens at an address.
	Free func(address string) bool
}

// MachineOf looks at the engine's machine, which is this one unless the daemon is elsewhere.
func MachineOf(e compose.Engine) Machine {
	return Machine{Engine: e, FreeDisk: freeDisk(e.Root), Free: nothingListens}
}

func freeDisk(dir string) int64 {
	var s unix.Statfs_t
	if err := unix.Statfs(dir, &s); err != nil {
		return -1
	}
	return int64(s.Bavail) * s.Bsize
}

func nothingListens(address string) bool {
	l, err := new(net.ListenConfig).Listen(context.Background(), "tcp", address)
	if err != nil {
		return false
	}
	return l.Close() == nil
}

// Check holds a project against a machine, and says everything that stands in the way. The ports of the project's own
// containers are no obstacle.
func Check(m Machine, services []compose.Service, own []compose.Container) []Finding {
	findings := []Finding{
		{What: "Docker", Found: m.Version},
		m.CheckMemory(NeededMemory), m.CheckDisk(NeededDisk),
	}
	services = slices.SortedFunc(slices.Values(services), func(a, b compose.Service) int { return cmp.Compare(a.Name, b.Name) })
	for _, s := range services {
		if s.CPUs > float64(m.CPUs) {
			findings = append(findings, Finding{What: "limit of " + s.Name, Bad: true,
				Found: fmt.Sprintf("%v CPUs are more than the %d of the machine; set a smaller limit in .env", s.CPUs, m.CPUs)})
		}
		for _, p := range s.Ports {
			findings = append(findings, m.checkPort(s, p, published(own)))
		}
	}
	return findings
}

// CheckMemory finds the machine small where it has less memory than so many bytes.
func (m Machine) CheckMemory(needed int64) Finding {
	f := Finding{What: "memory", Found: humanize.IBytes(uint64(m.Memory))}
	if m.Memory < needed-kept {
		f.Bad, f.Small = true, true
		f.Found += fmt.Sprintf(", and %s are needed", whole(needed))
	}
	return f
}

// CheckDisk finds the machine small where fewer bytes are free.
func (m Machine) CheckDisk(needed int64) Finding {
	if m.FreeDisk < 0 {
		return Finding{What: "disk", Unseen: true, Found: fmt.Sprintf("%s can't be seen from here; %s are needed", m.Root, whole(needed))}
	}
	f := Finding{What: "disk", Found: fmt.Sprintf("%s free in %s", humanize.IBytes(uint64(m.FreeDisk)), m.Root)}
	if m.FreeDisk < needed {
		f.Bad, f.Small = true, true
		f.Found += fmt.Sprintf(", and %s are needed", whole(needed))
	}
	return f
}

func whole(bytes int64) string { return fmt.Sprintf("%d GiB", bytes>>30) }

// checkPort: each replica finds a port of the range that nobody else has.
func (m Machine) checkPort(s compose.Service, p compose.Port, own map[int]bool) Finding {
	free := 0
	for port := p.First; port <= p.Last; port++ {
		if own[port] || m.Free(net.JoinHostPort(p.Host, strconv.Itoa(port))) {
			free++
		}
	}
	f := Finding{What: "port of " + s.Name, Found: p.String() + " is free"}
	switch {
	case free >= s.Replicas:
	case p.First == p.Last:
		f.Bad, f.Found = true, p.String()+" is taken; set another in .env"
	default:
		f.Bad, f.Found = true, fmt.Sprintf("of %s only %d are free, and %d replicas need one each; set others in .env", p, free, s.Replicas)
	}
	return f
}

// published are the ports that containers have on the machine.
func published(containers []compose.Container) map[int]bool {
	ports := map[int]bool{}
	for _, c := range containers {
		for _, p := range c.Publishers {
			ports[p.PublishedPort] = true
		}
	}
	return ports
}
