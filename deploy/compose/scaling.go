package compose

import (
	"github.com/compose-spec/compose-go/v2/types"
)

// scaled tells whether the service is one of which there may be several.
func scaled(s types.ServiceConfig) bool { return s.Deploy != nil && s.Deploy.Replicas != nil }

// canBeScaled: nothing is fixed that two containers can't share.
func canBeScaled(_ *types.Project, s types.ServiceConfig, report func(string, ...any)) {
	if s.ContainerName != "" {
		report("has the fixed container name %s", s.ContainerName)
	}
	if s.Hostname != "" {
		report("has the fixed host name %s", s.Hostname)
	}
	for _, network := range s.Networks {
		if network != nil && network.Ipv4Address+network.Ipv6Address != "" {
			report("has a fixed address")
		}
	}
}

// isLimited: no service can take the whole machine.
func isLimited(_ *types.Project, s types.ServiceConfig, report func(string, ...any)) {
	if s.Deploy == nil || s.Deploy.Resources.Limits == nil {
		report("has no limits")
		return
	}
	if l := s.Deploy.Resources.Limits; l.NanoCPUs <= 0 || l.MemoryBytes <= 0 {
		report("has no limit of CPU or of memory")
	}
}

// sharesNoData: no two containers write to one volume.
func sharesNoData(p *types.Project, s types.ServiceConfig, report func(string, ...any)) {
	for _, volume := range volumes(s) {
		if scaled(s) {
			report("can be scaled, and all its replicas write to volume %s", volume)
		}
		for name, other := range p.Services {
			for _, v := range volumes(other) {
				if v == volume && name < s.Name {
					report("writes to volume %s, as %s does", volume, name)
				}
			}
		}
	}
}

// volumes are the named volumes that the service writes to.
func volumes(s types.ServiceConfig) []string {
	var names []string
	for _, v := range s.Volumes {
		if v.Type == types.VolumeTypeVolume && !v.ReadOnly {
			names = append(names, v.Source)
		}
	}
	return names
}
