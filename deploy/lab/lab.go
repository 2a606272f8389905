// Package lab runs the real servers that migrate is tested against: a Milvus standalone, a distributed Milvus cluster
// with its etcd, MinIO and Pulsar, two versions of Milvus Lite, and, when asked for, a standalone and a MinIO behind TLS
// and passwords, a standalone behind passwords with its storage on MinIO, and one that limits the rate of queries. They come from package registries, need neither Docker nor root, and
// outlive the process that starts them. Whatever a lab writes lies in one folder; what it downloads lies in a cache
// outside the tree.
package lab

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"time"
)

// Where the lab's servers answer. Milvus listens on every address of the machine, all others on this one only.
const (
	Standalone = "127.0.0.1:19531" // Milvus standalone, gRPC
	Proxy1     = "127.0.0.1:19530" // the cluster's first proxy, gRPC
	Proxy2     = "127.0.0.1:19630" // the cluster's second proxy, gRPC
	Etcd       = "127.0.0.1:2379"  // the cluster's metadata
	Pulsar     = "127.0.0.1:6650"  // the cluster's message queue

	MinIO         = "127.0.0.1:9000" // the cluster's object store, plain HTTP
	MinIOUser     = "minioadmin"     // access key of MinIO and SecureMinIO
	MinIOPassword = "minioadmin"     // secret key of MinIO and SecureMinIO
	ClusterBucket = "a-bucket"       // the cluster's own bucket on MinIO: bulk insert reads only from it
	ClusterRoot   = "files"          // the cluster's own prefix within ClusterBucket
	ExportBucket  = "exports"        // a bucket for exports, on MinIO and on SecureMinIO

	SecureStandalone = "127.0.0.1:19532" // Milvus standalone with TLS and authorization, gRPC
	SecureUser       = "root"            // superuser of SecureStandalone
	SecurePassword   = "Milvus"          // password of SecureUser
	SecureMinIO      = "127.0.0.1:9443"  // MinIO over HTTPS

	LimitedStandalone = "127.0.0.1:19533" // Milvus standalone that refuses queries beyond LimitedQueries a second, gRPC
	LimitedQueries    = 5

	SpareStandalone = "127.0.0.1:19534" // Milvus standalone for a test that takes it away, gRPC

	Lite25 = "127.0.0.1:19535" // Milvus Lite 2.5.1, gRPC
	Lite3  = "127.0.0.1:19536" // Milvus Lite 3.2.2, gRPC

	RemoteStandalone = "127.0.0.1:19538" // Milvus standalone with authorization and its storage on MinIO, gRPC; users as on SecureStandalone
	RemoteBucket     = "remote-bucket"   // its bucket on MinIO: bulk insert reads only from it

	SpareLite25 = "127.0.0.1:19537" // another Milvus Lite 2.5.1, which has no databases to tell two of a name apart, gRPC
)

// Proxies are the cluster's gRPC addresses.
var Proxies = [2]string{Proxy1, Proxy2}

// DirVariable names the environment variable that tells Running where the lab is.
const DirVariable = "LAB_DIR"

// startTimeout bounds how long one part may take from its start to its health.
const startTimeout = 3 * time.Minute

// A Lab is a set of servers and the folder that holds their data, configuration, logs and process records.
// Its methods may be called from several goroutines and processes at once.
type Lab struct {
	// Report is told, line by line, what the lab does. It may be called from several goroutines at once.
	Report func(line string)

	dir   string
	cache string
	parts []part
}

// Open returns the lab in dir, which need not exist yet; nothing is started. Where dir is empty, it is the folder .lab
// at the root of the module that the working directory is in.
func Open(dir string) (*Lab, error) {
	if dir == "" {
		root, err := moduleRoot()
		if err != nil {
			return nil, err
		}
		dir = filepath.Join(root, ".lab")
	}
	dir, err := filepath.Abs(dir)
	if err != nil {
		return nil, fmt.Errorf("finding the lab's folder: %w", err)
	}
	cache, err := cacheDir()
	if err != nil {
		return nil, err
	}
	l := &Lab{dir: dir, cache: cache, Report: func(string) {}}
	l.parts = l.table()
	return l, nil
}

// Running returns the lab that is up: the one in $LAB_DIR, or else in the module's .lab folder. It is an error when
// the standalone, a proxy of the cluster, or MinIO is not healthy.
func Running(ctx context.Context) (*Lab, error) {
	l, err := Open(os.Getenv(DirVariable))
	if err != nil {
		return nil, err
	}
	for _, name := range []string{"standalone", "proxy-1", "proxy-2", "minio"} {
		p, err := l.part(name)
		if err != nil {
			return nil, err
		}
		if s := l.statusOf(ctx, p); s.State != StateRunning {
			return nil, fmt.Errorf("the lab in %s is not up, its %s is %s: run make lab-up, or, where it was scaled away, lab start %s",
				l.dir, name, s.State, name)
		}
	}
	return l, nil
}

// Dir is the absolute path of the lab's folder.
func (l *Lab) Dir() string { return l.dir }

// Storage is the folder in which a standalone of the lab keeps its rows.
func (l *Lab) Storage(standalone string) string { return l.path("data", standalone, "storage") }

// Management is where a Milvus of the lab is managed, as http://host:port: the port of its metrics.
func (l *Lab) Management(name string) (string, error) {
	p, err := l.part(name)
	if err != nil {
		return "", err
	}
	return "http://" + loopback(p.metrics()), nil
}

// path joins elements onto the lab's folder.
func (l *Lab) path(elements ...string) string {
	return filepath.Join(append([]string{l.dir}, elements...)...)
}

func (l *Lab) reportf(format string, args ...any) { l.Report(fmt.Sprintf(format, args...)) }

// moduleRoot is the nearest folder at or above the working directory that holds a go.mod.
func moduleRoot() (string, error) {
	dir, err := os.Getwd()
	if err != nil {
		return "", fmt.Errorf("finding the module's root: %w", err)
	}
	for {
		if _, err := os.Stat(filepath.Join(dir, "go.mod")); err == nil {
			return dir, nil
		}
		parent := filepath.Dir(dir)
		if parent == dir {
			return "", errors.New("no go.mod at or above the working directory: name the lab's folder with --dir or " + DirVariable)
		}
		dir = parent
	}
}

// cacheDir is where downloads are kept: $LAB_CACHE, or else a folder of the user's cache.
func cacheDir() (string, error) {
	if dir := os.Getenv("LAB_CACHE"); dir != "" {
		return filepath.Abs(dir)
	}
	dir, err := os.UserCacheDir()
	if err != nil {
		return "", fmt.Errorf("finding the cache folder (set LAB_CACHE): %w", err)
	}
	return filepath.Join(dir, "migrate"), nil
}
