package main

import (
	"context"
	"fmt"
	"os"
	"strconv"
	"strings"
	"time"
)

// quietLoad is the load average of the last minute below which a machine is quiet. The lab's idle servers alone are half
// of it.
const quietLoad = 0.7

// waitQuiet waits until nothing else keeps the machine busy, but not longer than most: then the run's numbers are worth
// less, and it says so.
func waitQuiet(ctx context.Context, most time.Duration) error {
	deadline, tick := time.Now().Add(most), time.NewTicker(5*time.Second)
	defer tick.Stop()
	for said := false; ; said = true {
		average, known := loadOfLastMinute()
		if !known || average < quietLoad {
			return nil
		}
		if time.Now().After(deadline) {
			fmt.Printf("the machine is busy (load average %.2f), and so the numbers are noisy\n", average)
			return nil
		}
		if !said {
			fmt.Printf("waiting for a quiet machine (load average %.2f), up to %s\n", average, most)
		}
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-tick.C:
		}
	}
}

// load is the load average of the last minute, for people.
func load() string {
	average, known := loadOfLastMinute()
	if !known {
		return "unknown"
	}
	return fmt.Sprintf("%.2f", average)
}

// loadOfLastMinute is known on Linux only.
func loadOfLastMinute() (average float64, known bool) {
	text, err := os.ReadFile("/proc/loadavg")
	if err != nil {
		return 0, false
	}
	first, _, _ := strings.Cut(string(text), " ")
	average, err = strconv.ParseFloat(first, 64)
	return average, err == nil
}
