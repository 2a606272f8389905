package compose

import (
	"maps"
	"net"
	"slices"
	"strconv"
	"strings"

	"github.com/compose-spec/compose-go/v2/types"
)

// portsDoNotCollide: no two services, and no two ports of one, want the same port of the machine.
func portsDoNotCollide(p *types.Project, s types.ServiceConfig, report func(string, ...any)) {
	taken := map[int]string{}
	for _, other := range slices.Sorted(maps.Keys(p.Services)) {
		if other >= s.Name {
			break
		}
		for _, port := range published(p.Services[other]) {
			taken[port] = other
		}
	}
	for _, port := range published(s) {
		if by, is := taken[port]; is {
			report("publishes port %d, which %s takes", port, by)
		}
		taken[port] = s.Name
	}
}

// portsSuffice: each replica of a service finds a port of the machine of its own.
func portsSuffice(_ *types.Project, s types.ServiceConfig, report func(string, ...any)) {
	for _, port := range s.Ports {
		if n := len(portRange(port.Published)); port.Published != "" && n < s.GetScale() {
			report("%d replicas share %d published ports", s.GetScale(), n)
		} else if n == 1 && scaled(s) {
			report("can be scaled, and publishes the one port %s", port.Published)
		}
	}
}

// portsAreLocal: nothing is open to other machines unless told.
func portsAreLocal(_ *types.Project, s types.ServiceConfig, report func(string, ...any)) {
	for _, port := range s.Ports {
		if ip := net.ParseIP(port.HostIP); ip == nil || !ip.IsLoopback() {
			report("publishes %s on %q, not on this machine only", port.Published, port.HostIP)
		}
	}
}

// published are the ports of the machine that a service may take.
func published(s types.ServiceConfig) []int {
	var all []int
	for _, port := range s.Ports {
		all = append(all, portRange(port.Published)...)
	}
	return all
}

// portRange is every port of "19530" or "19530-19537", and none of anything else.
func portRange(text string) []int {
	first, last, isRange := strings.Cut(text, "-")
	if !isRange {
		last = first
	}
	from, err := strconv.Atoi(first)
	to, err2 := strconv.Atoi(last)
	if err != nil || err2 != nil {
		return nil
	}
	var ports []int
	for p := from; p <= to; p++ {
		ports = append(ports, p)
	}
	return ports
}
