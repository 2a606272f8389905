package main

import (
	"net/http"
	"strings"
	"testing"

	"github.com/spf13/pflag"

	"migrate/deploy/lab"
	"migrate/internal/labtest"
	"migrate/internal/labtest/restdouble"
	"migrate/internal/milvus"
)

// TestDoctorTriesBulkInsert says of each kind of target whether an import will be able to speak to it, and what to mend.
func TestDoctorTriesBulkInsert(t *testing.T) {
	t.Parallel()
	for title, c := range map[string]struct {
		double restdouble.Config
		faults []restdouble.Fault
		found  string
		bad    bool
	}{
		"2.4 that answers":    {restdouble.Config{Version: "v2.4.15"}, nil, "which answers", false},
		"2.4 without REST":    {restdouble.Config{Version: "v2.4.15", Elsewhere: true}, nil, "next: check --target-rest-url", true},
		"2.6 behind a page":   {restdouble.Config{Version: "v2.6.2"}, []restdouble.Fault{restdouble.Answer(http.StatusOK, "text/html", "<html>hello</html>")}, "next: check --target-rest-url", true},
		"2.6 without a login": {restdouble.Config{Version: "v2.6.2", Login: "root:Milvus"}, nil, "next: check user, password or token", true},
		"2.4.1":               {restdouble.Config{Version: "v2.4.1"}, nil, "upgrade it to 2.4.4", true},
		"nobody knows":        {restdouble.Config{Version: "nightly"}, nil, `version "nightly"`, true},
	} {
		t.Run(title, func(t *testing.T) {
			t.Parallel()
			c.double.Upstream = lab.Proxy1
			double := restdouble.Start(t, c.double)
			double.Queue(restdouble.List, c.faults...)
			wantFinding(t, tryServer(t.Context(), "target", milvus.Config{Address: double.Address}, tryImport), c.found, c.bad)
		})
	}
	wantFinding(t, tryServer(t.Context(), "target", milvus.Config{Address: lab.Proxy1}, tryImport), "calls of Milvus 2.3", false)
}

func wantFinding(t *testing.T, found []finding, text string, bad bool) {
	t.Helper()
	last := found[len(found)-1]
	if last.What != "target bulk insert" || !strings.Contains(last.Found, text) || last.Bad != bad {
		t.Errorf("found %+v, want %q at the end, to mend: %t", found, text, bad)
	}
}

// TestPlanNamesWhatImportRefuses tells of a target that loses statistics before anything is exported for it.
func TestPlanNamesWhatImportRefuses(t *testing.T) {
	t.Parallel()
	for version, want := range map[string]bool{"v2.4.3": true, "v2.4.4": false} {
		double := restdouble.Start(t, restdouble.Config{Version: version, Upstream: lab.Proxy1})
		c := config{Target: target{server: server{Address: double.Address}}}
		lacks, err := c.targetLacks(t.Context(), labtest.Collection(labtest.Schema(labtest.IntKey("id"))))
		if err != nil {
			t.Fatal(err)
		}
		if got := strings.Contains(strings.Join(lacks, "\n"), "loses the statistics"); got != want {
			t.Errorf("%s: %q", version, lacks)
		}
	}
}

// TestRESTURL is a setting of the target.
func TestRESTURL(t *testing.T) {
	t.Setenv("MIGRATE_TARGET_ADDRESS", "cluster:19530")
	flags := pflag.NewFlagSet("import", pflag.ContinueOnError)
	addFlags(flags, targetSettings...)
	if err := flags.Parse([]string{"--target-rest-url", "https://cluster:443"}); err != nil {
		t.Fatal(err)
	}
	c, err := loadConfig(flags)
	if err != nil {
		t.Fatal(err)
	}
	if got := c.Target.milvus(); got.RESTURL != "https://cluster:443" || got.Address != "cluster:19530" {
		t.Errorf("target %+v", got)
	}
}
