package lab

import (
	"crypto/tls"
	"crypto/x509"
	"os"
	"testing"
)

func TestCertificatesAreTrustedForThisMachine(t *testing.T) {
	l := aLab(t)
	if err := os.MkdirAll(l.dir, 0o755); err != nil {
		t.Fatal(err)
	}
	if _, err := l.Trust(); err == nil {
		t.Error("Trust gives an authority that was not made yet")
	}
	for range 2 { // the second time they are there
		if err := l.certificates(); err != nil {
			t.Fatal(err)
		}
	}
	config, err := l.Trust()
	if err != nil {
		t.Fatal(err)
	}
	pair, err := tls.LoadX509KeyPair(l.path("certs", "server.pem"), l.path("certs", "server.key"))
	if err != nil {
		t.Fatal(err)
	}
	for _, host := range []string{"localhost", "127.0.0.1"} {
		if _, err := pair.Leaf.Verify(x509.VerifyOptions{DNSName: host, Roots: config.RootCAs}); err != nil {
			t.Errorf("the certificate for %s: %v", host, err)
		}
	}
	if _, err := pair.Leaf.Verify(x509.VerifyOptions{DNSName: "example.com", Roots: config.RootCAs}); err == nil {
		t.Error("the certificate is good for another host")
	}
}
