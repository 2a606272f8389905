package lab

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"errors"
	"fmt"
	"math/big"
	"net"
	"os"
	"path/filepath"
	"time"
)

// certificateLife is how long the lab's certificates last. They are made anew by a wiped lab.
const certificateLife = 5 * 365 * 24 * time.Hour

// CAFile is the certificate of the authority that signed those of SecureStandalone and SecureMinIO, in PEM.
func (l *Lab) CAFile() string { return l.path("certs", "ca.pem") }

// Trust is a TLS configuration that trusts the lab's own authority and no other.
func (l *Lab) Trust() (*tls.Config, error) {
	authority, err := os.ReadFile(l.CAFile())
	if err != nil {
		return nil, fmt.Errorf("reading the lab's certificate authority (made when a secure part starts): %w", err)
	}
	pool := x509.NewCertPool()
	if !pool.AppendCertsFromPEM(authority) {
		return nil, fmt.Errorf("reading %s: no certificate in it", l.CAFile())
	}
	return &tls.Config{RootCAs: pool, MinVersion: tls.VersionTLS12}, nil
}

// certificates makes an authority and a server certificate for localhost and 127.0.0.1, unless they are there. The
// authority's key is not kept.
func (l *Lab) certificates() error {
	if _, err := os.Stat(l.CAFile()); err == nil {
		return nil
	}
	temp, err := os.MkdirTemp(l.dir, "certs.*.partial")
	if err != nil {
		return fmt.Errorf("making the lab's certificates: %w", err)
	}
	defer os.RemoveAll(temp)
	if err := writeCertificates(temp); err != nil {
		return fmt.Errorf("making the lab's certificates: %w", err)
	}
	// Where another process has made them meanwhile, the folder is there, and its certificates are the ones to use.
	if err := os.Rename(temp, l.path("certs")); err != nil && !errors.Is(err, os.ErrExist) {
		return fmt.Errorf("making the lab's certificates: %w", err)
	}
	return nil
}

// writeCertificates makes the certificates in dir, once in the usual names and once in those that MinIO looks for.
func writeCertificates(dir string) error {
	authority, server, key, err := makeCertificates(time.Now())
	if err != nil {
		return err
	}
	files := map[string]string{
		"ca.pem": authority, "server.pem": server, "server.key": key, "minio/public.crt": server, "minio/private.key": key,
	}
	for name, text := range files {
		if err := writeFile(filepath.Join(dir, name), text); err != nil {
			return err
		}
	}
	return nil
}

// makeCertificates returns an authority's certificate, a server's certificate signed by it, and the server's key, in PEM.
func makeCertificates(now time.Time) (authority, server, key string, err error) {
	caKey, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return "", "", "", err
	}
	serverKey, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return "", "", "", err
	}
	ca, leaf := authorityTemplate(now), serverTemplate(now)
	caDER, err := x509.CreateCertificate(rand.Reader, ca, ca, caKey.Public(), caKey)
	if err != nil {
		return "", "", "", err
	}
	leafDER, err := x509.CreateCertificate(rand.Reader, leaf, ca, serverKey.Public(), caKey)
	if err != nil {
		return "", "", "", err
	}
	keyDER, err := x509.MarshalPKCS8PrivateKey(serverKey)
	if err != nil {
		return "", "", "", err
	}
	return inPEM("CERTIFICATE", caDER), inPEM("CERTIFICATE", leafDER), inPEM("PRIVATE KEY", keyDER), nil
}

func inPEM(kind string, der []byte) string {
	return string(pem.EncodeToMemory(&pem.Block{Type: kind, Bytes: der}))
}

func authorityTemplate(now time.Time) *x509.Certificate {
	return &x509.Certificate{
		SerialNumber:          big.NewInt(1),
		Subject:               pkix.Name{CommonName: "migrate lab authority"},
		NotBefore:             now.Add(-time.Hour),
		NotAfter:              now.Add(certificateLife),
		IsCA:                  true,
		BasicConstraintsValid: true,
		KeyUsage:              x509.KeyUsageCertSign,
	}
}

func serverTemplate(now time.Time) *x509.Certificate {
	return &x509.Certificate{
		SerialNumber: big.NewInt(2),
		Subject:      pkix.Name{CommonName: "localhost"},
		NotBefore:    now.Add(-time.Hour),
		NotAfter:     now.Add(certificateLife),
		KeyUsage:     x509.KeyUsageDigitalSignature,
		ExtKeyUsage:  []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth},
		DNSNames:     []string{"localhost"},
		IPAddresses:  []net.IP{net.IPv4(127, 0, 0, 1)},
	}
}
