package model

import (
	"errors"
	"fmt"
	"slices"
	"strconv"
	"time"

	"github.com/milvus-io/milvus-proto/go-api/v2/schemapb"
)

// Capabilities is what a server can do, decided from its version, and by asking it where that tells nothing; code asks this value,
// never the version.
type Capabilities struct {
	// Types that migrate carries from and to this server without loss.
	Types []schemapb.DataType
	// NotImported are those of them that its bulk insert does not take in the columns that migrate writes: FLOAT16_VECTOR and
	// BFLOAT16_VECTOR as lists of bytes (milvus-io/milvus#32157), SPARSE_FLOAT_VECTOR as JSON (milvus-io/milvus#33391).
	NotImported []schemapb.DataType
	// Nullable and NullableVectors: fields may be NULL, and vectors.
	Nullable, NullableVectors bool
	// EmptyIsNull: bulk insert makes NULL of an empty list in a nullable ARRAY (read in Milvus' sources of 2.5 to 3.0).
	EmptyIsNull bool
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
	// GivesTexts: a bulk insert gives auto ids that are texts; the job fails elsewhere (seen on 2.3.5; read of 2.4).
	GivesTexts bool
	// RemovesVectors: vectors whose index keeps none are removed from local storage as they are read (seen on 2.3.5; read of 2.4 before
	// milvus-io/milvus#35347).
	RemovesVectors bool
	// ChecksLengths: bulk insert refuses texts longer than max_length and arrays of more than max_capacity elements; earlier servers
	// take them (seen on 2.3.5 and 2.5.10).
	ChecksLengths bool
	// EmptySparse: bulk insert takes sparse vectors without a weight; earlier servers fail (milvus-io/milvus#40612).
	EmptySparse bool
	// TakesAutoIDs: an insert into a collection with auto ids may bring the keys, where its property says so (read in Milvus' sources). An
	// upsert gives new ones all the same.
	TakesAutoIDs bool
	// ImportsAutoIDs: its bulk insert takes them in files too (milvus-io/milvus#44601, #44694).
	ImportsAutoIDs bool
	// LaterAutoIDs: those that it gives are made of the time, so that they are none that rows have brought.
	LaterAutoIDs bool
	// LeastDim is the least dimension of a vector, MostFields and MostVectors how many fields and vector fields a collection has.
	LeastDim, MostFields, MostVectors int
	// Clock: it tells the time, as of which reads can be asked for. The reads of one that does not see all that it has acknowledged.
	Clock bool
	// Partitions: it has others than the default one.
	Partitions bool
	// Databases: it tells them apart.
	Databases bool
	// DatabaseProperties: they have properties.
	DatabaseProperties bool
	// Replicas: what is loaded is so in a number of them, which may be in resource groups.
	Replicas bool
	// Users: it may tell them apart, and grant them rights.
	Users bool
	// PrivilegeGroups: several privileges may have a name, by which they are granted.
	PrivilegeGroups bool
	// PasswordHashes: it gives those of its users' passwords, and takes them (2.5, and what of 2.4 came after it).
	PasswordHashes bool
	// KeyedFilters: a collection with a partition key takes filters.
	KeyedFilters bool
	// MostRows is how many rows an answer without a limit has at most, where it says of no other that it left them out; 0 for any number.
	MostRows int64
	// MergesUpserts: an upsert keeps what the row has and the new one has not, such as names of the dynamic field; an insert replaces
	// the row of its key.
	MergesUpserts bool
	// DropsNames are names of the dynamic field that it takes and does not keep.
	DropsNames []string
	// RewritesJSON: a JSON document comes back spelled otherwise than it was written, with the same value.
	RewritesJSON bool
	// SegmentRows: the rows of the flushed segments tell whether anything was inserted or upserted (seen on 2.3.5; by recordings
	// of 2.5.10; of other lines read in their sources only).
	SegmentRows bool

	// LogsV1: its storage has rows and deletes in logs of one column each, which migrate reads (seen on 2.3.5; of 2.4 and 2.5 read in
	// their sources).
	LogsV1 bool
	// TellsLogs: its REST API tells the logs of each segment.
	TellsLogs bool
	// CompactionLosesDeletes: of deletes that are written while segments are compacted it may lose some (seen on 2.3.5).
	CompactionLosesDeletes bool

	// IndexTypes are the types of indexes that it builds, those on paths of JSON as "JSON INVERTED", and the one that it chooses for
	// a scalar as "scalar AUTOINDEX"; nil: not known.
	IndexTypes []string
	// NeedsIndexParams: it takes no parameter of HNSW and of the IVF types for granted (seen on 2.3.5).
	NeedsIndexParams bool
	// SetsIndexes: parameters can be set on an index that is there (AlterIndex; 2.3.5 has the call, and no answer to it).
	SetsIndexes bool

	// Functions that migrate makes again on this server, and Analyzers: it cuts texts into words.
	Functions []schemapb.FunctionType
	Analyzers bool
	// NullInputs: an input of a function may take NULL (not on 2.5.10).
	NullInputs bool

	Reserved []string // words that no filter can name a field by
}

// ErrReserved: a field is called by a word of the filter grammar, so that no filter can name it.
var ErrReserved = errors.New("is a reserved word of Milvus' filters, which none of them can name a field by")

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
		if isVector(f.GetDataType()) {
			vectors++
		}
		if n, err := strconv.Atoi(TypeParam(f, "dim")); err == nil && n < c.LeastDim {
			found = append(found, fmt.Sprintf("field %q has %d dimension, and it takes vectors of %d at least", f.GetName(), n, c.LeastDim))
		}
	}
	if !c.NullInputs {
		for _, input := range nullInputs(schema) {
			found = append(found, input+", and it takes none")
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

// NotImportedOf names the fields of a schema that this server has the types of, and that its bulk insert does not take.
func (c Capabilities) NotImportedOf(schema *schemapb.CollectionSchema) []string {
	return fieldsOf(schema, func(t schemapb.DataType) bool { return slices.Contains(c.NotImported, t) })
}

// Unsupported names what of a collection this server, or migrate, does not carry: fields as "name (Type)", and as "name (nullable)"
// those that the server has no NULL in.
func (c Capabilities) Unsupported(coll *Collection) []string {
	fields := fieldsOf(coll.Schema, func(t schemapb.DataType) bool {
		_, known := schemapb.DataType_name[int32(t)] // otherwise it is named as unknown
		return known && !slices.Contains(c.Types, t)
	})
	return slices.Concat(fields, c.notNullable(coll.Schema), c.uncarried(coll), notCarried(coll.Schema), unknownParams(coll.Indexes))
}

// fieldsOf names the fields of such types, as "name (Type)", but for those that a function computes.
func fieldsOf(schema *schemapb.CollectionSchema, is func(schemapb.DataType) bool) (fields []string) {
	for _, f := range schema.GetFields() {
		if is(f.GetDataType()) && !IsComputed(schema, f) {
			fields = append(fields, fmt.Sprintf("%s (%s)", f.GetName(), f.GetDataType()))
		}
	}
	return fields
}

// notNullable names the fields of a schema that take NULL, and would not on this server.
func (c Capabilities) notNullable(schema *schemapb.CollectionSchema) (fields []string) {
	for _, f := range schema.GetFields() {
		takes := c.Nullable
		if isVector(f.GetDataType()) {
			takes = c.NullableVectors
		}
		if f.GetNullable() && !takes {
			fields = append(fields, f.GetName()+" (nullable)")
		}
	}
	return fields
}

// ErrNoFilters: the server takes no filter on the collection.
var ErrNoFilters = errors.New("takes no filter on a collection with a partition key")

// CheckFilters refuses a collection that the server takes no filter on: ErrNoFilters.
func (c Capabilities) CheckFilters(schema *schemapb.CollectionSchema) error {
	if PartitionKey(schema) && !c.KeyedFilters {
		return ErrNoFilters
	}
	return nil
}

// BulkInserts reports whether there is a way to have it import files.
func (c Capabilities) BulkInserts() bool { return c.GRPCImport || c.RESTImport }

// CanFilter reports whether a filter of this server can name a field. Some that can't are refused, and a constant such as "true"
// ends a server of 2.3.5: none of them is to be tried.
func (c Capabilities) CanFilter(field string) bool { return !slices.Contains(c.Reserved, field) }

// CheckKey refuses a schema whose key no filter of this server can name: ErrReserved.
func (c Capabilities) CheckKey(schema *schemapb.CollectionSchema) error {
	if key := PrimaryKey(schema).GetName(); !c.CanFilter(key) {
		return fmt.Errorf("key field %q %w", key, ErrReserved)
	}
	return nil
}
