package milvus

import (
	"fmt"
	"regexp"
	"slices"
	"strconv"

	"github.com/milvus-io/milvus-proto/go-api/v2/schemapb"
)

// Capabilities is what a server can do, decided once from its version; code asks this value, never the version.
type Capabilities struct {
	// Types that migrate carries from and to this server without loss.
	Types []schemapb.DataType
	// GRPCImport: bulk insert through the Import and GetImportState calls of 2.3, a task per call.
	GRPCImport bool
	// SnapshotReads: an iterator's pages see one instant (2.5, milvus-io/milvus#36572, #37189, #37248).
	SnapshotReads bool
	// ImportLosesStats: imported segments lose their statistics to garbage collection (2.4.0 to 2.4.3,
	// milvus-io/milvus#33476).
	ImportLosesStats bool
	// SegmentRows: the rows of the flushed segments tell whether anything was inserted or upserted (seen on 2.3.5).
	SegmentRows bool
}

// carried lists the types of Milvus 2.3, which every later version has too.
var carried = []schemapb.DataType{
	schemapb.DataType_Bool, schemapb.DataType_Int8, schemapb.DataType_Int16, schemapb.DataType_Int32,
	schemapb.DataType_Int64, schemapb.DataType_Float, schemapb.DataType_Double, schemapb.DataType_VarChar,
	schemapb.DataType_JSON, schemapb.DataType_Array, schemapb.DataType_FloatVector, schemapb.DataType_BinaryVector,
}

var versionPattern = regexp.MustCompile(`(\d+)\.(\d+)(?:\.(\d+))?`)

func capabilitiesOf(version string) Capabilities {
	major, minor, patch := parseVersion(version)
	return Capabilities{
		Types:            carried,
		GRPCImport:       major == 2 && minor == 3,
		SnapshotReads:    major > 2 || major == 2 && minor >= 5,
		ImportLosesStats: major == 2 && minor == 4 && patch < 4,
		SegmentRows:      major == 2 && minor == 3,
	}
}

func parseVersion(version string) (major, minor, patch int) {
	m := versionPattern.FindStringSubmatch(version)
	if m == nil {
		return 0, 0, 0
	}
	major, _ = strconv.Atoi(m[1])
	minor, _ = strconv.Atoi(m[2])
	patch, _ = strconv.Atoi(m[3])
	return major, minor, patch
}

// Unsupported names each field of a schema whose type this server, or migrate, does not carry: "name (Type)".
func (c Capabilities) Unsupported(schema *schemapb.CollectionSchema) []string {
	var fields []string
	for _, f := range schema.GetFields() {
		if !slices.Contains(c.Types, f.GetDataType()) {
			fields = append(fields, fmt.Sprintf("%s (%s)", f.GetName(), f.GetDataType()))
		}
	}
	return fields
}
