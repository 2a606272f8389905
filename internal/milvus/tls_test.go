package milvus_test

import (
	"crypto/tls"
	"errors"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"migrate/internal/labtest"
	"migrate/internal/labtest/memory"
	"migrate/internal/milvus"
)

// mutual is a server's end of TLS that demands certificates of the same authority (tlsMode 2), and the versions of TLS up to one.
func mutual(t *testing.T, a *labtest.Authority, version uint16, protocols ...string) *tls.Config {
	t.Helper()
	security := a.Server(t, protocols...)
	security.ClientAuth, security.ClientCAs, security.MaxVersion = tls.RequireAndVerifyClientCert, a.Pool, version
	return security
}

// TestClientCertificate takes the one that the server's authority signed to gRPC and to REST, and says of others that they are what
// is wrong, each time: what TLS 1.3 says of them comes after the handshake, beside the first call.
func TestClientCertificate(t *testing.T) {
	a, other := labtest.NewAuthority(t), labtest.NewAuthority(t)
	cert, key := a.Issue(t)
	strange, strangeKey := other.Issue(t)
	grpc := memory.Start(t, "v2.4.15")
	rest := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { w.Write([]byte(`{"code":0,"data":{}}`)) }))
	t.Cleanup(rest.Close)
	for name, version := range map[string]uint16{"1.2": tls.VersionTLS12, "1.3": tls.VersionTLS13} {
		t.Run(name, func(t *testing.T) {
			cfg := milvus.Config{
				Address: "https://" + labtest.TLSFront(t, grpc.Address, mutual(t, a, version, "h2")),
				RESTURL: "https://" + labtest.TLSFront(t, strings.TrimPrefix(rest.URL, "http://"), mutual(t, a, version)),
				CAFile:  a.File,
			}
			right, none, wrong := cfg, cfg, cfg
			right.CertFile, right.KeyFile = cert, key
			wrong.CertFile, wrong.KeyFile = strange, strangeKey
			for range 5 {
				wantTLS(t, "the right one", right, nil)
				wantTLS(t, "none", none, milvus.ErrCertificate)
				wantTLS(t, "one of another authority", wrong, milvus.ErrCertificate)
			}
		})
	}
}

// wantTLS connects, and asks REST both with the gRPC of that server and with one that is plain.
func wantTLS(t *testing.T, name string, cfg milvus.Config, want error) {
	t.Helper()
	server, err := milvus.Connect(t.Context(), cfg)
	if !errors.Is(err, want) {
		t.Errorf("%s: %v, want %v", name, err, want)
	}
	if err == nil {
		defer server.Close()
		if err := server.ImportJobs().Check(t.Context()); err != nil {
			t.Errorf("%s, to REST: %v", name, err)
		}
	}
}

// TestClientCertificateForREST alone: gRPC is plain, and REST is not.
func TestClientCertificateForREST(t *testing.T) {
	a := labtest.NewAuthority(t)
	rest := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { w.Write([]byte(`{"code":0,"data":{}}`)) }))
	t.Cleanup(rest.Close)
	cfg := milvus.Config{
		Address: memory.Start(t, "v2.4.15").Address, CAFile: a.File,
		RESTURL: "https://" + labtest.TLSFront(t, strings.TrimPrefix(rest.URL, "http://"), mutual(t, a, tls.VersionTLS13)),
	}
	for want, files := range map[error]func() (string, string){
		nil:                   func() (string, string) { return a.Issue(t) },
		milvus.ErrCertificate: func() (string, string) { return "", "" },
	} {
		cfg.CertFile, cfg.KeyFile = files()
		server, err := milvus.Connect(t.Context(), cfg)
		if err != nil {
			t.Fatal(err)
		}
		if err := server.ImportJobs().Check(t.Context()); !errors.Is(err, want) || milvus.CanPass(err) {
			t.Errorf("with %q: %v, want %v", cfg.CertFile, err, want)
		}
		server.Close()
	}
}

// TestClientCertificateFiles that are no pair, or are not there, are named.
func TestClientCertificateFiles(t *testing.T) {
	a := labtest.NewAuthority(t)
	cert, key := a.Issue(t)
	_, another := a.Issue(t)
	for _, test := range []struct{ cert, key, want string }{
		{cert, another, "private key does not match"}, {"nowhere.pem", key, "nowhere.pem"}, {key, key, "client certificate " + key},
	} {
		_, err := milvus.Connect(t.Context(), milvus.Config{Address: "https://127.0.0.1:9", CertFile: test.cert, KeyFile: test.key})
		if err == nil || !strings.Contains(err.Error(), "reading the client certificate") || !strings.Contains(err.Error(), test.want) {
			t.Errorf("%v, want %q", err, test.want)
		}
	}
}

// TestWithoutALPN: gRPC refuses an end of TLS that does not choose HTTP/2, and the error says so.
func TestWithoutALPN(t *testing.T) {
	a, grpc := labtest.NewAuthority(t), memory.Start(t, "v2.3.5")
	for name, test := range map[string]struct {
		protocols []string
		want      error
	}{
		"h2": {[]string{"h2"}, nil}, "none": {nil, milvus.ErrALPN}, "HTTP/1.1 alone": {[]string{"http/1.1"}, milvus.ErrALPN},
	} {
		address := labtest.TLSFront(t, grpc.Address, a.Server(t, test.protocols...))
		server, err := milvus.Connect(t.Context(), milvus.Config{Address: "https://" + address, CAFile: a.File, RetryFor: time.Second})
		if !errors.Is(err, test.want) {
			t.Errorf("%s: %v, want %v", name, err, test.want)
		}
		if err == nil {
			server.Close()
		}
	}
}
