package compose

import (
	"fmt"
	"slices"
	"strconv"
	"strings"

	"github.com/compose-spec/compose-go/v2/types"
)

// until25 are the roles of Milvus up to 2.5; later ones end at once with "Unknown server type" for some of them.
var (
	until25 = []string{"rootcoord", "datacoord", "querycoord", "indexcoord", "datanode", "querynode", "indexnode", "proxy", "standalone"}
	from26  = []string{"mixcoord", "datanode", "querynode", "streamingnode", "proxy", "standalone"}
)

// roleExists: the Milvus of a service has the role that it is to run.
func roleExists(_ *types.Project, s types.ServiceConfig, report func(string, ...any)) {
	if software(s) != "milvus" {
		return
	}
	v, err := versionOf(s.Image)
	if err != nil {
		report("%v", err)
		return
	}
	roles := until25
	if v[0] > 2 || v[0] == 2 && v[1] > 5 {
		roles = from26
	}
	if len(s.Command) != 3 || !slices.Contains(roles, s.Command[2]) {
		report("runs %v, which Milvus %d.%d does not have", s.Command, v[0], v[1])
	}
}

// bulkInsertIsSafe: 2.4.0 to 2.4.3 lose the statistics of what was bulk-inserted.
func bulkInsertIsSafe(_ *types.Project, s types.ServiceConfig, report func(string, ...any)) {
	if software(s) != "milvus" {
		return
	}
	if v, err := versionOf(s.Image); err == nil && v[0] == 2 && v[1] == 4 && v[2] < 4 {
		report("is Milvus 2.4.%d, which loses the statistics of bulk-inserted segments", v[2])
	}
}

// versionOf reads the version in an image's tag.
func versionOf(image string) (v [3]int, err error) {
	tag := strings.TrimPrefix(image[strings.LastIndex(image, ":")+1:], "v")
	parts := strings.SplitN(tag, ".", 3)
	if len(parts) != 3 {
		return v, fmt.Errorf("image %s names no version", image)
	}
	for i, part := range parts {
		if v[i], err = strconv.Atoi(part); err != nil {
			return v, fmt.Errorf("image %s names no version", image)
		}
	}
	return v, nil
}
