package main

import (
	"slices"
	"strings"
	"time"

	"github.com/spf13/pflag"
)

// setting declares one setting: its default, and what it is.
type setting struct {
	key   string
	value any // the default, which also gives the type: string, int, bool, time.Duration, or []string for what may be given several times
	usage string
}

func serverSettings(side, what string) []setting {
	return []setting{
		{side + ".address", "", "host:port of the " + what + ", or http://host:port/database, or https:// for TLS; without a port 19530, and 443 after https://"},
		{side + ".username", "", "user of the " + what},
		{side + ".password", "", "its password (better: " + envName(side+".password") + ", which no process list shows)"},
		{side + ".token", "", "API key, instead of user and password"},
		{side + ".database", "", "database; the default one where empty"},
		{side + ".tls", false, "connect with TLS, as https:// before the address does"},
		{side + ".ca-file", "", "PEM file of the authority that signed its certificate; the system's where empty"},
		{side + ".cert-file", "", "PEM file of a client certificate, where it asks for one (tlsMode 2)"},
		{side + ".key-file", "", "PEM file of that certificate's key"},
		{side + ".in-bucket", false, "its own storage is a bucket, and no local folder; only to be said where vectors are refused that reading might remove"},
	}
}

func storeSettings(side, url, what string) []setting {
	return []setting{
		{side + ".url", url, what},
		{side + ".endpoint", "", "host:port of the S3 or MinIO server, for an s3:// URL; https:// before it turns TLS on"},
		{side + ".access-key", "", "its access key; where empty, keys are looked for in AWS_* and MINIO_* variables, the AWS profile, web identity, and the role of container or instance"},
		{side + ".secret-key", "", "its secret key (better: " + envName(side+".secret-key") + ")"},
		{side + ".session-token", "", "session token of temporary keys (better: " + envName(side+".session-token") + ")"},
		{side + ".region", "", "its region; asked of it where empty"},
		{side + ".sse", "", "encryption by the store that its bucket demands: s3, kms or kms:KEY-ID; none for none"},
		{side + ".tls", false, "connect to it with TLS"},
		{side + ".ca-file", "", "PEM file of the authority that signed its certificate"},
	}
}

var (
	sourceSettings = serverSettings("source", "Milvus server to export from")
	targetSettings = append(serverSettings("target", "Milvus cluster to import into"),
		setting{"target.rest-url", "", "http://host:port of its REST API, by which Milvus 2.4 and later import; that of target.address where empty"})
	storageSettings = storeSettings("source.storage", "", "where the source keeps its rows, from which they are read, and by which it tells a sync what was written: the folder of a standalone, or s3://bucket/root-path; nothing is written there")
	sinkSettings    = storeSettings("sink", "./migrate-data", "where exports are: a folder, file:///path or s3://bucket/prefix")
	stagingSettings = storeSettings("staging", "s3://a-bucket/migrate-staging", "where the target's bulk insert reads: its own bucket, and a prefix in it; what is not said of its server is as for the sink")
	collection      = setting{"collection", []string{}, "name of the collection; where several may be meant, also a pattern such as 'users_*', and may be given several times"}
	atOnce          = setting{"at-once", 4, "collections moved at once, where many are; --workers and --jobs are for all of them together"}
	moveName        = setting{"move", "move", "name of a move of many collections, under which it is kept what became of each"}
	jobSetting      = setting{"job", "", "name of the export on the sink; the collection's name where empty"}
	jobName         = setting{"job", "", "name of the job"}
	parquetSetting  = setting{"parquet", "", "folder, file:///path or s3://bucket/prefix of Parquet that others wrote by the rules of bulk insert, instead of an export; reached as the sink is"}
	schemaSetting   = setting{"schema", "", "file that says what its rows are, as migrate describe writes it, or the manifest of an export; as the target's collection says where empty"}
	asSetting       = setting{"as", "", "name of the collection on the target, where it is another"}
	workers         = setting{"workers", 4, "ranges read at once"}
	loadSetting     = setting{"load", false, "load a collection that is not loaded, and release it afterwards"}
	partSize        = setting{"part-size", "256MiB", "size aimed at for one Parquet file"}
	overwrite       = setting{"overwrite", false, "replace a complete export of the same job"}
	allowUnreadable = setting{"allow-unreadable", false, "leave out rows that the server counts but never returns, and name them"}
	jobs            = setting{"jobs", 4, "bulk-insert jobs in flight, or calls that insert rows"}
	viaSetting      = setting{"via", viaAuto, "how the rows come: bulk (insert), insert, or auto: insert where the target has no bulk insert or no staging store is given"}
	newKeys         = setting{"new-keys", false, "have a target with auto ids give the rows new keys, also where it could keep theirs"}
	intoExisting    = setting{"into-existing", false, "add to a collection that has rows; refused where a key is there already"}
	keepIDs         = setting{"keep-ids", false, "keep the keys of an auto-id collection by making them explicit ones, also where the target could keep them as auto ids"}
	indexTypes      = setting{"index", "", "FIELD=TYPE,…: types that indexes are to have on the target, where it does not build those of the source; NONE for no index"}
	create          = setting{"create", false, "make the collection on the target where it is not there, and fill it row by row, without an export"}
	widen           = setting{"widen", false, "raise max_length and max_capacity on the target to what the rows need, where the source took longer ones"}
	force           = setting{"force", false, "go on against a warning that the message names"}
	watch           = setting{"watch", false, "show it again every 2 seconds, until interrupted"}
	from            = setting{"from", "source", "what to hold the target against: source or export"}
	projectDir      = setting{"project-dir", ".", "folder of the Compose project, with its compose.yaml and .env"}
	labSetting      = setting{"lab", "", "folder of a cluster of plain processes, without Docker or root, instead of a Compose project; for trials, on this machine only"}
	overlays        = setting{"overlays", "", "overlays of the Compose project, such as lb,monitoring: ha, lb, monitoring, standalone, migrate"}
	wipe            = setting{"wipe", false, "remove the data too"}
	compare         = setting{"compare", false, "put source and target to the same test, and show them side by side"}
	keep            = setting{"keep", false, "leave the collection that was made for the test"}
	html            = setting{"html", "", "file to write a page with charts to, which loads nothing from the network"}

	dimensions = setting{"dim", 384, "dimensions of a vector"}
	inserters  = setting{"inserters", 1, "inserts at once"}
	threads    = setting{"threads", 10, "threads that search, each on a connection of its own"}

	drillSettings = []setting{
		{"stop-command", "", "command that takes a part away, for the shell"},
		{"start-command", "", "command that gives it back, and returns when it is well again"},
		{"base-rows", 20_000, "vectors that are there before the drill"},
		{"away", 15 * time.Second, "how long a part stays away"},
		{"settle", 10 * time.Second, "how long to watch before a part is taken away, and how long all has to be well afterwards"},
		{"kill", false, "kill it as a crash would, instead of asking it to end"},
	}
	insertSettings = []setting{
		{"rows", 1_000_000, "vectors to insert"}, {"batch", 10_000, "vectors of one insert"}, dimensions, inserters,
	}
	searchSettings = []setting{
		threads,
		{"queries", 100, "searches of each thread, one after the other"},
		{"warm-up", 20, "searches of each thread before those that count"},
		{"top", 10, "neighbours to find"},
		{"index", "", "HNSW, IVF_FLAT or FLAT; HNSW where empty"},
		{"ef", 64, "candidates that a search in HNSW keeps"},
		{"nprobe", 16, "clusters that a search in IVF_FLAT looks into, of 1,024"},
	}
	once          = setting{"once", false, "end when all is applied that was written before; for cron"}
	interval      = setting{"interval", "30s", "time between two cycles"}
	fullScanEvery = setting{"full-scan-every", "24h", "time in which the rows of each range are compared, though nothing hints at a change"}
	flushEvery    = setting{"flush-every", "5m", "time between two flushes of a source that is written to all the time; a quiet one is flushed in each cycle"}
	cycleRows     = setting{"cycle-rows", 1_000_000, "rows compared in one cycle, about"}
	maxRate       = setting{"max-rate", 0, "rows a second read from the source, and by verify from either side; no limit where 0"}
	maxDelete     = setting{"max-delete", "10%", "rows that may be deleted on the target in one cycle: a number, or a share of its rows"}
	cursorField   = setting{"cursor-field", "", "INT64 or VARCHAR field that grows with every insert and upsert, such as updated_at, by which what was written is found"}
	baseDone      = setting{"base-done", false, "the target was filled otherwise than by this job's import, and seen to be equal"}
	listen        = setting{"listen", "127.0.0.1:9321", "host:port of the status page, /metrics, /healthz and /readyz, unless --once is said; none where empty"}
	pprof         = setting{"pprof", false, "serve profiles of this process at /debug/pprof/ there too"}
	listenToken   = setting{"listen-token", "", "token that requests have to bear, as a bearer token or, in a browser, as the password of any user; needed where others than this machine can reach the address (better: " + envName("listen-token") + ")"}

	rollback         = setting{"rollback", false, "switch back to the source"}
	alias            = setting{"alias", "", "alias on the target that names the collection once it serves; it may name another one before"}
	stillFor         = setting{"still-for", "10s", "time in which nothing may be written to the side that serves, before the switch"}
	wayBack          = setting{"way-back", "72h", "time in which a sync keeps the source in step after the switch"}
	allowDifferences = setting{"allow-differences", false, "switch though the descriptions differ in what neither loses rows nor breaks searches, such as the parameters of an index; the certificate lists it"}
	allowDuplicates  = setting{"allow-duplicates", false, "switch though keys have several rows on the side that serves: the other one has one of each; the certificate says so"}
	discardLate      = setting{"discard-late", false, "undo what was written, after a switch, to the side that was left by it"}

	jsonOut   = setting{"json", false, "print the result as JSON on standard output"}
	logLevel  = setting{"log-level", "warn", "debug, info, warn or error"}
	logFormat = setting{"log-format", "text", "text or json"}
)

var globalSettings = []setting{jsonOut, logLevel, logFormat}

// allSettings are those of all commands: only they are read.
func allSettings() []setting {
	return slices.Concat(sourceSettings, storageSettings, readSettings, targetSettings, sinkSettings, stagingSettings, selectionSettings, aroundSettings, globalSettings, insertSettings, searchSettings, drillSettings, []setting{
		collection, atOnce, moveName, parquetSetting, schemaSetting, jobSetting, asSetting, workers, loadSetting, partSize, overwrite, allowUnreadable, jobs, viaSetting, intoExisting, keepIDs, newKeys,
		indexTypes, create, widen, force, from, watch,
		compare, keep, html, projectDir, labSetting, overlays, wipe,
	}, syncSettings, cutoverSettings)
}

func flagName(key string) string { return strings.ReplaceAll(key, ".", "-") }
func envName(key string) string {
	return "MIGRATE_" + strings.ToUpper(strings.NewReplacer(".", "_", "-", "_").Replace(key))
}

// addFlags declares settings as flags.
func addFlags(flags *pflag.FlagSet, settings ...setting) {
	for _, s := range settings {
		switch v := s.value.(type) {
		case string:
			flags.String(flagName(s.key), v, s.usage)
		case int:
			flags.Int(flagName(s.key), v, s.usage)
		case bool:
			flags.Bool(flagName(s.key), v, s.usage)
		case time.Duration:
			flags.Duration(flagName(s.key), v, s.usage)
		case []string:
			flags.StringArray(flagName(s.key), v, s.usage)
		}
	}
}
