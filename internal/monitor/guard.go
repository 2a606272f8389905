package monitor

import (
	"crypto/sha256"
	"crypto/subtle"
	"net"
	"net/http"
	"strings"
)

// guarded lets only those through who bear the token: as a bearer, or, as browsers do, as a password of any user.
func guarded(token string, next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if !same(borne(r), token) {
			w.Header().Add("WWW-Authenticate", "Bearer")
			w.Header().Add("WWW-Authenticate", `Basic realm="migrate: any user, the token as password", charset="UTF-8"`)
			http.Error(w, "a token is needed, as a bearer token or as a password", http.StatusUnauthorized)
			return
		}
		next.ServeHTTP(w, r)
	})
}

// borne is the token that a request bears.
func borne(r *http.Request) string {
	if _, password, ok := r.BasicAuth(); ok {
		return password
	}
	token, _ := strings.CutPrefix(r.Header.Get("Authorization"), "Bearer ")
	return token
}

// same compares in a time that tells nothing of the token, its length included.
func same(given, token string) bool {
	a, b := sha256.Sum256([]byte(given)), sha256.Sum256([]byte(token))
	return subtle.ConstantTimeCompare(a[:], b[:]) == 1
}

// called lets only those through who call this machine by such a name. Any page in a browser here could ask otherwise, and
// read the answer: it has only to be from a name that its owner lets point to 127.0.0.1.
func called(such func(host string) bool, next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if !such(r.Host) {
			http.Error(w, "without a token only localhost and 127.0.0.1 are answered", http.StatusMisdirectedRequest)
			return
		}
		next.ServeHTTP(w, r)
	})
}

func loopbackNames(host string) bool {
	return loopback(host) || loopback(net.JoinHostPort(strings.Trim(host, "[]"), "80")) // with a port, and without
}
