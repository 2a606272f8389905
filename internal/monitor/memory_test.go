package monitor

import (
	"fmt"
	"os"
	"os/exec"
	"testing"
)

// TestPeakMemory is told of what this process takes, and not of what the one that started it had.
func TestPeakMemory(t *testing.T) {
	const large = 160 << 20
	if os.Getenv("TELL_PEAK_MEMORY") != "" {
		fmt.Println(PeakMemory())
		os.Exit(0)
	}
	taken := make([]byte, large)
	for i := 0; i < len(taken); i += os.Getpagesize() {
		taken[i] = 1
	}
	if own := PeakMemory(); own < large {
		t.Errorf("a process that has %d bytes had %d at most", large, own)
	}
	child := exec.CommandContext(t.Context(), os.Args[0], "-test.run", "^TestPeakMemory$")
	child.Env = append(os.Environ(), "TELL_PEAK_MEMORY=1")
	out, err := child.Output()
	if err != nil {
		t.Fatal(err)
	}
	var peak int64
	if _, err := fmt.Sscan(string(out), &peak); err != nil || peak <= 0 || peak >= large {
		t.Errorf("the process that it starts says %q (%v), want less than %d", out, err, large)
	}
	if taken[0] != 1 {
		t.Error("it was taken back")
	}
}
