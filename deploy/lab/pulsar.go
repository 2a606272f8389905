package lab

import (
	_ "embed"
	"fmt"
	"os"
	"os/exec"
)

const pulsarWebPort = 18080

// pulsarConf and pulsarLog configure Pulsar's standalone and what it logs.
var (
	//go:embed pulsar/standalone.conf
	pulsarConf string
	//go:embed pulsar/log4j2.xml
	pulsarLog string
)

// opened are packages of the JDK that Pulsar 2.10 looks into: from Java 17 on it has to be allowed.
var opened = []string{
	"java.base/java.lang", "java.base/java.nio", "java.base/java.io", "java.base/java.util", "java.base/sun.nio.ch",
	"java.base/sun.net", "java.base/jdk.internal.loader", "java.base/jdk.internal.platform",
	"java.management/sun.management", "jdk.management/com.sun.management.internal",
}

func (l *Lab) pulsar() part {
	web := "http://" + loopback(pulsarWebPort)
	return part{
		name:     "pulsar",
		role:     "pulsar",
		software: pulsarPack,
		ports:    []port{{portOf(Pulsar), "broker"}, {pulsarWebPort, "web"}, {20021, "zookeeper"}, {20022, "bookkeeper"}},
		health:   answers(web+"/admin/v2/brokers/health", nil),
		settle:   answers(web+"/admin/v2/namespaces/public/default", nil), // where Milvus' topics go
		command:  l.pulsarCommand,
	}
}

func (l *Lab) pulsarCommand() (command, error) {
	java, err := exec.LookPath("java")
	if err != nil {
		return command{}, missing("java")
	}
	if err := l.preparePulsar(); err != nil {
		return command{}, fmt.Errorf("preparing pulsar's folders: %w", err)
	}
	return command{path: java, args: append(l.javaFlags(), l.pulsarFlags()...), env: plainEnvironment()}, nil
}

// preparePulsar writes the configuration and empties the folder of temporary files: Java leaves a copy of every native
// library there when it is killed.
func (l *Lab) preparePulsar() error {
	if err := writeFile(l.path("config", "pulsar", "standalone.conf"), pulsarConf); err != nil {
		return err
	}
	if err := writeFile(l.path("config", "pulsar", "log4j2.xml"), pulsarLog); err != nil {
		return err
	}
	if err := os.RemoveAll(l.path("work", "pulsar", "tmp")); err != nil {
		return err
	}
	if err := os.MkdirAll(l.path("data", "pulsar"), 0o755); err != nil {
		return err
	}
	return os.MkdirAll(l.path("work", "pulsar", "tmp"), 0o755)
}

func (l *Lab) javaFlags() []string {
	flags := []string{
		"-Xms256m", "-Xmx768m", "-XX:MaxDirectMemorySize=768m", "-XX:+UseG1GC", "-XX:+ExitOnOutOfMemoryError",
		"-Dio.netty.leakDetectionLevel=disabled", "-Djava.io.tmpdir=" + l.path("work", "pulsar", "tmp"),
		"-Dzookeeper.forceSync=no", // as for etcd: a slow disk must not cost sessions
		"-Dlog4j2.formatMsgNoLookups=true", "-Dlog4j.configurationFile=" + l.path("config", "pulsar", "log4j2.xml"),
	}
	for _, name := range opened {
		flags = append(flags, "--add-opens="+name+"=ALL-UNNAMED")
	}
	return append(flags, "-cp", l.installed(pulsarPack, "lib", "*"), "org.apache.pulsar.PulsarStandaloneStarter")
}

func (l *Lab) pulsarFlags() []string {
	return []string{
		"--config", l.path("config", "pulsar", "standalone.conf"), "--no-functions-worker", "-nss",
		"--zookeeper-dir", l.path("data", "pulsar", "zk"), "--zookeeper-port", "20021",
		"--bookkeeper-dir", l.path("data", "pulsar", "bk"), "--bookkeeper-port", "20022",
	}
}
