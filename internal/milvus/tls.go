package milvus

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"os"
	"regexp"
	"time"

	"google.golang.org/grpc/codes"
)

// Errors of TLS that a caller decides on.
var (
	// ErrCertificate: the server refused the client's certificate, or there is none and it asks for one.
	ErrCertificate = errors.New("client certificate refused")
	// ErrALPN: the server's end of TLS did not offer HTTP/2 by ALPN, which gRPC is served over.
	ErrALPN = errors.New("no HTTP/2 by ALPN")
)

// tlsConfig is nil where nothing is over TLS.
func (c Config) tlsConfig() (*tls.Config, error) {
	if !c.usesTLS() {
		return nil, nil
	}
	security := &tls.Config{MinVersion: tls.VersionTLS12}
	if c.CAFile != "" {
		pem, err := os.ReadFile(c.CAFile)
		if err != nil {
			return nil, fmt.Errorf("reading the milvus CA certificate: %w", err)
		}
		security.RootCAs = x509.NewCertPool()
		if !security.RootCAs.AppendCertsFromPEM(pem) {
			return nil, fmt.Errorf("reading the milvus CA certificate: %s holds no PEM certificate", c.CAFile)
		}
	}
	if c.CertFile != "" {
		pair, err := tls.LoadX509KeyPair(c.CertFile, c.KeyFile)
		if err != nil {
			return nil, fmt.Errorf("reading the client certificate %s and its key %s: %w", c.CertFile, c.KeyFile, err)
		}
		// Sent to whoever asks for one: the server then says what is wrong with it, and not only that there is none.
		security.GetClientCertificate = func(*tls.CertificateRequestInfo) (*tls.Certificate, error) { return &pair, nil }
	}
	return security, nil
}

// Of what the other end of TLS says, and of what gRPC misses in it, the text is all that errors hold.
var (
	certificateAlert = regexp.MustCompile(`remote error: tls: (.*certificate.*|handshake failure|access denied)`)
	alpnAlert        = regexp.MustCompile(`missing selected ALPN property|remote error: tls: no application protocol`)
)

// alert is what the server says of the client's certificate right after the handshake. A call that writes at that moment sees no
// more than a broken connection. It is nil where the server says nothing of the kind.
func alert(ctx context.Context, address string, security *tls.Config) error {
	ctx, cancel := context.WithTimeout(ctx, time.Second)
	defer cancel()
	security = security.Clone()
	security.NextProtos = []string{"h2"}
	conn, err := (&tls.Dialer{Config: security}).DialContext(ctx, "tcp", address)
	if err == nil {
		defer conn.Close()
		conn.SetReadDeadline(time.Now().Add(time.Second))
		_, err = conn.Read(make([]byte, 1))
	}
	if err == nil || !certificateAlert.MatchString(err.Error()) {
		return nil
	}
	return &callError{code: codes.Unavailable, msg: err.Error(), err: err}
}
