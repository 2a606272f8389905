package lab

import (
	"context"
	"crypto/tls"
	"fmt"
	"strings"
)

// A part is one server process of the lab.
type part struct {
	name     string
	optional bool     // not started by Up, only by Start
	role     string   // of the cluster that the part is one of, empty for a standalone and what serves only that
	number   int      // among those of a role that can be scaled, from 1; 0 where it is the only one
	needs    []string // parts that must be healthy before this one starts
	software pack     // what it is made of
	ports    []port   // every port it listens on; the first is the one that clients use

	command func() (command, error) // writes what the part needs on disk and tells how to start it
	health  check
	settle  check // what makes a healthy part ready for use; harmless when done again
}

// metrics is the port at which a role of Milvus tells its metrics and its health: the last one.
func (p part) metrics() int { return p.ports[len(p.ports)-1].number }

// ready checks the part's health and settles it.
func (p part) ready(ctx context.Context) error {
	if err := p.health(ctx); err != nil {
		return err
	}
	if p.settle == nil {
		return nil
	}
	return p.settle(ctx)
}

// table lists the lab's parts.
func (l *Lab) table() []part {
	parts := []part{l.etcd(), l.minio(), l.pulsar(), l.standalone()}
	parts = append(parts, l.cluster()...)
	parts = append(parts, l.lite25("lite-2.5", Lite25), l.lite3())
	return append(parts, l.secureStandalone(), l.secureMinIO(), l.limitedStandalone(), l.spareStandalone(), l.spareLite25(),
		l.remoteStandalone())
}

// part finds a part by its name.
func (l *Lab) part(name string) (part, error) {
	var names []string
	for _, p := range l.parts {
		if p.name == name {
			return p, nil
		}
		names = append(names, p.name)
	}
	return part{}, fmt.Errorf("the lab has no part %q: it has %s", name, strings.Join(names, ", "))
}

func (l *Lab) etcd() part {
	const peerPort = 2380
	client, peer := "http://"+Etcd, "http://"+loopback(peerPort)
	return part{
		name:     "etcd",
		role:     "etcd",
		software: etcdPack,
		ports:    []port{{portOf(Etcd), "client"}, {peerPort, "peer"}},
		health:   answers(client+"/health", nil),
		command: func() (command, error) {
			return command{path: l.installed(etcdPack, "etcd"), env: plainEnvironment(), args: []string{
				"--name", "lab", "--data-dir", l.path("data", "etcd"), "--log-level", "warn",
				"--listen-client-urls", client, "--advertise-client-urls", client,
				"--listen-peer-urls", peer, "--initial-advertise-peer-urls", peer, "--initial-cluster", "lab=" + peer,
				"--auto-compaction-mode", "revision", "--auto-compaction-retention", "1000",
				"--quota-backend-bytes", "4294967296",
				"--unsafe-no-fsync", // a slow disk must not let the roles' leases run out; only a power cut loses data
			}}, nil
		},
	}
}

func (l *Lab) minio() part {
	return part{
		name:     "minio",
		role:     "minio",
		software: minioPack,
		ports:    []port{{portOf(MinIO), "S3"}},
		health:   answers("http://"+MinIO+"/minio/health/live", nil),
		settle:   makesBuckets(MinIO, nil, ClusterBucket, ExportBucket),
		command:  func() (command, error) { return l.minioServer("minio", MinIO), nil },
	}
}

func (l *Lab) secureMinIO() part {
	return part{
		name:     "minio-secure",
		optional: true,
		software: minioPack,
		ports:    []port{{portOf(SecureMinIO), "S3 over TLS"}},
		health:   answers("https://"+SecureMinIO+"/minio/health/live", l.Trust),
		settle:   makesBuckets(SecureMinIO, l.Trust, ExportBucket),
		command: func() (command, error) {
			if err := l.certificates(); err != nil {
				return command{}, err
			}
			return l.minioServer("minio-secure", SecureMinIO, "--certs-dir", l.path("certs", "minio")), nil
		},
	}
}

// minioServer starts MinIO at the address with the part's own data folder.
func (l *Lab) minioServer(name, address string, flags ...string) command {
	return command{
		path: l.installed(minioPack, "minio"),
		args: append([]string{"server", l.path("data", name), "--address", address}, flags...),
		env: append(plainEnvironment(), "MINIO_ROOT_USER="+MinIOUser, "MINIO_ROOT_PASSWORD="+MinIOPassword,
			"MINIO_BROWSER=off", "MINIO_UPDATE=off"),
	}
}

// plainEnvironment is the little that every part gets of an environment.
func plainEnvironment() []string {
	return []string{"PATH=/usr/local/bin:/usr/bin:/bin", "HOME=/nonexistent"}
}

// A trust returns the TLS configuration to reach a server with. Where it is nil, the server is reached without TLS.
type trust func() (*tls.Config, error)
