// Package cluster starts, scales, watches and stops a distributed Milvus, on Docker Compose or another platform.
package cluster

import (
	"errors"
	"fmt"
	"slices"
	"strings"

	"migrate/internal/ops/compose"
)

// component is a role of Milvus of which there may be several.
type component struct {
	service     string
	coordinator string // the service that counts them
	count       string // the metric that it counts them by
}

var components = []component{
	{"proxy", "rootcoord", "milvus_rootcoord_proxy_num"},
	{"querynode", "querycoord", "milvus_querycoord_querynode_num"},
	{"datanode", "datacoord", "milvus_datacoord_datanode_num"},
	{"indexnode", "datacoord", "milvus_datacoord_index_node_num"},
}

// MostReplicas is how many of a component one machine can sensibly hold.
const MostReplicas = 32

// ErrComponent is a component that is not known, or a number of replicas that is out of its bounds.
var ErrComponent = errors.New("not possible")

// lookUp finds a component by the name of its service.
func lookUp(name string) (component, error) {
	i := slices.IndexFunc(components, func(c component) bool { return c.service == name })
	if i < 0 {
		var names []string
		for _, c := range components {
			names = append(names, c.service)
		}
		return component{}, fmt.Errorf("scaling %q: %w: it is %s", name, ErrComponent, strings.Join(names, ", "))
	}
	return components[i], nil
}

// CheckReplicas refuses what no project can have, before any is looked at.
func CheckReplicas(name string, replicas int) error {
	if _, err := lookUp(name); err != nil {
		return err
	}
	if replicas < 1 || replicas > MostReplicas {
		return fmt.Errorf("scaling %s to %d: %w: 1 to %d", name, replicas, ErrComponent, MostReplicas)
	}
	return nil
}

// fits refuses more replicas than the service publishes ports for.
func fits(s compose.Service, replicas int) error {
	for _, p := range s.Ports {
		if most := p.Last - p.First + 1; replicas > most {
			return fmt.Errorf("scaling %s to %d: %w: %s are ports for %d; give PROXY_PORTS more, or put a load balancer before them (compose.lb.yaml)",
				s.Name, replicas, ErrComponent, p, most)
		}
	}
	return nil
}
