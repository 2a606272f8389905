package cluster

import (
	"cmp"
	"context"
	"net"
	"slices"
	"strconv"

	"migrate/internal/ops/compose"
)

// State is how the cluster's services stand.
type State struct {
	Services  []ServiceState `json:"services"`
	Endpoints []Endpoint     `json:"endpoints"`
}

// ServiceState is how one service stands.
type ServiceState struct {
	Service string  `json:"service"`
	Wanted  int     `json:"wanted"`
	Running int     `json:"running"`
	Healthy int     `json:"healthy"`
	CPU     float64 `json:"cpu_cores"`
	Memory  int64   `json:"memory_bytes"`
}

// Well tells whether as many are healthy as should be.
func (s ServiceState) Well() bool { return s.Healthy >= s.Wanted }

// Endpoint is an address on this machine, and what answers there.
type Endpoint struct {
	Service string `json:"service"`
	Address string `json:"address"`
}

// Standing asks how the services stand.
func Standing(ctx context.Context, p Platform) (*State, error) {
	services, containers, err := list(ctx, p)
	if err != nil {
		return nil, err
	}
	usage, err := p.Usage(ctx)
	if err != nil {
		return nil, err
	}
	return stateOf(services, containers, usage), nil
}

// list asks for what there should be, and what there is.
func list(ctx context.Context, p Platform) ([]compose.Service, []compose.Container, error) {
	services, err := p.Services(ctx)
	if err != nil {
		return nil, nil, err
	}
	containers, err := p.Containers(ctx)
	return services, containers, err
}

func stateOf(services []compose.Service, containers []compose.Container, usage map[string]compose.Usage) *State {
	state := &State{}
	for _, s := range slices.SortedFunc(slices.Values(services), func(a, b compose.Service) int { return cmp.Compare(a.Name, b.Name) }) {
		one := ServiceState{Service: s.Name, Wanted: s.Replicas}
		for _, c := range containers {
			if c.Service == s.Name {
				one.add(c, usage[c.Name])
				state.Endpoints = append(state.Endpoints, endpoints(c)...)
			}
		}
		state.Services = append(state.Services, one)
	}
	return state
}

func (s *ServiceState) add(c compose.Container, u compose.Usage) {
	if c.State == "running" {
		s.Running++
	}
	if c.Healthy() {
		s.Healthy++
	}
	s.CPU += u.CPU
	s.Memory += u.Memory
}

func endpoints(c compose.Container) []Endpoint {
	var found []Endpoint
	for _, p := range c.Publishers {
		if p.PublishedPort > 0 {
			found = append(found, Endpoint{c.Service, net.JoinHostPort(p.URL, strconv.Itoa(p.PublishedPort))})
		}
	}
	return found
}
