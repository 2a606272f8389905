package main

import (
	"errors"
	"net"
	"net/http/httptest"
	"testing"

	"migrate/internal/monitor"
	"migrate/internal/syncer"
)

// TestReady asks as a health check would, and ends as one has to.
func TestReady(t *testing.T) {
	const token = "s3cr3t"
	well, sick := monitor.New(monitor.Subject{}), monitor.New(monitor.Subject{})
	well.Cycle(syncer.Report{Cycle: 1})
	sick.Cycle(syncer.Report{Cycle: 1, Err: errors.New("the source is away")})
	serve := func(m *monitor.Monitor, opts monitor.Options) string {
		server := httptest.NewServer(m.Handler(opts))
		t.Cleanup(server.Close)
		return server.Listener.Addr().String()
	}
	open, guarded := serve(well, monitor.Options{}), serve(well, monitor.Options{Token: token})
	_, port, err := net.SplitHostPort(open)
	if err != nil {
		t.Fatal(err)
	}
	for title, c := range map[string]struct {
		env  []string
		args []string
		code int
		want string
	}{
		"well":              {nil, args("--listen", open), exitOK, "ok"},
		"from the settings": {[]string{"MIGRATE_LISTEN=" + guarded, "MIGRATE_LISTEN_TOKEN=" + token}, nil, exitOK, "ok"},
		"listens anywhere":  {nil, args("--listen", "0.0.0.0:"+port), exitOK, "ok"},
		"no host":           {nil, args("--listen", ":"+port), exitOK, "ok"},
		"sick":              {nil, args("--listen", serve(sick, monitor.Options{})), exitFailed, "the source is away"},
		"no token":          {nil, args("--listen", guarded), exitFailed, "a token is needed"},
		"nobody there":      {nil, args("--listen", "127.0.0.1:9"), exitFailed, "refused"},
		"no address":        {nil, args("--listen", "9321"), exitUsage, "host:port"},
	} {
		t.Run(title, func(t *testing.T) {
			migrate(t, c.env, args("ready", c.args)...).want(t, c.code, c.want)
		})
	}
}
