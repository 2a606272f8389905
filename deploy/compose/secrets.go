package compose

import (
	"regexp"
	"slices"
	"strings"

	"github.com/compose-spec/compose-go/v2/types"
)

// Secrets are the variables that have no default: ./new-env makes them up.
var Secrets = []string{"MINIO_ROOT_USER", "MINIO_ROOT_PASSWORD", "GRAFANA_PASSWORD", "MIGRATE_LISTEN_TOKEN"}

var secretName = regexp.MustCompile(`PASSWORD|SECRET|TOKEN|ACCESS_?KEY|ROOT_USER`)

// secretText is a secret as a command line or a file of settings says it. What begins with / or $ says where it is.
var secretText = regexp.MustCompile(`(?i)(?:password|secret|token|access_?key)\w*["']?\s*[:=]\s*["']?([^\s"'/$][^\s"']*)`)

// secretsComeFromOutside: what looks like a secret is empty, or has the value of a variable that has no default.
func secretsComeFromOutside(p *types.Project, s types.ServiceConfig, report func(string, ...any)) {
	var given []string
	for _, name := range Secrets {
		given = append(given, p.Environment[name])
	}
	for key, value := range s.Environment {
		if secretName.MatchString(key) && value != nil && *value != "" && !slices.Contains(given, *value) {
			report("has a value for %s in the clear", key)
		}
	}
	texts := append(mounted(s), strings.Join(slices.Concat(s.Entrypoint, s.Command), "\n"))
	if s.HealthCheck != nil {
		texts = append(texts, strings.Join(s.HealthCheck.Test, "\n"))
	}
	for _, text := range texts {
		if found := secretText.FindStringSubmatch(text); found != nil {
			report("has a secret in the clear: %s", found[0])
		}
	}
}
