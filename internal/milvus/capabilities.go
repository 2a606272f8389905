package milvus

import (
	"fmt"
	"regexp"
	"slices"
	"strconv"
	"time"

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
	// RESTImport: bulk insert through ImportJobs, which names the files of its jobs.
	RESTImport bool
	// FilesPerJob is how many files one bulk-insert job takes.
	FilesPerJob int
	// JobsKnownFor is how long the server surely knows a bulk-insert job that has ended.
	JobsKnownFor time.Duration
	// IdempotentImport: a bulk insert that is asked for again with the same Idempotency-Key is the same job
	// (milvus-io/milvus#52544). Other servers ignore the key.
	IdempotentImport bool
	// ImportCommit: a job may wait, with no row visible, until it is committed or aborted (milvus-io/milvus#48524).
	ImportCommit bool
	// ImportLosesStats: imported segments lose their statistics to garbage collection (2.4.0 to 2.4.3,
	// milvus-io/milvus#33476).
	ImportLosesStats bool
	// ChecksLengths: bulk insert refuses texts longer than max_length and arrays of more than max_capacity elements; earlier servers
	// take them (seen on 2.3.5 and 2.5.10).
	ChecksLengths bool
	// LeastDim is the least dimension of a vector, MostFields and MostVectors how many fields and vector fields a collection has.
	LeastDim, MostFields, MostVectors int
	// SegmentRows: the rows of the flushed segments tell whether anything was inserted or upserted (seen on 2.3.5).
	SegmentRows bool

	reserved []string // words that no filter can name a field by
}

// carried lists the types of Milvus 2.3, which every later version has too.
var carried = []schemapb.DataType{
	schemapb.DataType_Bool, schemapb.DataType_Int8, schemapb.DataType_Int16, schemapb.DataType_Int32,
	schemapb.DataType_Int64, schemapb.DataType_Float, schemapb.DataType_Double, schemapb.DataType_VarChar,
	schemapb.DataType_JSON, schemapb.DataType_Array, schemapb.DataType_FloatVector, schemapb.DataType_BinaryVector,
}

var versionPattern = regexp.MustCompile(`(\d+)\.(\d+)(?:\.(\d+))?`)

func capabilitiesOf(text string) Capabilities {
	v := parseVersion(text)
	can := Capabilities{
		Types:            carried,
		GRPCImport:       v.in(2, 3),
		RESTImport:       !v.before(2, 4, 0),
		IdempotentImport: v.in(2, 6) && !v.before(2, 6, 24) || !v.before(3, 0, 2),
		ImportCommit:     !v.before(3, 0, 0),
		SnapshotReads:    !v.before(2, 5, 0),
		SegmentRows:      v.in(2, 3),
		ImportLosesStats: v.in(2, 4) && v.before(2, 4, 4),
		ChecksLengths:    !v.before(2, 5, 0),
		LeastDim:         1, MostFields: 64, MostVectors: 1,
		reserved: reservedIn(v),
	}
	switch {
	case !v.before(2, 6, 0):
		can.LeastDim, can.MostVectors = 2, 10
	case !v.before(2, 5, 0):
		can.LeastDim, can.MostVectors = 2, 4
	case !v.before(2, 4, 0):
		can.MostVectors = 4
	}
	if !v.before(3, 0, 0) {
		can.MostFields = 256
	}
	// Ended jobs are kept for 24 hours by 2.3 and for 3 by later servers. Clocks differ, so less is counted on.
	switch {
	case can.GRPCImport:
		can.FilesPerJob, can.JobsKnownFor = 1, 20*time.Hour
	case can.RESTImport:
		can.FilesPerJob, can.JobsKnownFor = 1024, 150*time.Minute
	}
	return can
}

// version is major, minor and patch; all 0 where the server gives none.
type version [3]int

func (v version) before(parts ...int) bool { return slices.Compare(v[:], parts) < 0 }
func (v version) in(parts ...int) bool     { return slices.Equal(v[:len(parts)], parts) }

func parseVersion(text string) (v version) {
	m := versionPattern.FindStringSubmatch(text)
	for i := range v {
		if m != nil {
			v[i], _ = strconv.Atoi(m[i+1])
		}
	}
	return v
}

// systemFields are the names of fields that a server adds itself; a collection can't be made with one of its own so called.
var systemFields = []string{"RowID", "Timestamp", "$meta", "$namespace_id"}

// BeyondLimits says what of a schema this server refuses to make, though it knows the types.
func (c Capabilities) BeyondLimits(schema *schemapb.CollectionSchema) []string {
	var found []string
	vectors := 0
	for _, f := range schema.GetFields() {
		if slices.Contains(systemFields, f.GetName()) && !f.GetIsDynamic() {
			found = append(found, fmt.Sprintf("field %q has a name that it keeps for itself", f.GetName()))
		}
		dim := TypeParam(f, "dim")
		if dim == "" {
			continue
		}
		vectors++
		if n, err := strconv.Atoi(dim); err == nil && n < c.LeastDim {
			found = append(found, fmt.Sprintf("field %q has %d dimension, and it takes vectors of %d at least", f.GetName(), n, c.LeastDim))
		}
	}
	if n := len(schema.GetFields()); c.MostFields > 0 && n > c.MostFields {
		found = append(found, fmt.Sprintf("%d fields, and it takes %d", n, c.MostFields))
	}
	if c.MostVectors > 0 && vectors > c.MostVectors {
		found = append(found, fmt.Sprintf("%d vector fields, and it takes %d", vectors, c.MostVectors))
	}
	return found
}

// Unsupported names what of a schema this server, or migrate, does not carry: fields as "name (Type)".
func (c Capabilities) Unsupported(schema *schemapb.CollectionSchema) []string {
	var fields []string
	for _, f := range schema.GetFields() {
		if !slices.Contains(c.Types, f.GetDataType()) {
			fields = append(fields, fmt.Sprintf("%s (%s)", f.GetName(), f.GetDataType()))
		}
	}
	return append(fields, notCarried(schema)...)
}
