package sinks

import (
	"context"
	"crypto/rand"
	"crypto/sha256"
	"fmt"
	"io/fs"
	"path"
	"path/filepath"
	"strings"
	"unicode"
)

// CheckName tells what keeps name from naming an object. What passes here can be stored in every kind of sink, so
// that an export can move between them.
func CheckName(name string) error {
	switch {
	case !fs.ValidPath(name) || name == ".":
		return fmt.Errorf("object name %q: not a relative, slash-separated path of UTF-8", name)
	case strings.ContainsFunc(name, func(r rune) bool { return unicode.IsControl(r) || r == '\\' }):
		return fmt.Errorf("object name %q: holds a control character or a backslash", name)
	case isPartial(path.Base(name)):
		return fmt.Errorf("object name %q: names like this are kept for objects that are being put", name)
	}
	for element := range strings.SplitSeq(name, "/") {
		// MinIO takes these for "." and "..".
		if trimmed := strings.TrimSpace(element); trimmed == "." || trimmed == ".." || trimmed == "" {
			return fmt.Errorf("object name %q: has an element of spaces and dots", name)
		}
	}
	return nil
}

// begin tells what keeps a method from working on the object name.
func begin(ctx context.Context, name string) error {
	if err := CheckName(name); err != nil {
		return err
	}
	return ctx.Err()
}

// checkPrefix tells what keeps prefix from being the beginning of a name.
func checkPrefix(prefix string) error {
	folder := folderOf(prefix)
	if folder == "" {
		return nil
	}
	if err := CheckName(strings.TrimSuffix(folder, "/")); err != nil {
		return fmt.Errorf("prefix %q: %w", prefix, err)
	}
	return nil
}

// folderOf is s up to its last slash, or nothing.
func folderOf(s string) string {
	return s[:strings.LastIndexByte(s, '/')+1]
}

// A partial file is what a Put to the local filesystem writes before it gives it the object's name. It stands in the
// object's folder and is called ".<name>.<random>.partial". That of a Swap, which is alone as long as it has the object's lock, has
// "swap" in the place of the random letters, which are capitals and digits; the file of that lock has "lock".
const (
	partialSuffix = ".partial"
	maxStem       = 200 // bytes of an object's file name that fit into a partial file's
)

var randomLength = len(rand.Text())

// newPartial is a partial file of the object at target.
func newPartial(target string) string {
	folder, base := filepath.Split(target)
	return filepath.Join(folder, partialStem(base)+rand.Text()+partialSuffix)
}

// isPartialOf tells whether file is a partial file of the object that is called base in the same folder.
func isPartialOf(base, file string) bool {
	rest, ours := strings.CutPrefix(file, partialStem(base))
	random, partial := strings.CutSuffix(rest, partialSuffix)
	return ours && partial && len(random) == randomLength && random == strings.ToUpper(random)
}

// lockName and swapName are the lock and the partial file of a Swap of the object that is called base in the same folder.
func lockName(base string) string { return partialStem(base) + "lock" + partialSuffix }
func swapName(base string) string { return partialStem(base) + "swap" + partialSuffix }

// isRemoved tells what NFS keeps of a file that was removed while somebody had it open.
func isRemoved(name string) bool { return strings.HasPrefix(path.Base(name), ".nfs") }

// isPartial is also true for lock files.
func isPartial(file string) bool {
	return strings.HasPrefix(file, ".") && strings.HasSuffix(file, partialSuffix)
}

func partialStem(base string) string {
	if len(base) > maxStem {
		base = fmt.Sprintf("%x", sha256.Sum256([]byte(base)))
	}
	return "." + base + "."
}
