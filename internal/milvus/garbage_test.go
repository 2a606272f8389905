package milvus

import (
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"
)

// TestPause pauses garbage collection by the calls and answers of Milvus.
func TestPause(t *testing.T) {
	for name, c := range map[string]struct {
		status int
		text   string
		says   string // of an error; none: it is paused
	}{
		"2.4 and 2.5":               {http.StatusOK, `{"msg": "OK"}`, ""},
		"later ones give a ticket":  {http.StatusOK, `{"msg": "OK", "ticket": "MTIz"}`, ""},
		"2.3.5 does not know it":    {http.StatusNotFound, "404 page not found", "HTTP 404"},
		"the coordinator is away":   {http.StatusInternalServerError, `{"msg": "failed to pause garbage collection, no data coord"}`, "no data coord"},
		"the coordinator refuses":   {http.StatusOK, `{"msg": "failed"}`, "failed"},
		"something else, say nginx": {http.StatusOK, "<html>", "<html>"},
	} {
		t.Run(name, func(t *testing.T) {
			var asked string
			there := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
				asked = r.Method + " " + r.URL.String()
				w.WriteHeader(c.status)
				fmt.Fprint(w, c.text)
			}))
			defer there.Close()
			cfg, err := Config{ManagementURL: there.URL + "/"}.Resolve()
			if err != nil {
				t.Fatal(err)
			}
			err = newGarbageCollection(cfg, nil).Pause(t.Context(), time.Minute)
			if c.says == "" && err != nil || c.says != "" && (!errors.Is(err, ErrNotPaused) || !strings.Contains(err.Error(), c.says)) {
				t.Errorf("%v, want %q", err, c.says)
			}
			if want := "GET /management/datacoord/garbage_collection/pause?pause_seconds=60"; asked != want {
				t.Errorf("%s was asked, want %s", asked, want)
			}
		})
	}
}

// TestPauseUnreachable says so where nobody is there.
func TestPauseUnreachable(t *testing.T) {
	if err := newGarbageCollection(Config{ManagementURL: "http://127.0.0.1:1"}, nil).Pause(t.Context(), time.Minute); !errors.Is(err, ErrNotPaused) {
		t.Error(err)
	}
}
