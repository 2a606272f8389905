package move

import (
	"bytes"
	"crypto/rand"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"maps"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"

	"go.yaml.in/yaml/v3"
)

// Passwords are those of users, by their names. They are not shown.
type Passwords map[string]string

// String, GoString and LogValue keep them out of all that is printed.
func (p Passwords) String() string       { return fmt.Sprintf("passwords of %d users", len(p)) }
func (p Passwords) GoString() string     { return p.String() }
func (p Passwords) LogValue() slog.Value { return slog.StringValue(p.String()) }
func (p Passwords) clone() Passwords     { return maps.Clone(p) }
func (p Passwords) has(user string) bool { return p[user] != "" }

// ErrUsersFile: a file of passwords can't be read, or one that is to be written is there and is not this move's.
var ErrUsersFile = errors.New("file of passwords")

// ReadPasswords reads a file of lines of YAML, `user: password`.
func ReadPasswords(file string) (Passwords, error) {
	text, err := os.ReadFile(file)
	if err != nil {
		return nil, fmt.Errorf("%w: %w", ErrUsersFile, err)
	}
	p, err := parsePasswords(text)
	if err != nil {
		return nil, fmt.Errorf("%w %s: %w", ErrUsersFile, file, err)
	}
	return p, nil
}

// parsePasswords says of what is wrong no more than where it is, since it may be a password.
func parsePasswords(text []byte) (Passwords, error) {
	var p Passwords
	if err := yaml.Unmarshal(text, &p); err != nil {
		at := atLine.FindString(err.Error())
		return nil, fmt.Errorf("it is not of lines such as `user: password`, %s; a password of other than letters and digits has to be in 'quotes'", orSomewhere(at))
	}
	for user, password := range p {
		if user == "" || password == "" {
			return nil, fmt.Errorf("user %q has no password in it", user)
		}
	}
	return p, nil
}

var atLine = regexp.MustCompile(`line \d+`)

func orSomewhere(at string) string {
	if at == "" {
		return "somewhere"
	}
	return at
}

// newPasswords is the file in which the passwords are that a move has made up. Only its owner can read it.
type newPasswords struct {
	file string
	id   string // of the move, which has written the file if it bears that
}

// read is what is in the file already; nothing where it is not there. ErrUsersFile where it is not this move's.
func (n newPasswords) read() (Passwords, error) {
	text, err := os.ReadFile(n.file)
	if errors.Is(err, fs.ErrNotExist) {
		return Passwords{}, nil
	}
	if err != nil {
		return nil, fmt.Errorf("%w: %w", ErrUsersFile, err)
	}
	if n.id == "" || !strings.HasPrefix(string(text), n.head()) {
		return nil, fmt.Errorf("%w %s is there already, and this move has not written it", ErrUsersFile, n.file)
	}
	return parsePasswords(text)
}

func (n newPasswords) head() string {
	return "# Passwords that migrate made up for users of the target (move " + n.id + ").\n"
}

// add makes up passwords for users that have none in the file yet, and returns all that are in it. The file is there as a whole, or as it
// was before.
func (n newPasswords) add(users []string) (Passwords, error) {
	for {
		all, err := n.tryAdd(users)
		if !errors.Is(err, fs.ErrExist) { // otherwise another process has written it meanwhile
			return all, err
		}
	}
}

func (n newPasswords) tryAdd(users []string) (Passwords, error) {
	there, err := n.read()
	if err != nil {
		return nil, err
	}
	all := there.clone()
	for _, user := range users {
		if !all.has(user) {
			all[user] = rand.Text()
		}
	}
	if len(all) == len(there) {
		return all, nil
	}
	if err := n.write(all, len(there) == 0); err != nil {
		return nil, fmt.Errorf("%w: writing %s: %w", ErrUsersFile, n.file, err)
	}
	return all, nil
}

// write writes the file beside its place, and puts it there: where it is a new one, only if nobody else has put one there meanwhile.
func (n newPasswords) write(all Passwords, fresh bool) error {
	var text bytes.Buffer
	text.WriteString(n.head() + "# Hand them out, have them changed, and remove this file. --users-file takes it as it is.\n")
	for _, user := range slices.Sorted(maps.Keys(all)) {
		line, err := yaml.Marshal(map[string]string{user: all[user]})
		if err != nil {
			return err
		}
		text.Write(line)
	}
	temp, err := os.CreateTemp(filepath.Dir(n.file), "."+filepath.Base(n.file)+".*") // which only its owner can read
	if err != nil {
		return err
	}
	defer os.Remove(temp.Name())
	_, err = temp.Write(text.Bytes())
	if err := errors.Join(err, temp.Sync(), temp.Close()); err != nil {
		return err
	}
	if fresh {
		return os.Link(temp.Name(), n.file)
	}
	return os.Rename(temp.Name(), n.file)
}
