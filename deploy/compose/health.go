package compose

import (
	"path"
	"slices"
	"strings"

	"github.com/compose-spec/compose-go/v2/types"
)

// tools are the programs that an image has for a health check. An image without sh has no shell.
var tools = map[string][]string{
	"milvus":     {"sh", "curl"},
	"etcd":       {"etcdctl"},
	"minio":      {"sh", "curl"},
	"pulsar":     {"sh", "bash"},
	"nginx":      {"sh", "curl"},
	"prometheus": {"sh", "promtool", "wget"},
	"grafana":    {"sh", "wget"},
	"migrate":    {"/migrate"},
}

// isWatched: a service that stays has a health check, which runs what its image contains.
func isWatched(_ *types.Project, s types.ServiceConfig, report func(string, ...any)) {
	if isJob(s) {
		return
	}
	if s.HealthCheck == nil || s.HealthCheck.Disable || len(s.HealthCheck.Test) < 2 {
		report("has no health check")
		return
	}
	program := s.HealthCheck.Test[1]
	if s.HealthCheck.Test[0] == "CMD-SHELL" {
		program = "sh"
	}
	if contained := tools[software(s)]; !slices.Contains(contained, program) {
		report("is checked by %s, and its image has only %v", program, contained)
	}
	if s.HealthCheck.Interval == nil || s.HealthCheck.Timeout == nil || s.HealthCheck.Retries == nil || s.HealthCheck.StartPeriod == nil {
		report("has a health check without interval, timeout, retries or start period")
	}
}

// waitsForHealth: what a service needs is healthy before it starts, so it needs no luck.
func waitsForHealth(p *types.Project, s types.ServiceConfig, report func(string, ...any)) {
	for name, dependency := range s.DependsOn {
		if dependency.Condition != types.ServiceConditionHealthy {
			report("waits for %s to be %s, not healthy", name, dependency.Condition)
		}
		if isJob(p.Services[name]) {
			report("waits for %s, which is a job", name)
		} else if comesUp(s) && !comesUp(p.Services[name]) {
			report("waits for %s, which has to be started by its name", name)
		}
	}
}

// comesUp tells whether the service is started with all others, and not by its name only.
func comesUp(s types.ServiceConfig) bool { return len(s.Profiles) == 0 }

// isJob tells whether the service is run by hand, and ends.
func isJob(s types.ServiceConfig) bool { return slices.Contains(s.Profiles, "job") }

// software is the name of the image, without registry, owner and version.
func software(s types.ServiceConfig) string {
	name, _, _ := strings.Cut(path.Base(s.Image), ":")
	return name
}
