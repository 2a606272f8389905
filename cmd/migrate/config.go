package main

import (
	"cmp"
	"errors"
	"fmt"
	"os"
	"regexp"
	"slices"
	"strings"
	"time"

	"github.com/spf13/pflag"
	"github.com/spf13/viper"

	"migrate/internal/model"
)

// config is every setting there is. A setting named source.address is --source-address as a flag,
// MIGRATE_SOURCE_ADDRESS in the environment, and address under source in migrate.yaml; the first that is given counts,
// in that order.
type config struct {
	Source  origin
	Target  target
	Sink    store
	Staging store

	movedAgain `mapstructure:",squash"` // those by which a move of many is resumed

	Collection string `mapstructure:"-"` // the one that is named
	Move       string
	AtOnce     int `mapstructure:"at-once"`
	Parquet    string
	Schema     string
	partitions []string          // of the one that are exported alone, by the export that is resumed
	described  *model.Collection // what the rows of the folder are, by the import that is resumed
	Job        string
	As         string
	From       string

	Workers   int
	Jobs      int
	Overwrite bool
	Create    bool
	Watch     bool
	Bench     benchConfig `mapstructure:",squash"`

	ProjectDir string `mapstructure:"project-dir"`
	Lab        string
	Overlays   string
	Wipe       bool

	Drill drillConfig `mapstructure:",squash"`

	Once          bool
	Interval      string
	FullScanEvery string `mapstructure:"full-scan-every"`
	FlushEvery    string `mapstructure:"flush-every"`
	CycleRows     int    `mapstructure:"cycle-rows"`
	MaxRate       int    `mapstructure:"max-rate"`
	MaxDelete     string `mapstructure:"max-delete"`
	CursorField   string `mapstructure:"cursor-field"`
	BaseDone      bool   `mapstructure:"base-done"`
	Listen        string
	ListenToken   string `mapstructure:"listen-token"`
	Pprof         bool

	Rollback         bool
	Alias            string
	StillFor         string `mapstructure:"still-for"`
	WayBack          string `mapstructure:"way-back"`
	AllowDifferences bool   `mapstructure:"allow-differences"`
	AllowDuplicates  bool   `mapstructure:"allow-duplicates"`
	DiscardLate      bool   `mapstructure:"discard-late"`

	JSON      bool
	LogLevel  string `mapstructure:"log-level"`
	LogFormat string `mapstructure:"log-format"`
}

// resolve does so for both servers.
func (c *config) resolve() error {
	cfg, err := c.Source.resolve("source", c.Source.milvus())
	if err != nil {
		return err
	}
	c.Source.ManagementURL = cfg.ManagementURL
	cfg, err = c.Target.resolve("target", c.Target.milvus())
	c.Target.RESTURL = cfg.RESTURL
	return err
}

// expandHome has paths begin with the home folder that begin with ~: outside of a shell, as in migrate.yaml, nobody else does it.
func (c *config) expandHome() error {
	for key, path := range map[string]*string{
		"source.ca-file": &c.Source.CAFile, "source.cert-file": &c.Source.CertFile, "source.key-file": &c.Source.KeyFile,
		"target.ca-file": &c.Target.CAFile, "target.cert-file": &c.Target.CertFile, "target.key-file": &c.Target.KeyFile,
		"source.storage.url": &c.Source.Storage.URL, "source.storage.ca-file": &c.Source.Storage.CAFile,
		"sink.url": &c.Sink.URL, "sink.ca-file": &c.Sink.CAFile, "staging.ca-file": &c.Staging.CAFile,
		parquetSetting.key: &c.Parquet, schemaSetting.key: &c.Schema, "users-file": &c.UsersFile, "new-users-file": &c.NewUsersFile, projectDir.key: &c.ProjectDir, labSetting.key: &c.Lab, html.key: &c.Bench.HTML,
	} {
		at, err := inHome(*path)
		if err != nil {
			return usageError{fmt.Errorf("%s: %w", key, err)}
		}
		*path = at
	}
	return nil
}

// inHome is a path with its ~ replaced.
func inHome(path string) (string, error) {
	rest, ok := strings.CutPrefix(path, "~")
	if !ok {
		return path, nil
	}
	if rest != "" && rest[0] != '/' {
		return "", errors.New("of paths that begin with ~ only those in one's own home are known, ~/…; write another as a whole, and ./~… for a name that begins so")
	}
	home, err := os.UserHomeDir()
	if err != nil {
		return "", fmt.Errorf("looking for what ~ stands for: %w", err)
	}
	return home + rest, nil
}

// benchConfig is what a load test does.
type benchConfig struct {
	Rows      int
	Dim       int
	Batch     int
	Inserters int
	Threads   int
	Queries   int
	WarmUp    int `mapstructure:"warm-up"`
	Top       int
	EF        int
	NProbe    int
	Compare   bool
	Keep      bool
	HTML      string
}

// drillConfig is what a fault drill does.
type drillConfig struct {
	StopCommand  string `mapstructure:"stop-command"`
	StartCommand string `mapstructure:"start-command"`
	BaseRows     int    `mapstructure:"base-rows"`
	Away         time.Duration
	Settle       time.Duration
	Kill         bool
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
		return config{}, usageError{fmt.Errorf("reading the configuration from flags, environment and %s: %w; `migrate help config` lists the settings",
			v.ConfigFileUsed(), err)}
	}
	c.Collections = slices.DeleteFunc(c.Collections, func(name string) bool { return name == "" })
	c.Collection = c.plain()
	if named := flags.Lookup(collection.key); named != nil && named.Changed && c.Collection == "" && flags.Lookup("all") == nil {
		return c, usageError{fmt.Errorf("collection %q: this command is about one collection, by its name", c.Collections)}
	}
	if err := c.expandHome(); err != nil {
		return c, err
	}
	return c, cmp.Or(c.resolve(), c.checkNames(), c.Sink.check("sink"), c.Staging.check("staging"), c.Source.Storage.check("source.storage"))
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
	name, err := inHome(name)
	if err != nil {
		return usageError{fmt.Errorf("config: %w", err)}
	}
	v.SetConfigFile(name)
	v.SetConfigType("yaml")
	err = v.ReadInConfig()
	if optional && errors.Is(err, os.ErrNotExist) {
		return nil
	}
	if errors.As(err, new(viper.ConfigParseError)) {
		err = errors.New(quoted.ReplaceAllString(err.Error(), "(a value that is not shown)"))
	}
	if err != nil {
		return usageError{fmt.Errorf("reading the configuration file %s: %w", name, err)}
	}
	return nil
}

// quoted is what YAML's errors repeat of a file. It may be a secret, such as a password that begins with * and is not in quotes.
var quoted = regexp.MustCompile("`[^`]*`|'[^']*'|\"[^\"]*\"")

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
