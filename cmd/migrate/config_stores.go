package main

import (
	"cmp"
	"errors"
	"fmt"
	"strings"

	"migrate/sinks"
)

// store is where objects are: a folder, or a bucket and how to reach it.
type store struct {
	URL          string
	Endpoint     string
	AccessKey    string `mapstructure:"access-key"`
	SecretKey    string `mapstructure:"secret-key"`
	SessionToken string `mapstructure:"session-token"`
	Region       string
	SSE          string
	TLS          bool
	CAFile       string `mapstructure:"ca-file"`

	plain bool // the endpoint says http://
}

func (s store) s3() sinks.S3Config {
	return sinks.S3Config{
		Endpoint: s.Endpoint, AccessKey: s.AccessKey, SecretKey: s.SecretKey, SessionToken: s.SessionToken,
		Region: s.Region, SSE: s.SSE, TLS: s.TLS, CAFile: s.CAFile,
	}
}

// check refuses what can't be meant, and takes the scheme off the endpoint.
func (s *store) check(side string) error {
	if err := s.readEndpoint(); err != nil {
		return usageError{fmt.Errorf("%s.endpoint: %w", side, err)}
	}
	if err := sinks.CheckSSE(s.SSE); err != nil {
		return usageError{fmt.Errorf("%s.sse: %w", side, err)}
	}
	return nil
}

// readEndpoint has https:// turn TLS on, and http:// leave it off. Its errors don't repeat the endpoint, which may hold a password.
func (s *store) readEndpoint() error {
	scheme, host, isURL := strings.Cut(s.Endpoint, "://")
	if !isURL {
		scheme, host = "", s.Endpoint
	}
	host = strings.TrimSuffix(host, "/")
	scheme = strings.ToLower(scheme)
	switch {
	case strings.Contains(host, "@"):
		return errors.New("user and password don't belong into it: the keys are settings of their own")
	case strings.ContainsAny(host, "/?#") || isURL && (host == "" || scheme != "http" && scheme != "https"):
		return errors.New("it has to be host:port, http://host:port or https://host:port")
	case scheme == "http" && s.TLS:
		return errors.New("it says http://, and TLS is turned on: which of them is meant?")
	}
	s.Endpoint, s.TLS, s.plain = host, s.TLS || scheme == "https", scheme == "http"
	return nil
}

// stagingStore is the cluster's own store; what is not said of it is as for the sink.
func (c config) stagingStore() store {
	s, of := c.Staging, c.Sink
	if s.Endpoint != "" && (s.Endpoint != of.Endpoint || s.plain && of.TLS) {
		return s // another server, of which the sink tells nothing
	}
	of.URL = s.URL
	if s.AccessKey != "" || s.SecretKey != "" || s.SessionToken != "" {
		of.SessionToken = s.SessionToken // one goes with its own keys
	}
	of.AccessKey, of.SecretKey = cmp.Or(s.AccessKey, of.AccessKey), cmp.Or(s.SecretKey, of.SecretKey)
	of.Region, of.SSE = cmp.Or(s.Region, of.Region), cmp.Or(s.SSE, of.SSE)
	of.TLS, of.CAFile = s.TLS || of.TLS, cmp.Or(s.CAFile, of.CAFile)
	return of
}
