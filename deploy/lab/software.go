package lab

import (
	"context"
	"fmt"
	"os"
)

// Software is where the servers' programs are, for images to be made of them.
type Software struct {
	Milvus      string // the unpacked wheel: bin/milvus, and its libraries beside it
	MilvusYAML  []byte // Milvus' configuration: its defaults
	GlogConf    []byte
	Etcd        string // etcd, etcdctl
	MinIO       string // minio
	Pulsar      string // lib/*.jar
	PulsarLog   []byte // log4j2.xml
	PulsarOpens []string
	Debian      string // a root file system
	Compose     string // Docker Compose, a program
}

// Software installs what images are made of, and Docker Compose, where the cache does not have it yet. It takes root:
// a root file system is made of Debian's packages.
func (l *Lab) Software(ctx context.Context) (Software, error) {
	if err := l.install(ctx, composePack, debianPack, milvusPack, etcdPack, minioPack, pulsarPack); err != nil {
		return Software{}, err
	}
	template, err := os.ReadFile(l.installed(milvusPack, "config.yaml.template"))
	if err != nil {
		return Software{}, fmt.Errorf("reading Milvus' configuration template: %w", err)
	}
	glog, err := os.ReadFile(l.installed(milvusPack, "glog.conf"))
	if err != nil {
		return Software{}, fmt.Errorf("reading Milvus' glog.conf: %w", err)
	}
	return Software{
		Milvus: l.installed(milvusPack), MilvusYAML: []byte(render(string(template))), GlogConf: glog,
		Etcd: l.installed(etcdPack), MinIO: l.installed(minioPack),
		Pulsar: l.installed(pulsarPack), PulsarLog: []byte(pulsarLog), PulsarOpens: opened,
		Debian: l.installed(debianPack), Compose: l.installed(composePack, "docker-compose"),
	}, nil
}
