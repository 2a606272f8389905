package lab

import (
	"fmt"
	"maps"
	"os"
	"slices"
	"strconv"
	"strings"
)

// settings override keys of milvus.yaml by environment: the key in capitals, with _ for the dot.
type settings map[string]string

// merged puts settings together; a later one wins.
func merged(all ...settings) settings {
	s := settings{}
	for _, some := range all {
		maps.Copy(s, some)
	}
	return s
}

// environment is the settings as a process takes them, in a fixed order.
func (s settings) environment() []string {
	var lines []string
	for _, key := range slices.Sorted(maps.Keys(s)) {
		lines = append(lines, key+"="+s[key])
	}
	return lines
}

// milvusSettings are what every Milvus of the lab shares.
func milvusSettings() settings {
	s := settings{
		"COMMON_GRACEFULSTOPTIMEOUT":    "3", // seconds; half an hour unless told
		"QUERYNODE_GRACEFULSTOPTIMEOUT": "3",
		"COMMON_SESSION_TTL":            "15", // seconds until the others see that a role was killed; 30 unless told
	}
	roles := []string{"ROOTCOORD", "DATACOORD", "QUERYCOORD", "INDEXCOORD", "DATANODE", "QUERYNODE", "INDEXNODE", "PROXY"}
	for _, role := range roles {
		s[role+"_IP"] = "127.0.0.1"
	}
	return s
}

// clusterSettings are what the roles of the cluster share.
func clusterSettings() settings {
	return merged(remoteStorage(ClusterBucket, ClusterRoot), settings{
		"ETCD_USE_EMBED": "false",
		"ETCD_ENDPOINTS": Etcd,
		"MQ_TYPE":        "pulsar",
		"PULSAR_ADDRESS": "127.0.0.1",
		"PULSAR_PORT":    strconv.Itoa(portOf(Pulsar)),
		"PULSAR_WEBPORT": strconv.Itoa(pulsarWebPort),
		// A bulk-insert job whose data node is gone is given up after this many seconds, and not after a quarter of an hour.
		"ROOTCOORD_IMPORTTASKEXPIRATION": "300",
	})
}

// remoteStorage is a bucket on MinIO as what a Milvus stores its rows in.
func remoteStorage(bucket, root string) settings {
	return settings{
		"COMMON_STORAGETYPE": "remote",
		"MINIO_ADDRESS":      "127.0.0.1",
		"MINIO_PORT":         strconv.Itoa(portOf(MinIO)),
		"MINIO_BUCKETNAME":   bucket,
		"MINIO_ROOTPATH":     root,
	}
}

// milvusCommand starts Milvus in the role for the named part, with the settings on top of the shared ones.
func (l *Lab) milvusCommand(role, name string, s settings) (command, error) {
	if err := l.renderConfig(); err != nil {
		return command{}, err
	}
	storage := l.path("data", name, "storage")
	for _, dir := range []string{storage, l.path("work", name, "logs")} { // Milvus' glog writes to logs/ or complains
		if err := os.MkdirAll(dir, 0o755); err != nil {
			return command{}, fmt.Errorf("making a folder of %s: %w", name, err)
		}
	}
	s = merged(milvusSettings(), s, settings{
		"MILVUSCONF":        l.path("config", "milvus"),
		"LD_LIBRARY_PATH":   l.installed(milvusPack, "bin"),
		"LOCALSTORAGE_PATH": storage,
	})
	return command{
		path: l.installed(milvusPack, "bin", "milvus"),
		args: []string{"run", role, "-alias", name},
		env:  append(plainEnvironment(), s.environment()...),
	}, nil
}

func healthz(port int) check { return answers("http://"+loopback(port)+"/healthz", nil) }

func (l *Lab) standalone() part {
	return l.aStandalone("standalone", Standalone, 20500, settings{})
}

func (l *Lab) secureStandalone() part {
	p := l.aStandalone("standalone-secure", SecureStandalone, 20600, settings{
		"COMMON_SECURITY_AUTHORIZATIONENABLED": "true",
		"COMMON_SECURITY_TLSMODE":              "1",
		"TLS_SERVERPEMPATH":                    l.path("certs", "server.pem"),
		"TLS_SERVERKEYPATH":                    l.path("certs", "server.key"),
		"TLS_CAPEMPATH":                        l.path("certs", "ca.pem"),
	})
	start := p.command
	p.optional = true
	p.settle = serves(SecureStandalone, SecureUser, SecurePassword, l.Trust)
	p.command = func() (command, error) {
		if err := l.certificates(); err != nil {
			return command{}, err
		}
		return start()
	}
	return p
}

func (l *Lab) limitedStandalone() part {
	p := l.aStandalone("standalone-limited", LimitedStandalone, 20700, settings{
		"QUOTAANDLIMITS_DQL_ENABLED":       "true",
		"QUOTAANDLIMITS_DQL_QUERYRATE_MAX": strconv.Itoa(LimitedQueries),
	})
	p.optional = true
	return p
}

func (l *Lab) spareStandalone() part {
	p := l.aStandalone("standalone-spare", SpareStandalone, 20800, settings{})
	p.optional = true
	return p
}

// remoteStandalone is one that whole servers are moved to: with users of its own, and a bucket that bulk insert reads from.
func (l *Lab) remoteStandalone() part {
	p := l.aStandalone("standalone-remote", RemoteStandalone, 20900, merged(remoteStorage(RemoteBucket, "files"), settings{
		"COMMON_SECURITY_AUTHORIZATIONENABLED": "true",
	}))
	p.optional = true
	p.needs = []string{"minio"}
	p.settle = serves(RemoteStandalone, SecureUser, SecurePassword, nil)
	return p
}

// aStandalone is a Milvus standalone that clients reach at the address, and whose other ports count up from base.
func (l *Lab) aStandalone(name, address string, base int, s settings) part {
	ports, portSettings := standalonePorts(address, base)
	return part{
		name:     name,
		software: milvusPack,
		ports:    ports,
		health:   healthz(base),
		settle:   serves(address, "", "", nil),
		command: func() (command, error) {
			etcd, err := l.embeddedEtcd(name, base+9, base+10)
			if err != nil {
				return command{}, err
			}
			return l.milvusCommand("standalone", name, merged(s, portSettings, settings{
				"ETCD_CONFIG_PATH": etcd,
				"ETCD_DATA_DIR":    l.path("data", name, "etcd"),
				"ROCKSMQ_PATH":     l.path("data", name, "rocksmq"),
			}))
		},
	}
}

// standalonePorts are a standalone's ports, and the settings that make it listen there: each of its roles has one, and
// would take its default unless told.
func standalonePorts(address string, base int) ([]port, settings) {
	ports, s := []port{{portOf(address), "client"}}, settings{"PROXY_PORT": strconv.Itoa(portOf(address))}
	add := func(key, use string) {
		s[key] = strconv.Itoa(base)
		ports = append(ports, port{base, use})
		base++
	}
	add("METRICS_PORT", metricsPort)
	add("PROXY_INTERNALPORT", "internal proxy")
	for _, role := range []string{"rootcoord", "datacoord", "querycoord", "indexcoord", "datanode", "querynode", "indexnode"} {
		add(strings.ToUpper(role)+"_PORT", role)
	}
	return append(ports, port{base, "etcd client"}, port{base + 1, "etcd peer"}), s
}

// embeddedEtcd writes the configuration of the etcd inside a standalone, which would else take the cluster's ports, and
// returns its path.
func (l *Lab) embeddedEtcd(name string, clientPort, peerPort int) (string, error) {
	client, peer := "http://"+loopback(clientPort), "http://"+loopback(peerPort)
	text := fmt.Sprintf("name: %[1]s\ndata-dir: %[2]q\nlisten-client-urls: %[3]s\nadvertise-client-urls: %[3]s\n"+
		"listen-peer-urls: %[4]s\ninitial-advertise-peer-urls: %[4]s\ninitial-cluster: %[1]s=%[4]s\nunsafe-no-fsync: true\n",
		name, l.path("data", name, "etcd"), client, peer)
	path := l.path("config", name+"-etcd.yaml")
	if err := writeFile(path, text); err != nil {
		return "", fmt.Errorf("writing the etcd configuration of %s: %w", name, err)
	}
	return path, nil
}

// cluster lists the roles of the distributed Milvus, each a process of its own: of those that can be scaled as many as there can
// be.
func (l *Lab) cluster() []part {
	var parts []part
	for i, role := range []string{"rootcoord", "datacoord", "querycoord", "indexcoord"} {
		parts = append(parts, l.role(role, role, 20100+10*i))
	}
	for _, role := range []string{"datanode", "querynode", "indexnode", "proxy"} {
		for i := range MostReplicas {
			parts = append(parts, l.replica(role, i+1))
		}
	}
	return parts
}

// MostReplicas is how many there can be of a role that can be scaled: each has ports of its own.
const MostReplicas = 4

// internalPorts are where the replicas of a role serve the others, in their order.
var internalPorts = map[string][MostReplicas]int{
	"datanode":  {20140, 20150, 20210, 20220},
	"querynode": {20160, 20170, 20230, 20240},
	"indexnode": {20180, 20250, 20260, 20270},
	"proxy":     {20190, 20200, 20280, 20290},
}

// proxies are where the proxies serve clients, in their order.
var proxies = [MostReplicas]string{Proxy1, Proxy2, loopback(19730), loopback(19830)}

// replica is one of several of its role.
func (l *Lab) replica(role string, number int) part {
	name, internal := fmt.Sprintf("%s-%d", role, number), internalPorts[role][number-1]
	p := l.role(role, name, internal)
	if role == "proxy" {
		p = l.proxy(name, proxies[number-1], internal)
	}
	p.number = number
	return p
}

// role is a part of the cluster that serves the others at one port, with its metrics at the next.
func (l *Lab) role(role, name string, internal int) part {
	return l.clusterPart(role, name, []port{{internal, "internal"}, {internal + 1, metricsPort}}, settings{
		strings.ToUpper(role) + "_PORT": strconv.Itoa(internal),
	})
}

// proxy is a part of the cluster that serves clients at the address, and the other roles at a port of their own.
func (l *Lab) proxy(name, address string, internal int) part {
	ports := []port{{portOf(address), "client"}, {internal, "internal"}, {internal + 1, metricsPort}}
	p := l.clusterPart("proxy", name, ports, settings{
		"PROXY_PORT":         strconv.Itoa(portOf(address)),
		"PROXY_INTERNALPORT": strconv.Itoa(internal),
	})
	p.settle = serves(address, "", "", nil)
	return p
}

func (l *Lab) clusterPart(role, name string, ports []port, s settings) part {
	metrics := part{ports: ports}.metrics()
	return part{
		name:     name,
		role:     role,
		needs:    []string{"etcd", "minio", "pulsar"},
		software: milvusPack,
		ports:    ports,
		health:   healthz(metrics),
		command: func() (command, error) {
			return l.milvusCommand(role, name, merged(clusterSettings(), s, settings{"METRICS_PORT": strconv.Itoa(metrics)}))
		},
	}
}
