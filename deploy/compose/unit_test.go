//go:build compose

package compose

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"

	"migrate/deploy/images"
)

// A machine is a container that a systemd has to itself, beside the cluster, in which migrate is set up as docs/deploy.md
// says. Nothing but the pause before a new start is other than there.
type machine struct{ *stack }

const machineName = "milvus-systemd"

// asMachine is what a systemd takes in a container: cgroups, mounts, and to look into the processes of others, as root can on
// a machine. The kernel's settings stay out of its reach.
var asMachine = []string{
	"--env", "container=docker", "--tmpfs", "/run", "--tmpfs", "/tmp", "--cgroupns", "host", "--volume", "/sys/fs/cgroup:/sys/fs/cgroup",
	"--cap-add", "SYS_ADMIN", "--cap-add", "SYS_PTRACE", "--security-opt", "seccomp=unconfined", "--security-opt", "apparmor=unconfined",
}

// unit runs the sync as a service of a real systemd: it comes into step, is started again after a kill -9, gives its lease
// back when it is stopped, and stays down where a setting is wrong.
func (s *stack) unit() {
	m := machine{s}
	m.boot()
	defer s.docker("rm", "--force", "--volumes", machineName)

	m.exec("systemctl", "enable", "--now", "migrate-sync") // of one that is not enabled, systemd forgets how it ended
	m.await("the unit in step", m.ready)
	if pid := m.show("MainPID"); m.exec("stat", "--format=%u", "/proc/"+pid) == "0" {
		s.t.Error("the service runs as root")
	}
	m.deleteOnSource("id in [4, 5, 6]")

	m.exec("sh", "-c", "kill -9 "+m.show("MainPID"))
	m.await("its new start", func(context.Context) error {
		if m.is("NRestarts", "0") == nil { // it may be more than 1: the lease of the killed one is refused to it for a while
			return errors.New("it was not started again")
		}
		return nil
	})
	m.await("the unit in step again", m.ready)
	m.deleteOnSource("id in [7, 8, 9]")

	m.systemctl("stop", "migrate-sync")
	m.want("ActiveState", "inactive") // and not failed
	m.want("ExecMainStatus", "130")
	m.systemctl("start", "migrate-sync")
	m.await("the unit in step, for the third time", m.ready)
	m.want("NRestarts", "0") // nobody had the lease

	m.systemctl("stop", "migrate-sync")
	m.exec("sh", "-c", "echo MIGRATE_INTERVAL=soon >>/etc/migrate/sync.env")
	m.systemctl("start", "migrate-sync")
	m.await("its end", func(context.Context) error { return m.is("ActiveState", "failed") })
	m.want("ExecMainStatus", "2")
	m.want("NRestarts", "0")
}

// boot starts systemd, and waits until it is up.
func (m machine) boot() {
	dir := m.t.TempDir()
	write := func(name, text string) string {
		path := filepath.Join(dir, name)
		if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
			m.t.Fatal(err)
		}
		return path
	}
	secrets := m.all()
	mounts := map[string]string{
		m.path("../../bin/image/migrate"):                 "/usr/local/bin/migrate:ro",
		m.path("../systemd/migrate-sync.service"):         "/etc/systemd/system/migrate-sync.service:ro",
		write("sooner.conf", "[Service]\nRestartSec=1\n"): "/etc/systemd/system/migrate-sync.service.d/sooner.conf:ro",
		write("sync.env", strings.Join([]string{
			"MIGRATE_SOURCE_ADDRESS=standalone:19530",
			"MIGRATE_TARGET_ADDRESS=lb:19530",
			"MIGRATE_COLLECTION=" + collection,
			"MIGRATE_SINK_URL=s3://a-bucket/migrate-exports",
			"MIGRATE_SINK_ENDPOINT=minio:9000",
			"MIGRATE_SINK_ACCESS_KEY=" + secrets["MINIO_ROOT_USER"],
			"MIGRATE_SINK_SECRET_KEY=" + secrets["MINIO_ROOT_PASSWORD"],
			"MIGRATE_STAGING_URL=s3://a-bucket/migrate-staging\n",
		}, "\n")): "/etc/migrate/sync.env",
	}
	args := []string{"run", "--detach", "--name", machineName, "--network", "milvus_default"}
	for file, place := range mounts {
		args = append(args, "--volume", file+":"+place)
	}
	m.docker(append(append(args, asMachine...), images.Debian, "/lib/systemd/systemd")...)
	m.await("systemd", func(ctx context.Context) error {
		_, err := m.engine.Docker(ctx, nil, "exec", machineName, "systemctl", "is-system-running")
		return err
	})
}

func (m machine) exec(args ...string) string {
	m.t.Helper()
	return strings.TrimSpace(m.docker(append([]string{"exec", machineName}, args...)...))
}

func (m machine) systemctl(verb, unit string) {
	m.t.Helper()
	m.exec("systemctl", verb, unit)
}

// ready asks as a health check does.
func (m machine) ready(ctx context.Context) error {
	_, err := m.engine.Docker(ctx, nil, "exec", machineName, "migrate", "ready")
	return err
}

// show is a property of the unit.
func (m machine) show(property string) string {
	m.t.Helper()
	return m.exec("systemctl", "show", "--value", "--property", property, "migrate-sync")
}

func (m machine) is(property, want string) error {
	if got := m.show(property); got != want {
		return fmt.Errorf("the unit's %s is %q, want %q", property, got, want)
	}
	return nil
}

func (m machine) want(property, want string) {
	m.t.Helper()
	if err := m.is(property, want); err != nil {
		m.t.Error(err)
	}
}
