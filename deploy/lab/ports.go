package lab

import (
	"errors"
	"fmt"
	"net"
	"strconv"
	"syscall"
)

// A port is a TCP port that a part listens on.
type port struct {
	number int
	use    string // what it is for, in a word or two
}

// checkPorts is an error when another program listens on a port of the part.
func checkPorts(p part) error {
	var taken []error
	for _, port := range p.ports {
		if portTaken(port.number) {
			taken = append(taken, fmt.Errorf("port %d, the %s port of %s, is taken by another program: find it with "+
				"`ss -ltnp 'sport = :%d'` and stop it", port.number, port.use, p.name, port.number))
		}
	}
	return errors.Join(taken...)
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
