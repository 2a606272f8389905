package compose

import (
	"fmt"
	"maps"
	"slices"

	"github.com/compose-spec/compose-go/v2/types"
)

// A check looks at one service of a project and reports what is wrong with it.
type check func(p *types.Project, s types.ServiceConfig, report func(format string, args ...any))

var checks = []check{
	portsDoNotCollide, portsSuffice, portsAreLocal,
	mountsExist, namesResolve, advertisedNamesReachable,
	isWatched, waitsForHealth,
	canBeScaled, isLimited, sharesNoData,
	secretsComeFromOutside,
	roleExists, bulkInsertIsSafe,
}

// Check lists what is wrong with the project, by service.
func Check(p *types.Project) []string {
	var problems []string
	for _, name := range slices.Sorted(maps.Keys(p.Services)) {
		for _, c := range checks {
			c(p, p.Services[name], func(format string, args ...any) {
				problems = append(problems, name+": "+fmt.Sprintf(format, args...))
			})
		}
	}
	return problems
}
