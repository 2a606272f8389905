package part

import (
	"fmt"
	"os"
	"testing"
)

func FuzzSlow(f *testing.F) {
	data, _ := small(f, everything())
	f.Add(data)
	f.Fuzz(func(t *testing.T, data []byte) {
		os.WriteFile(fmt.Sprintf("/tmp/ht-prof/last.%d", os.Getpid()), data, 0o600)
		readInTime(t, data, everything())
	})
}
func TestLast(t *testing.T) {
	data, _ := os.ReadFile(os.Getenv("LAST"))
	_, err := readInTime(t, data, everything())
	t.Log(err)
}
