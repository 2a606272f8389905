package main

import (
	"fmt"

	"migrate/internal/milvus"
)

// server is how to reach a Milvus server.
type server struct {
	Address  string
	Username string
	Password string
	Token    string
	Database string
	TLS      bool
	CAFile   string `mapstructure:"ca-file"`
	CertFile string `mapstructure:"cert-file"`
	KeyFile  string `mapstructure:"key-file"`
	InBucket bool   `mapstructure:"in-bucket"`
}

func (s server) milvus() milvus.Config {
	return milvus.Config{
		Address: s.Address, Username: s.Username, Password: s.Password, Token: s.Token, Database: s.Database,
		TLS: s.TLS, CAFile: s.CAFile, CertFile: s.CertFile, KeyFile: s.KeyFile, Bucket: s.InBucket,
	}
}

// resolve puts what the address says into the other settings, so that it can be shown.
func (s *server) resolve(side string, given milvus.Config) (milvus.Config, error) {
	cfg, err := given.Resolve()
	if err != nil {
		return cfg, usageError{fmt.Errorf("%s.%w", side, err)}
	}
	s.Address, s.Username, s.Password, s.Database, s.TLS = cfg.Address, cfg.Username, cfg.Password, cfg.Database, cfg.TLS
	return cfg, nil
}

// origin is a server that rows come from, and the store in which it keeps them.
type origin struct {
	server        `mapstructure:",squash"`
	Storage       store
	Read          string
	ManagementURL string `mapstructure:"management-url"`
}

func (o origin) milvus() milvus.Config {
	cfg := o.server.milvus()
	cfg.ManagementURL = o.ManagementURL
	return cfg
}

// target is a server that takes bulk inserts.
type target struct {
	server  `mapstructure:",squash"`
	RESTURL string `mapstructure:"rest-url"`
}

func (t target) milvus() milvus.Config {
	cfg := t.server.milvus()
	cfg.RESTURL = t.RESTURL
	return cfg
}
