package compose

import (
	"io/fs"
	"maps"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"

	"github.com/compose-spec/compose-go/v2/types"
)

var (
	// hostPort matches host:port where the host is a name. What stands before it must not make it part of a longer
	// word: an image's tag, or a file's path.
	hostPort = regexp.MustCompile(`(?:^|[\s="'(,/\[])([a-z][a-z0-9.-]*):\d{2,5}\b`)
	// alone matches a name that is the whole of a value.
	alone = regexp.MustCompile(`^[a-z][a-z0-9.-]*$`)
)

// mountsExist: what is mounted is there; Docker makes an empty folder of what is not.
func mountsExist(_ *types.Project, s types.ServiceConfig, report func(string, ...any)) {
	for _, v := range s.Volumes {
		if v.Type != types.VolumeTypeBind {
			continue
		}
		if _, err := os.Stat(v.Source); err != nil {
			report("mounts %s, which is not there", filepath.Base(v.Source))
		}
	}
}

// namesResolve: every host that a service is told of is one on the network.
func namesResolve(p *types.Project, s types.ServiceConfig, report func(string, ...any)) {
	known := append(hosts(p), "localhost")
	for _, host := range toldOf(s) {
		if !slices.Contains(known, host) {
			report("is told of host %s, which is no service", host)
		}
	}
}

// advertisedNamesReachable: what a server calls itself is a name that others reach it by.
func advertisedNamesReachable(_ *types.Project, s types.ServiceConfig, report func(string, ...any)) {
	lines := append(strings.Split(strings.Join(mounted(s), "\n"), "\n"), s.Command...)
	for key, value := range s.Environment {
		if value != nil {
			lines = append(lines, key+"="+*value)
		}
	}
	for _, line := range lines {
		if unreachable(line) {
			report("advertises what others can't reach: %s", line)
		}
	}
}

func unreachable(line string) bool {
	key := strings.ToLower(line)
	return strings.Contains(key, "advertise") &&
		slices.ContainsFunc([]string{"127.0.0.1", "localhost", "0.0.0.0"}, func(s string) bool { return strings.Contains(key, s) })
}

// hosts are the names that Docker's DNS answers.
func hosts(p *types.Project) []string {
	names := slices.Collect(maps.Keys(p.Services))
	for _, s := range p.Services {
		for _, network := range s.Networks {
			if network != nil {
				names = append(names, network.Aliases...)
			}
		}
	}
	return names
}

// toldOf are the hosts that a service's environment, command, health check and mounted files name.
func toldOf(s types.ServiceConfig) []string {
	texts := slices.Concat(s.Command, mounted(s))
	if s.HealthCheck != nil {
		texts = append(texts, s.HealthCheck.Test...)
	}
	var named []string
	for key, value := range s.Environment {
		if value == nil {
			continue
		}
		texts = append(texts, *value)
		if strings.HasSuffix(key, "_ADDRESS") && alone.MatchString(*value) {
			named = append(named, *value)
		}
	}
	for _, text := range texts {
		for _, match := range hostPort.FindAllStringSubmatch(text, -1) {
			named = append(named, match[1])
		}
	}
	slices.Sort(named)
	return slices.Compact(named)
}

// mounted are the texts of the configuration files that a service mounts, without comments.
func mounted(s types.ServiceConfig) []string {
	var texts []string
	for _, v := range s.Volumes {
		if v.Type != types.VolumeTypeBind {
			continue
		}
		filepath.WalkDir(v.Source, func(path string, d fs.DirEntry, err error) error {
			if err != nil || d.IsDir() || filepath.Ext(path) == ".json" { // a dashboard names no hosts
				return nil
			}
			text, err := os.ReadFile(path)
			texts = append(texts, comment.ReplaceAllString(string(text), ""))
			return err
		})
	}
	return texts
}

var comment = regexp.MustCompile(`(?m)(^|\s)#.*$`)
