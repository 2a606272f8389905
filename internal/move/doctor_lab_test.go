//go:build lab

package move

import (
	"errors"
	"net/http"
	"strings"
	"testing"

	"migrate/deploy/lab"
	"migrate/internal/labtest/double"
	"migrate/internal/milvus"
)

// TestDoctorTriesBulkInsert says of each kind of target whether an import will be able to speak to it, and what to mend.
func TestDoctorTriesBulkInsert(t *testing.T) {
	t.Parallel()
	for title, c := range map[string]struct {
		double double.Config
		faults []double.Fault
		found  string
		bad    bool
		err    error
	}{
		"2.4 that answers":    {double.Config{Version: "v2.4.15"}, nil, "which answers", false, nil},
		"2.4 without REST":    {double.Config{Version: "v2.4.15", Elsewhere: true}, nil, "", true, milvus.ErrNoREST},
		"2.6 behind a page":   {double.Config{Version: "v2.6.2"}, []double.Fault{double.Answer(http.StatusOK, "text/html", "<html>hello</html>")}, "", true, milvus.ErrNoREST},
		"2.6 without a login": {double.Config{Version: "v2.6.2", Login: "root:Milvus"}, nil, "", true, milvus.ErrLogin},
		"2.4.1":               {double.Config{Version: "v2.4.1"}, nil, "upgrade it to 2.4.4", true, nil},
		"nobody knows":        {double.Config{Version: "nightly"}, nil, `version "nightly": import inserts the rows`, false, nil},
	} {
		t.Run(title, func(t *testing.T) {
			t.Parallel()
			c.double.Upstream = lab.Proxy1
			server := double.Start(t, c.double)
			server.Queue(double.List, c.faults...)
			wantFinding(t, tryServer(t.Context(), "target", milvus.Config{Address: server.Address}, tryImport), c.found, c.bad, c.err)
		})
	}
	wantFinding(t, tryServer(t.Context(), "target", milvus.Config{Address: lab.Proxy1}, tryImport), "calls of Milvus 2.3", false, nil)
}

func wantFinding(t *testing.T, found []Finding, text string, bad bool, err error) {
	t.Helper()
	last := found[len(found)-1]
	if last.What != "target bulk insert" || !strings.Contains(last.Found, text) || last.Bad != bad || !errors.Is(last.Err, err) {
		t.Errorf("found %+v, want %q at the end, to mend: %t, %v", found, text, bad, err)
	}
}
