package main

import (
	"errors"
	"strings"
	"testing"

	"github.com/spf13/pflag"
)

// withRESTURL is the configuration of a command that is given one.
func withRESTURL(t *testing.T, url string) (config, error) {
	t.Helper()
	flags := pflag.NewFlagSet("import", pflag.ContinueOnError)
	addFlags(flags, targetSettings...)
	if err := flags.Parse([]string{"--target-rest-url", url}); err != nil {
		t.Fatal(err)
	}
	return loadConfig(flags)
}

// TestRESTURL is a setting of the target.
func TestRESTURL(t *testing.T) {
	t.Setenv("MIGRATE_TARGET_ADDRESS", "cluster:19530")
	c, err := withRESTURL(t, "https://cluster:443")
	if err != nil {
		t.Fatal(err)
	}
	if got := c.Target.milvus(); got.RESTURL != "https://cluster:443" || got.Address != "cluster:19530" {
		t.Errorf("target %+v", got)
	}
}

// TestRESTURLWithPassword is refused before anything can show it.
func TestRESTURLWithPassword(t *testing.T) {
	for url, says := range map[string]string{
		"http://root:secret@cluster:9091/":  "settings of their own",
		"https://root:secret@cluster":       "settings of their own",
		"//root:secret@cluster:9091":        "http://host:port",
		"root:secret@cluster:9091":          "http://host:port",
		"http://root:secret%@cluster:9091/": "http://host:port",
		"cluster:9091":                      "http://host:port",
	} {
		_, err := withRESTURL(t, url)
		if !errors.As(err, new(usageError)) || !strings.Contains(err.Error(), says) || strings.Contains(err.Error(), "secret") {
			t.Errorf("%s: %v", url, err)
		}
	}
}
