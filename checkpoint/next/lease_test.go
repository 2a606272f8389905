package checkpoint

import (
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"testing"
)

// TestGone takes an owner for dead only where that is surely so: a wrong guess takes a live one's job away at once, and a
// missed one only waits until the lease has run out.
func TestGone(t *testing.T) {
	me := kernel.self()
	if me.Boot == "" || me.Namespace == "" || me.Start == "" {
		t.Fatalf("this process is not wholly known to itself: %+v", me)
	}
	dead := exec.Command("true")
	if err := dead.Run(); err != nil {
		t.Fatal(err)
	}
	pid := strconv.Itoa(me.PID)
	hidden := procOf(t, map[string]string{"self": pid, pid: "/proc/" + pid, "sys": "/proc/sys"})
	foreign := procOf(t, map[string]string{"self": "1", "1": "/proc/" + pid, "sys": "/proc/sys"})
	for _, c := range []struct {
		name string
		proc proc
		is   func(*Owner)
		want bool
	}{
		{"alive", kernel, func(*Owner) {}, false},
		{"ended", kernel, func(o *Owner) { o.PID = dead.Process.Pid }, true},
		{"ended, where /proc hides what others run", hidden, func(o *Owner) { o.PID = dead.Process.Pid }, true},
		{"its number is a later process's", kernel, func(o *Owner) { o.Start += "0" }, true},
		{"alive, and hidden by /proc", hidden, func(o *Owner) { o.PID = 1 }, false},
		{"on another host", kernel, func(o *Owner) { o.Host, o.PID = "another", dead.Process.Pid }, false},
		{"before the machine's last start, or on one like it", kernel, func(o *Owner) { o.Boot, o.PID = "another", dead.Process.Pid }, false},
		{"in another PID namespace", kernel, func(o *Owner) { o.Namespace, o.PID = "pid:[1]", dead.Process.Pid }, false},
		{"noted by a migrate that knew no namespaces", kernel, func(o *Owner) { o.Namespace, o.PID = "", dead.Process.Pid }, false},
		{"where /proc is that of another PID namespace", foreign, func(o *Owner) { o.Namespace, o.PID = "", dead.Process.Pid }, false},
	} {
		owner := me
		c.is(&owner)
		if got := c.proc.gone(owner); got != c.want {
			t.Errorf("%s: gone is %t", c.name, got)
		}
	}
}

// procOf is a /proc that shows only some processes.
func procOf(t *testing.T, links map[string]string) proc {
	t.Helper()
	folder := t.TempDir()
	for name, to := range links {
		if err := os.Symlink(to, filepath.Join(folder, name)); err != nil {
			t.Fatal(err)
		}
	}
	return proc(folder)
}
