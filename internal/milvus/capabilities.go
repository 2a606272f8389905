package milvus

import (
	"regexp"
	"slices"
	"strconv"
	"time"

	"github.com/milvus-io/milvus-proto/go-api/v2/schemapb"

	"migrate/internal/model"
)

var versionPattern = regexp.MustCompile(`(\d+)\.(\d+)(?:\.(\d+))?`)

func capabilitiesOf(text string) model.Capabilities {
	v := parseVersion(text)
	told := v != version{}
	can := model.Capabilities{
		Types:                  model.TypesOf(model.Version(v)),
		NotImported:            model.NotImportedBy(model.Version(v)),
		Nullable:               !v.before(2, 5, 0),
		NullableVectors:        v.in(2, 6) && !v.before(2, 6, 18) || !v.before(3, 0, 0),
		EmptyIsNull:            !v.before(2, 5, 0),
		GRPCImport:             v.in(2, 3),
		RESTImport:             !v.before(2, 4, 0),
		IdempotentImport:       v.in(2, 6) && !v.before(2, 6, 24) || !v.before(3, 0, 2),
		ImportCommit:           !v.before(3, 0, 0),
		SnapshotReads:          !v.before(2, 5, 0),
		SegmentRows:            !v.before(2, 3, 0),
		LogsV1:                 v.in(2, 3) || v.in(2, 4) || v.in(2, 5),
		TellsLogs:              !v.before(2, 5, 7),
		CompactionLosesDeletes: v.in(2, 3),
		Clock:                  true, Partitions: true, Databases: true, KeyedFilters: true, Users: true, Replicas: true,
		DatabaseProperties: !v.before(2, 4, 0),
		PrivilegeGroups:    !v.before(2, 5, 0),
		PasswordHashes:     !v.before(2, 4, 0),
		ImportLosesStats:   v.in(2, 4) && v.before(2, 4, 4),
		GivesTexts:         !v.before(2, 4, 0),
		RemovesVectors:     told && v.before(2, 4, 10),
		ChecksLengths:      !v.before(2, 5, 0),
		TakesAutoIDs:       v.in(2, 5) && !v.before(2, 5, 19) || !v.before(2, 6, 3),
		ImportsAutoIDs:     v.in(2, 5) && !v.before(2, 5, 19) || !v.before(2, 6, 4),
		LaterAutoIDs:       true,
		EmptySparse:        !v.before(2, 5, 7),
		IndexTypes:         indexTypesOf(v),
		NeedsIndexParams:   v.before(2, 5, 0),
		SetsIndexes:        !v.before(2, 4, 0),
		Analyzers:          !told || !v.before(2, 5, 0),
		NullInputs:         !v.in(2, 5),
		LeastDim:           1, MostFields: 64, MostVectors: 1,
		Reserved: reservedIn(v),
	}
	switch {
	case !v.before(2, 6, 0):
		can.LeastDim, can.MostVectors = 2, 10
	case !v.before(2, 5, 0):
		can.LeastDim, can.MostVectors = 2, 4
	case !v.before(2, 4, 0):
		can.MostVectors = 4
	}
	if can.Analyzers {
		can.Functions = []schemapb.FunctionType{schemapb.FunctionType_BM25}
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
