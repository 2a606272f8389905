package milvus

import (
	"cmp"
	"errors"
	"fmt"
	"net"
	"net/url"
	"regexp"
	"strconv"
	"strings"
)

// Address is what the text of a server's address says.
type Address struct {
	Scheme   string // http or https; empty where it says none
	HostPort string // host:port
	Username string
	Password string
	Database string
}

// errAddress repeats nothing of the address, which may hold a password.
var errAddress = errors.New("it has to be host:port, or http://host:port/database or https://… for TLS, without a query; " +
	"a login is user:password@ before the host, percent-encoded")

// The ports of an address that says none are those of Milvus' own clients.
const (
	defaultPort    = "19530"
	defaultTLSPort = "443"
)

// databaseName is what a path may be. It is narrow, so that no part of a password that is not encoded is taken for a database.
var databaseName = regexp.MustCompile(`^[A-Za-z0-9_$-]+$`)

// ParseAddress reads [http://|https://][user:password@]host[:port][/database]. Its error shows nothing of the text.
func ParseAddress(text string) (Address, error) {
	scheme, rest, isURL := strings.Cut(text, "://")
	scheme = strings.ToLower(scheme)
	if !isURL {
		scheme, rest = "", text
	} else if scheme != "http" && scheme != "https" {
		return Address{}, errAddress
	}
	u, err := url.Parse("milvus://" + rest)
	if err != nil || u.Host == "" || strings.ContainsAny(rest, "?#") || strings.Contains(u.Hostname(), ":") && u.Host[0] != '[' {
		return Address{}, errAddress
	}
	a := Address{Scheme: scheme, Database: strings.TrimPrefix(u.Path, "/")}
	if a.Database != "" && !databaseName.MatchString(a.Database) {
		return Address{}, errAddress
	}
	if u.User != nil {
		a.Username = u.User.Username()
		a.Password, _ = u.User.Password()
		if a.Username == "" {
			return Address{}, errAddress
		}
	}
	a.HostPort, err = hostPort(u, scheme)
	return a, err
}

func hostPort(u *url.URL, scheme string) (string, error) {
	port := u.Port()
	switch {
	case port == "" && scheme == "https":
		port = defaultTLSPort
	case port == "":
		port = defaultPort
	}
	if n, err := strconv.Atoi(port); err != nil || n < 1 || n > 65535 {
		return "", errAddress
	}
	// The zone of an IPv6 address stays encoded, as an address is read again.
	return net.JoinHostPort(strings.ReplaceAll(u.Hostname(), "%", "%25"), port), nil
}

// HostPort is an address without all that ParseAddress may find beside host and port. Documents of earlier versions hold
// addresses as they were given, with a login, perhaps.
func HostPort(address string) string {
	if !strings.ContainsAny(address, "@/") {
		return address
	}
	a, err := ParseAddress(address)
	if err != nil {
		return address[strings.LastIndexByte(address, '@')+1:]
	}
	return a.HostPort
}

// Resolve puts what the address says into the other fields, and leaves host:port of it. Errors are mistakes of whoever gave
// the settings: they begin with the one that they are about, and hold no secret.
func (c Config) Resolve() (Config, error) {
	if c.Address != "" {
		if err := asFile(c.Address); err != nil {
			return c, fmt.Errorf("address: %w", err)
		}
		a, err := ParseAddress(c.Address)
		if err != nil {
			return c, fmt.Errorf("address: %w", err)
		}
		if err := c.contradicts(a); err != nil {
			return c, err
		}
		c.Address, c.TLS = a.HostPort, c.TLS || a.Scheme == "https"
		c.Username, c.Password, c.Database = cmp.Or(c.Username, a.Username), cmp.Or(c.Password, a.Password), cmp.Or(c.Database, a.Database)
	}
	var err error
	if c.RESTURL, err = parseRESTURL(c.RESTURL); err != nil {
		return c, fmt.Errorf("rest-url: %w", err)
	}
	if c.ManagementURL, err = parseRESTURL(c.ManagementURL); err != nil {
		return c, fmt.Errorf("management-url: %w", err)
	}
	return c, c.checkFiles()
}

// contradicts tells which setting the address contradicts.
func (c Config) contradicts(a Address) error {
	switch {
	case a.Scheme == "http" && c.TLS:
		return errors.New("tls: the address begins with http://, which is without TLS; write https:// or host:port")
	case differ(c.Database, a.Database):
		return fmt.Errorf("database: it is %q, and the address names %q", c.Database, a.Database)
	case c.Token != "" && a.Username != "":
		return errors.New("token: the address holds a user too; give one of them")
	case differ(c.Username, a.Username):
		return errors.New("username: the address holds another one; give one of them")
	case differ(c.Password, a.Password):
		return errors.New("password: the address holds another one; give one of them")
	}
	return nil
}

// differ reports whether both are given, and not the same.
func differ(a, b string) bool { return a != "" && b != "" && a != b }

// checkFiles refuses files that would be of no effect.
func (c Config) checkFiles() error {
	if (c.CertFile == "") != (c.KeyFile == "") {
		given, lacks := "cert-file", "key-file"
		if c.CertFile == "" {
			given, lacks = lacks, given
		}
		return fmt.Errorf("%s: %s is given and this is not: a client certificate needs both", lacks, given)
	}
	for _, f := range []struct{ setting, file string }{{"ca-file", c.CAFile}, {"cert-file", c.CertFile}} {
		if f.file != "" && c.Address != "" && !c.usesTLS() {
			return fmt.Errorf("%s: it is of no use without TLS; say tls, or write https:// before the address", f.setting)
		}
	}
	return nil
}

// usesTLS reports whether any way to the server is over TLS.
func (c Config) usesTLS() bool {
	return c.TLS || strings.HasPrefix(c.RESTURL, "https://") || strings.HasPrefix(c.ManagementURL, "https://")
}

// parseRESTURL gives the URL of a REST API in its usual form. Its errors show nothing of the text.
func parseRESTURL(text string) (string, error) {
	if text == "" {
		return "", nil
	}
	u, err := url.Parse(text)
	switch {
	case err != nil || u.Host == "" || u.Scheme != "http" && u.Scheme != "https":
		return "", errors.New("it has to be http://host:port or https://host:port")
	case u.User != nil:
		return "", errors.New("user and password don't belong into it: they are settings of their own")
	case strings.ContainsAny(text, "?#"):
		return "", errors.New("it takes no query: it has to be http://host:port or https://host:port")
	}
	return strings.TrimSuffix(u.String(), "/"), nil
}
