package checkpoint

import (
	"cmp"
	"crypto/sha256"
	"fmt"
	"path"
	"strconv"
	"strings"
)

// Folders of all jobs on a store.
const (
	root         = "_migrate/"
	jobsFolder   = root + "jobs/"
	plansFolder  = root + "plans/"
	chunksFolder = root + "chunks/"
)

const (
	suffix  = ".json"
	planJob = "job" + suffix // of a plan: the job as it was planned
)

// Name is what a job is called here. An import's and a sync's is told by the collection that it fills.
func Name(kind Kind, job, collection string) string {
	if kind == Export {
		return path.Join(job, string(Export))
	}
	return path.Join(job, string(kind)+"-"+collection)
}

// ImportNames are what an import into a collection of a database may be called: as all were before an export could be imported into several databases,
// where that is not the import into another; and with the database in it.
func ImportNames(job, database, collection string) (plain, within string) {
	at := cmp.Or(database, defaultDatabase) + "."
	if len(at)+len(collection) > longestCollection {
		at = fmt.Sprintf("%.8x.", sha256.Sum256([]byte(at)))
	}
	return Name(Import, job, collection), Name(Import, job, at+collection)
}

// defaultDatabase is what servers call the one without a name.
const defaultDatabase = "default"

// Filled is what the name of an import says of the collection that it fills.
func Filled(name string) string { return strings.TrimPrefix(path.Base(name), string(Import)+"-") }

// longestCollection is how long a collection's name may be, in bytes: with what is added to it, the names of checkpoints and
// certificates have to stay within the 255 that file systems and MinIO allow. Milvus allows as many for the name alone.
const longestCollection = 200

// CheckCollection refuses a collection that no import or sync can be named by: ErrLong.
func CheckCollection(name string) error {
	if len(name) > longestCollection {
		return fmt.Errorf("collection %q: %w: %d bytes of %d", name, ErrLong, len(name), longestCollection)
	}
	return nil
}

// SyncOf is the collection whose sync a job is; false where it is another one.
func SyncOf(name string) (collection string, ok bool) {
	return strings.CutPrefix(path.Base(name), string(Sync)+"-")
}

// Object is what holds the document of a job.
func Object(name string) string { return jobsFolder + name + suffix }

// jobName is the job that an object holds the document of; false for any other object.
func jobName(object string) (string, bool) {
	name, below := strings.CutPrefix(object, jobsFolder)
	name, ok := strings.CutSuffix(name, suffix)
	return name, below && ok
}

func planFolder(name, plan string) string { return plansFolder + name + "/" + plan + "/" }
func planObject(name, plan string) string { return planFolder(name, plan) + planJob }

func pageObject(name, plan string, page int) string {
	return planFolder(name, plan) + strconv.Itoa(page) + suffix
}

func chunkFolder(name, plan string) string { return chunksFolder + name + "/" + plan + "/" }

func chunkObject(name, plan string, chunk int) string {
	return chunkFolder(name, plan) + strconv.Itoa(chunk) + suffix
}

// chunkOf is the chunk that an object of a plan's folder is of; false for any other object.
func chunkOf(name, plan, object string) (chunk int, ok bool) {
	number, _ := strings.CutPrefix(object, chunkFolder(name, plan))
	chunk, err := strconv.Atoi(strings.TrimSuffix(number, suffix))
	return chunk, err == nil && chunk >= 0 && object == chunkObject(name, plan, chunk)
}

// newPlanID is a name that no other plan of a job has: epochs are of one owner each.
func newPlanID(epoch int64, number int) string { return fmt.Sprintf("%d.%d", epoch, number) }

func parsePlanID(id string) (epoch int64, number int, ok bool) {
	n, err := fmt.Sscanf(id, "%d.%d", &epoch, &number)
	return epoch, number, n == 2 && err == nil && id == newPlanID(epoch, number)
}

// planOf is the plan that an object holds the job of; false for any other object.
func planOf(name, object string) (id string, ok bool) {
	id, _ = strings.CutPrefix(object, plansFolder+name+"/")
	id, _ = strings.CutSuffix(id, "/"+planJob)
	_, _, valid := parsePlanID(id)
	return id, valid && object == planObject(name, id)
}

// comparePlans orders plans by when they were made.
func comparePlans(a, b string) int {
	epochA, numberA, _ := parsePlanID(a)
	epochB, numberB, _ := parsePlanID(b)
	return cmp.Or(cmp.Compare(epochA, epochB), cmp.Compare(numberA, numberB))
}
