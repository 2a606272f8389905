package lab

import (
	"fmt"
	"os"
	"path/filepath"
	"strconv"
)

// lite25 is Milvus Lite as it was up to 2.5: Milvus' own engine in one program, on one file.
func (l *Lab) lite25(name, address string) part {
	return l.lite(name, address, lite25Pack, func(data string) command {
		return command{
			path: l.installed(lite25Pack, "milvus"),
			args: []string{filepath.Join(data, "lite.db"), address, "INFO"},
			env:  []string{"LD_LIBRARY_PATH=" + l.installed(lite25Pack)},
		}
	})
}

// spareLite25 is one for tests that move rows from one to another.
func (l *Lab) spareLite25() part {
	p := l.lite25("lite-2.5-spare", SpareLite25)
	p.optional = true
	return p
}

// lite3 is Milvus Lite as it is since 3.0: a server in Python, on a folder.
func (l *Lab) lite3() part {
	return l.lite("lite-3", Lite3, lite3Pack, func(data string) command {
		return command{
			path: l.installed(lite3Pack, "bin", "python"),
			args: []string{"-m", "milvus_lite", "server", "--data-dir", data, "--host", "127.0.0.1", "--port", strconv.Itoa(portOf(Lite3))},
			env:  []string{"PYTHONUNBUFFERED=1"},
		}
	})
}

// lite is a Milvus Lite that serves clients at the address, started by a command on its folder of data.
func (l *Lab) lite(name, address string, software pack, on func(data string) command) part {
	return part{
		name:     name,
		software: software,
		ports:    []port{{portOf(address), "client"}},
		health:   serves(address, "", "", nil),
		command: func() (command, error) {
			data := l.path("data", name)
			if err := os.MkdirAll(data, 0o755); err != nil {
				return command{}, fmt.Errorf("making the folder of %s: %w", name, err)
			}
			c := on(data)
			c.env = append(plainEnvironment(), c.env...)
			return c, nil
		},
	}
}
