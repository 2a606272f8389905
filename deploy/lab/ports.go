package lab

import (
	"cmp"
	"errors"
	"fmt"
	"net"
	"strconv"
	"strings"
	"syscall"
)

// A port is a TCP port that a part listens on.
type port struct {
	number int
	use    string // what it is for, in a word or two
}

// metricsPort is the use of the port at which a Milvus tells its metrics and its health.
const metricsPort = "metrics"

// checkPorts is an error when another program listens on ports of the part.
func checkPorts(p part) error {
	var first int
	var taken []string
	for _, port := range p.ports {
		if portTaken(port.number) {
			taken = append(taken, fmt.Sprintf("%d (%s)", port.number, port.use))
			first = cmp.Or(first, port.number)
		}
	}
	if len(taken) == 0 {
		return nil
	}
	return fmt.Errorf("%s needs port %s, taken by another program: find it with `ss -ltnp 'sport = :%d'` and stop it, "+
		"or, where it is another folder's lab, `lab --dir FOLDER down` or `migrate cluster stop --lab FOLDER`", p.name, strings.Join(taken, " and "), first)
}

// portTaken tells whether anyone listens on the port, on the loopback or on every address.
func portTaken(number int) bool {
	listener, err := net.Listen("tcp4", loopback(number))
	if err != nil {
		return errors.Is(err, syscall.EADDRINUSE)
	}
	listener.Close()
	return false
}

func loopback(number int) string { return net.JoinHostPort("127.0.0.1", strconv.Itoa(number)) }

// portOf is the port of one of the lab's own addresses, 0 for anything else.
func portOf(address string) int {
	_, text, err := net.SplitHostPort(address)
	if err != nil {
		return 0
	}
	number, err := strconv.Atoi(text)
	if err != nil {
		return 0
	}
	return number
}
