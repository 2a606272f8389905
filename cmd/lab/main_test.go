package main

import (
	"errors"
	"strings"
	"testing"

	"migrate/deploy/lab"
)

func TestPrintStatus(t *testing.T) {
	running := lab.PartStatus{Name: "etcd", State: lab.StateRunning, PID: 42, Port: 2379, Memory: 36 << 20, Log: "etcd.log"}
	sick := lab.PartStatus{Name: "proxy-1", State: lab.StateUnhealthy, PID: 43, Port: 19530, Problem: errors.New("503")}
	tests := []struct {
		name  string
		parts []lab.PartStatus
		rows  []string
		err   string
	}{
		{"all is well", []lab.PartStatus{running}, []string{"etcd running 42 2379 36 MiB etcd.log", "total 36 MiB"}, ""},
		{"one is not", []lab.PartStatus{running, sick}, []string{"proxy-1 unhealthy 43 19530 -"}, "proxy-1 is unhealthy: 503"},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			var out strings.Builder
			err := printStatus(&out, test.parts)
			if (err != nil) != (test.err != "") || err != nil && err.Error() != test.err {
				t.Errorf("error %v; want %q", err, test.err)
			}
			table := strings.Join(strings.Fields(out.String()), " ")
			for _, row := range test.rows {
				if !strings.Contains(table, row) {
					t.Errorf("the table %q lacks %q", table, row)
				}
			}
		})
	}
}
