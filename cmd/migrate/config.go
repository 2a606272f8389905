package main

import (
	"errors"
	"fmt"
	"os"
	"slices"
	"strings"

	"github.com/spf13/pflag"
	"github.com/spf13/viper"

	"migrate/internal/milvus"
	"migrate/sinks"
)

// config is every setting there is. A setting named source.address is --source-address as a flag,
// MIGRATE_SOURCE_ADDRESS in the environment, and address under source in migrate.yaml; the first that is given counts,
// in that order.
type config struct {
	Source  server
	Target  server
	Sink    store
	Staging store

	Collection string
	Job        string
	As         string
	From       string

	Workers         int
	Jobs            int
	PartSize        string `mapstructure:"part-size"`
	Load            bool
	Overwrite       bool
	AllowUnreadable bool `mapstructure:"allow-unreadable"`
	IntoExisting    bool `mapstructure:"into-existing"`
	KeepIDs         bool `mapstructure:"keep-ids"`
	Force           bool
	Watch           bool

	Once          bool
	Interval      string
	FullScanEvery string `mapstructure:"full-scan-every"`
	FlushEvery    string `mapstructure:"flush-every"`
	CycleRows     int    `mapstructure:"cycle-rows"`
	MaxRate       int    `mapstructure:"max-rate"`
	MaxDelete     string `mapstructure:"max-delete"`
	BaseDone      bool   `mapstructure:"base-done"`
	Listen        string
	ListenToken   string `mapstructure:"listen-token"`

	JSON      bool
	LogLevel  string `mapstructure:"log-level"`
	LogFormat string `mapstructure:"log-format"`
}

// server is how to reach a Milvus server.
type server struct {
	Address  string
	Username string
	Password string
	Token    string
	Database string
	TLS      bool
	CAFile   string `mapstructure:"ca-file"`
}

func (s server) milvus() milvus.Config {
	return milvus.Config{
		Address: s.Address, Username: s.Username, Password: s.Password, Token: s.Token, Database: s.Database,
		TLS: s.TLS, CAFile: s.CAFile,
	}
}

// store is where objects are: a folder, or a bucket and how to reach it.
type store struct {
	URL       string
	Endpoint  string
	AccessKey string `mapstructure:"access-key"`
	SecretKey string `mapstructure:"secret-key"`
	Region    string
	TLS       bool
	CAFile    string `mapstructure:"ca-file"`
}

func (s store) s3() sinks.S3Config {
	return sinks.S3Config{
		Endpoint: s.Endpoint, AccessKey: s.AccessKey, SecretKey: s.SecretKey, Region: s.Region, TLS: s.TLS, CAFile: s.CAFile,
	}
}

// stagingStore is the cluster's own store; what is not said of it is as for the sink.
func (c config) stagingStore() store {
	s := c.Staging
	if s.Endpoint == "" {
		url := s.URL
		s = c.Sink
		s.URL = url
	}
	return s
}

// setting declares one setting: its default, and what it is.
type setting struct {
	key   string
	value any // the default, which also gives the type: string, int or bool
	usage string
}

func serverSettings(side, what string) []setting {
	return []setting{
		{side + ".address", "", "host:port of the " + what},
		{side + ".username", "", "user of the " + what},
		{side + ".password", "", "its password (better: " + envName(side+".password") + ", which no process list shows)"},
		{side + ".token", "", "API key, instead of user and password"},
		{side + ".database", "", "database; the default one where empty"},
		{side + ".tls", false, "connect with TLS"},
		{side + ".ca-file", "", "PEM file of the authority that signed its certificate; the system's where empty"},
	}
}

func storeSettings(side, url, what string) []setting {
	return []setting{
		{side + ".url", url, what},
		{side + ".endpoint", "", "host:port of the S3 or MinIO server, for an s3:// URL"},
		{side + ".access-key", "", "its access key"},
		{side + ".secret-key", "", "its secret key (better: " + envName(side+".secret-key") + ")"},
		{side + ".region", "", "its region; asked of it where empty"},
		{side + ".tls", false, "connect to it with TLS"},
		{side + ".ca-file", "", "PEM file of the authority that signed its certificate"},
	}
}

var (
	sourceSettings  = serverSettings("source", "Milvus server to export from")
	targetSettings  = serverSettings("target", "Milvus cluster to import into")
	sinkSettings    = storeSettings("sink", "./migrate-data", "where exports are: a folder, file:///path or s3://bucket/prefix")
	stagingSettings = storeSettings("staging", "s3://a-bucket/migrate-staging", "where the target's bulk insert reads: its own bucket, and a prefix in it; what is not said of its server is as for the sink")
	collection      = setting{"collection", "", "name of the collection"}
	jobSetting      = setting{"job", "", "name of the export on the sink; the collection's name where empty"}
	asSetting       = setting{"as", "", "name of the collection on the target, where it is another"}
	workers         = setting{"workers", 4, "ranges read at once"}
	loadSetting     = setting{"load", false, "load a collection that is not loaded, and release it afterwards"}
	partSize        = setting{"part-size", "256MiB", "size aimed at for one Parquet file"}
	overwrite       = setting{"overwrite", false, "replace a complete export of the same job"}
	allowUnreadable = setting{"allow-unreadable", false, "leave out rows that the server counts but never returns, and name them"}
	jobs            = setting{"jobs", 4, "bulk-insert jobs in flight"}
	intoExisting    = setting{"into-existing", false, "add to a collection that has rows; refused where a key is there already"}
	keepIDs         = setting{"keep-ids", false, "keep the keys of an auto-id collection, by making them explicit ones on the target"}
	force           = setting{"force", false, "go on against a warning that the message names"}
	watch           = setting{"watch", false, "show it again every 2 seconds, until interrupted"}
	from            = setting{"from", "source", "what to hold the target against: source or export"}
	once            = setting{"once", false, "end when all is applied that was written before; for cron"}
	interval        = setting{"interval", "30s", "time between two cycles"}
	fullScanEvery   = setting{"full-scan-every", "24h", "time in which the rows of each range are compared, though nothing hints at a change"}
	flushEvery      = setting{"flush-every", "5m", "time between two flushes of a source that is written to all the time; a quiet one is flushed in each cycle"}
	cycleRows       = setting{"cycle-rows", 1_000_000, "rows compared in one cycle, about"}
	maxRate         = setting{"max-rate", 0, "rows a second read from the source; no limit where 0"}
	maxDelete       = setting{"max-delete", "10%", "rows that may be deleted on the target in one cycle: a number, or a share of its rows"}
	baseDone        = setting{"base-done", false, "the target was filled otherwise than by this job's import, and seen to be equal"}
	listen          = setting{"listen", "127.0.0.1:9321", "host:port of /metrics, /healthz and /readyz, unless --once is said; none where empty"}
	listenToken     = setting{"listen-token", "", "bearer token that requests have to bear; needed where others than this machine can reach the address (better: " + envName("listen-token") + ")"}

	jsonOut   = setting{"json", false, "print the result as JSON on standard output"}
	logLevel  = setting{"log-level", "warn", "debug, info, warn or error"}
	logFormat = setting{"log-format", "text", "text or json"}
)

var globalSettings = []setting{jsonOut, logLevel, logFormat}

func allSettings() []setting {
	return slices.Concat(sourceSettings, targetSettings, sinkSettings, stagingSettings, globalSettings, []setting{
		collection, jobSetting, asSetting, workers, loadSetting, partSize, overwrite, allowUnreadable, jobs, intoExisting, keepIDs, force, from, watch,
	}, syncSettings)
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
		}
	}
}

// loadConfig reads the settings from flags, environment and file. A setting that nobody knows is an error, wherever it
// stands: a misspelled one must not be silently without effect.
func loadConfig(flags *pflag.FlagSet) (config, error) {
	v := viper.New()
	for _, s := range allSettings() {
		v.SetDefault(s.key, s.value)
		if err := v.BindEnv(s.key, envName(s.key)); err != nil {
			return config{}, err
		}
		if f := flags.Lookup(flagName(s.key)); f != nil {
			if err := v.BindPFlag(s.key, f); err != nil {
				return config{}, err
			}
		}
	}
	if err := readFile(v, flags); err != nil {
		return config{}, err
	}
	if err := unknownEnv(os.Environ()); err != nil {
		return config{}, err
	}
	var c config
	if err := v.UnmarshalExact(&c); err != nil {
		return config{}, usageError{fmt.Errorf("reading the configuration: %w", err)}
	}
	return c, nil
}

// readFile reads the file of --config or MIGRATE_CONFIG, which has to be there, or ./migrate.yaml, which may.
func readFile(v *viper.Viper, flags *pflag.FlagSet) error {
	name, _ := flags.GetString("config")
	if name == "" {
		name = os.Getenv("MIGRATE_CONFIG")
	}
	optional := name == ""
	if optional {
		name = "migrate.yaml"
	}
	v.SetConfigFile(name)
	v.SetConfigType("yaml")
	err := v.ReadInConfig()
	if optional && errors.Is(err, os.ErrNotExist) {
		return nil
	}
	if err != nil {
		return usageError{fmt.Errorf("reading the configuration file %s: %w", name, err)}
	}
	return nil
}

// unknownEnv refuses a MIGRATE_ variable that is no setting.
func unknownEnv(environ []string) error {
	known := []string{"MIGRATE_CONFIG"}
	for _, s := range allSettings() {
		known = append(known, envName(s.key))
	}
	for _, kv := range environ {
		name, _, _ := strings.Cut(kv, "=")
		if strings.HasPrefix(name, "MIGRATE_") && !slices.Contains(known, name) {
			return usageError{fmt.Errorf("environment variable %s is no setting of migrate; `migrate help config` lists them", name)}
		}
	}
	return nil
}
