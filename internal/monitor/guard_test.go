package monitor_test

import (
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"testing"

	"migrate/internal/monitor"
)

// ask is the answer of a handler to one request.
func ask(h http.Handler, path string, change func(*http.Request)) *httptest.ResponseRecorder {
	req := httptest.NewRequest(http.MethodGet, "http://127.0.0.1:9321"+path, nil)
	if change != nil {
		change(req)
	}
	answer := httptest.NewRecorder()
	h.ServeHTTP(answer, req)
	return answer
}

// paths are all that is served, profiles included.
var paths = []string{"/", "/metrics", "/healthz", "/readyz", "/debug/pprof/", "/debug/pprof/heap"}

// TestGuard lets only those in who bear the token, wherever they ask.
func TestGuard(t *testing.T) {
	h := reported().Handler(monitor.Options{Token: "secret", Pprof: true})
	basic := func(user, password string) func(*http.Request) {
		return func(r *http.Request) { r.SetBasicAuth(user, password) }
	}
	header := func(value string) func(*http.Request) {
		return func(r *http.Request) { r.Header.Set("Authorization", value) }
	}
	for name, c := range map[string]struct {
		change func(*http.Request)
		in     bool
	}{
		"nothing":             {nil, false},
		"bearer":              {header("Bearer secret"), true},
		"another bearer":      {header("Bearer secrets"), false},
		"an empty bearer":     {header("Bearer "), false},
		"a browser":           {basic("me", "secret"), true},
		"a browser, no user":  {basic("", "secret"), true},
		"another password":    {basic("me", "Secret"), false},
		"no password":         {basic("secret", ""), false},
		"basic of nonsense":   {header("Basic secret"), false},
		"by its name, abroad": {func(r *http.Request) { r.Host = "sync.example:9321"; header("Bearer secret")(r) }, true},
	} {
		for _, path := range paths {
			answer := ask(h, path, c.change)
			if in := answer.Code != http.StatusUnauthorized; in != c.in {
				t.Errorf("%s asks for %s: %d", name, path, answer.Code)
			}
			if strings.Contains(answer.Body.String(), "secret") {
				t.Errorf("%s: the token is in the answer of %s", name, path)
			}
			if offers := answer.Header().Values("WWW-Authenticate"); !c.in && !slices.ContainsFunc(offers, isBasic) {
				t.Errorf("%s: no browser would ask for a password: %q", name, offers)
			}
		}
	}
}

func isBasic(offer string) bool { return strings.HasPrefix(offer, "Basic realm=") }

// TestNames answers, without a token, only those who call this machine by a name that is its own: a page of a foreign name
// that points here is not to read along.
func TestNames(t *testing.T) {
	h := reported().Handler(monitor.Options{Pprof: true})
	for host, in := range map[string]bool{
		"127.0.0.1:9321": true, "localhost:9321": true, "[::1]:9321": true, "localhost": true, "127.0.0.1": true, "[::1]": true,
		"evil.example:9321": false, "evil.example": false, "localhost.evil.example": false, "10.0.0.1:9321": false, "": false,
	} {
		for _, path := range paths {
			answer := ask(h, path, func(r *http.Request) { r.Host = host })
			if got := answer.Code != http.StatusMisdirectedRequest; got != in {
				t.Errorf("%q asks for %s: %d", host, path, answer.Code)
			}
		}
	}
}

// TestProfiles are there when they are asked for, without the command line.
func TestProfiles(t *testing.T) {
	h := reported().Handler(monitor.Options{Pprof: true})
	for path, code := range map[string]int{
		"/debug/pprof/": http.StatusOK, "/debug/pprof/heap": http.StatusOK, "/debug/pprof/goroutine": http.StatusOK,
		"/debug/pprof/cmdline": http.StatusNotFound,
	} {
		if answer := ask(h, path, nil); answer.Code != code {
			t.Errorf("%s: %d, want %d", path, answer.Code, code)
		}
	}
}
