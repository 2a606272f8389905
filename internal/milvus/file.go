package milvus

import (
	"os"
	"strings"
)

// FileError is an address that names a file or a folder of Milvus Lite, which has to be served before it can be read. It shows the path
// only where something is there, so that nothing of a login comes into it.
type FileError struct{ path string }

func (e *FileError) Error() string {
	const before, after = "nothing is started for it. End the program that has it open, serve it by ", ", and give 127.0.0.1:19530 as the address"
	info, err := os.Stat(e.path)
	switch {
	case err != nil:
		return "it names a file of Milvus Lite, and there is none. Once it is there, serve it by " + servingFile("FILE.db") +
			", or where it is a folder by " + servingFolder("FOLDER.db") + after
	case info.IsDir():
		return "it names a folder of Milvus Lite, and no server; " + before + servingFolder(e.path) + after
	}
	return "it names a file of Milvus Lite, and no server; " + before + servingFile(e.path) + after
}

// servingFile is how one serves what a Milvus Lite of up to 2.5 has written, whose package has no command for it.
func servingFile(path string) string {
	return "`python3 -c 'import sys; from milvus_lite.server import Server; s = Server(*sys.argv[1:]); s.start() and s._p.wait()' " +
		path + " 127.0.0.1:19530`, after `pip install \"milvus-lite<3\"`"
}

// servingFolder is how one serves what a Milvus Lite of 3 has written.
func servingFolder(path string) string {
	return "`milvus-lite server --data-dir " + path + " --host 127.0.0.1 --port 19530`, after `pip install \"milvus-lite>=3\"`"
}

// asFile is a FileError where the text of an address names a file, be it there or not. No host has such a name, but for one in .db
// without a port.
func asFile(text string) error {
	path := strings.TrimPrefix(text, "file://")
	named := path != text || strings.HasSuffix(path, ".db")
	for _, begins := range []string{"/", "./", "../", "~/"} {
		named = named || strings.HasPrefix(path, begins)
	}
	if !named {
		return nil
	}
	return &FileError{path}
}
