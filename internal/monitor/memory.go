package monitor

import (
	"fmt"
	"os"
	"strings"
	"syscall"
)

// PeakMemory is the most memory that this process had resident, in bytes. What getrusage tells on Linux is never less than what the
// process that started this one had by then, and so it is asked only where there is no /proc.
func PeakMemory() int64 {
	if status, err := os.ReadFile("/proc/self/status"); err == nil {
		_, after, _ := strings.Cut(string(status), "VmHWM:")
		var kibibytes int64
		if _, err := fmt.Sscan(after, &kibibytes); err == nil {
			return kibibytes * 1024
		}
	}
	var r syscall.Rusage
	_ = syscall.Getrusage(syscall.RUSAGE_SELF, &r) // it fails for a bad argument only
	return r.Maxrss * 1024
}
