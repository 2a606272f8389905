package main

import (
	"fmt"
	"log/slog"
	"os"
	"strings"

	"github.com/spf13/cobra"
)

const longHelp = `migrate moves Milvus collections from a standalone to a distributed cluster: completely, and provably.

  migrate doctor   tries servers and stores for real, before a move
  migrate plan     says what would be moved, and what stands in the way
  migrate export   streams a collection into Parquet, in a folder or in a bucket
  migrate import   brings an export into a cluster or a Milvus Lite
  migrate describe writes down what a collection is, for a folder of Parquet that others wrote
  migrate verify   proves that both hold the same rows, or names those that differ
  migrate diff     says in what two servers differ, but for their rows
  migrate sync     keeps the cluster in step with the source, until the switch
  migrate cutover  switches to the cluster, and back, once both are equal and nobody writes
  migrate run      exports, imports and syncs in one command
  migrate ready    tells whether a sync on this machine is well, for health checks
  migrate status   shows the jobs and how they stand
  migrate resume   resumes a job that was interrupted, also on another machine
  migrate bench    measures inserts and searches, on one server or on source and target side by side
  migrate cluster  starts, scales, watches and stops a distributed Milvus by Docker Compose
  migrate drill    takes parts of a cluster away under load, and tells what was felt and whether anything was lost`

func newRoot() *cobra.Command {
	root := &cobra.Command{
		Use:     "migrate",
		Version: version(),
		Short:   "Move Milvus collections from a standalone to a cluster",
		Long:    longHelp,
		Example: `  migrate export --source-address standalone:19530 --collection rag_documents
  migrate import --target-address cluster:19530 --job rag_documents --staging-url s3://a-bucket/staging --staging-endpoint minio:9000
  migrate verify --source-address standalone:19530 --target-address cluster:19530 --collection rag_documents`,
		SilenceUsage:  true,
		SilenceErrors: true,
		RunE:          func(cmd *cobra.Command, _ []string) error { return cmd.Help() },
	}
	root.Args = onlyCommands
	root.SuggestionsMinimumDistance = 2
	root.SetFlagErrorFunc(func(cmd *cobra.Command, err error) error {
		return usageError{fmt.Errorf("%w; see `%s --help`", err, cmd.CommandPath())}
	})
	root.PersistentFlags().String("config", "", "configuration file (default ./migrate.yaml, where there is one)")
	addFlags(root.PersistentFlags(), globalSettings...)
	root.AddCommand(newPlan(), newExport(), newImport(), newDescribe(), newVerify(), newDiff(), newSync(), newRun(), newCutover(), newReady(), newDoctor(), newStatus(),
		newResume(), newJobs(), newBench(), newCluster(), newDrill(), newConfigHelp())
	return root
}

// taking has a command take arguments, of which names are what they are called.
func taking(cmd *cobra.Command, names ...string) *cobra.Command {
	cmd.Use += " " + strings.Join(names, " ")
	cmd.Args = func(cmd *cobra.Command, args []string) error {
		if len(args) != len(names) {
			return usageError{fmt.Errorf("%s takes %s; see `%s --help`", cmd.Name(), strings.Join(names, " and "), cmd.CommandPath())}
		}
		return nil
	}
	return cmd
}

// group makes a command that only holds others.
func group(use, short string, commands ...*cobra.Command) *cobra.Command {
	cmd := &cobra.Command{
		Use: use, Short: short, Args: onlyCommands, SuggestionsMinimumDistance: 2,
		RunE: func(cmd *cobra.Command, _ []string) error { return cmd.Help() },
	}
	cmd.AddCommand(commands...)
	return cmd
}

// onlyCommands refuses what is no command.
func onlyCommands(cmd *cobra.Command, args []string) error {
	if len(args) == 0 {
		return nil
	}
	suggestion := ""
	if near := cmd.SuggestionsFor(args[0]); len(near) > 0 {
		suggestion = fmt.Sprintf("; did you mean %s?", strings.Join(near, " or "))
	}
	return usageError{fmt.Errorf("unknown command %q%s", args[0], suggestion)}
}

// newConfigHelp is the help topic that lists every setting.
func newConfigHelp() *cobra.Command {
	var b strings.Builder
	b.WriteString(`Each setting is a flag, an environment variable and a key of migrate.yaml; the first that is given counts, in that
order. The file is ./migrate.yaml, or the one that --config or MIGRATE_CONFIG names. Unknown settings are refused. Secrets are best given by the environment.

The address of a Milvus server is host:port, or http://host:port/database, or https://host:port/database for TLS. Where it has no
port, it is 19530, and 443 after https://. A login in it, as in user:password@host:port and percent-encoded, is used and never
shown or stored. A setting that contradicts its address is refused. A server that asks for certificates (tlsMode 2) gets
cert-file and key-file. A path that begins with ~/ is in the home folder.

`)
	for _, s := range allSettings() {
		fmt.Fprintf(&b, "  %-22s --%-22s %-32s %s\n", s.key, flagName(s.key), envName(s.key), s.usage)
	}
	return &cobra.Command{Use: "config", Short: "Settings by flag, environment and file", Long: b.String()}
}

// command makes a command that reads its configuration before it runs.
func command(use, short, long, example string, settings []setting, run func(*cobra.Command, config) error) *cobra.Command {
	cmd := &cobra.Command{
		Use: use, Short: short, Long: long, Example: example,
		Args: func(cmd *cobra.Command, args []string) error {
			if len(args) > 0 {
				return usageError{fmt.Errorf("unexpected argument %q; see `%s --help`", args[0], cmd.CommandPath())}
			}
			return nil
		},
		RunE: func(cmd *cobra.Command, _ []string) error {
			c, err := loadConfig(cmd.Flags())
			if err != nil {
				return err
			}
			if err := setLogger(c); err != nil {
				return err
			}
			return run(cmd, c)
		},
	}
	addFlags(cmd.Flags(), settings...)
	return cmd
}

func setLogger(c config) error {
	var level slog.Level
	if err := level.UnmarshalText([]byte(c.LogLevel)); err != nil {
		return usageError{fmt.Errorf("log-level %q: debug, info, warn or error", c.LogLevel)}
	}
	opts := &slog.HandlerOptions{Level: level}
	switch c.LogFormat {
	case "text":
		slog.SetDefault(slog.New(slog.NewTextHandler(os.Stderr, opts)))
	case "json":
		slog.SetDefault(slog.New(slog.NewJSONHandler(os.Stderr, opts)))
	default:
		return usageError{fmt.Errorf("log-format %q: text or json", c.LogFormat)}
	}
	return nil
}

// require refuses a setting that is empty, and says how to give it.
func require(key, value string) error {
	if value != "" {
		return nil
	}
	return usageError{fmt.Errorf("%s is needed: --%s, %s, or %s in migrate.yaml", key, flagName(key), envName(key), key)}
}
