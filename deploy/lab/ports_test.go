package lab

import (
	"net"
	"strconv"
	"strings"
	"testing"
)

func TestCheckPortsNamesTheTakenOne(t *testing.T) {
	for _, address := range []string{"127.0.0.1:0", ":0"} {
		t.Run(address, func(t *testing.T) {
			listener, err := net.Listen("tcp", address)
			if err != nil {
				t.Fatal(err)
			}
			number := listener.Addr().(*net.TCPAddr).Port
			p := part{name: "minio", ports: []port{{number, "S3"}}}
			err = checkPorts(p)
			for _, want := range []string{strconv.Itoa(number), "S3", "minio", "ss -ltnp"} {
				if err == nil || !strings.Contains(err.Error(), want) {
					t.Errorf("checkPorts = %v; want it to say %q", err, want)
				}
			}
			if err := listener.Close(); err != nil {
				t.Fatal(err)
			}
			if err := checkPorts(p); err != nil {
				t.Errorf("checkPorts of a free port = %v", err)
			}
		})
	}
}
