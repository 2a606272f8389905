package main

import (
	"fmt"
	"io"
	"strings"

	"github.com/dustin/go-humanize"

	"migrate/internal/move"
)

// aroundSettings are of what there is around the rows of many collections.
var aroundSettings = []setting{
	{"users-file", "", "file of passwords for users of the source, a line `user: password` of YAML each: no server tells them"},
	{"new-users-file", "migrate-users.yaml", "file to write the new passwords to of users that no password is given for; only its owner can read it"},
	{"without-access", false, "with --all: leave users, roles and grants as they are on the target"},
	loadMemory,
}

var loadMemory = setting{"load-memory", "", "with --load: memory that collections may take on a server which are loaded for the time being, all together, such as 8GiB; no bound where empty"}

// sayAround says what is to be done about users, and about collections that are not loaded.
func (c config) sayAround(m *move.Move) (err error) {
	if c.LoadMemory != "" {
		bytes, err := humanize.ParseBytes(c.LoadMemory)
		if err != nil || bytes == 0 {
			return usageError{fmt.Errorf("load-memory %q: a size, such as 8GiB", c.LoadMemory)}
		}
		m.LoadMemory = int64(bytes)
	}
	if !c.All || len(c.Collections) > 0 || c.WithoutAccess { // then it is not a whole server
		return nil
	}
	m.Access = &move.Access{File: c.NewUsersFile}
	if c.UsersFile != "" {
		m.Access.Passwords, err = move.ReadPasswords(c.UsersFile)
	}
	return err
}

// printAccess prints what was made of users and rights.
func printAccess(w io.Writer, r *move.AccessReport) {
	if r == nil {
		return
	}
	fmt.Fprintf(w, "users and rights: made %d users, %d roles, %d grants, %d privilege groups\n", len(r.Users), len(r.Roles), r.Grants, len(r.Groups))
	if r.ByHash > 0 {
		fmt.Fprintf(w, "%d users have the passwords that they had, by their hashes\n", r.ByHash)
	}
	if r.File != "" {
		fmt.Fprintf(w, "new passwords are in %s, which its owner alone can read: hand them out, and remove it\n", r.File)
	}
	for _, t := range r.Left {
		fmt.Fprintln(w, t)
	}
	for _, t := range r.Failed {
		fmt.Fprintf(w, "%s: FAILED: %s\n", t.Where, t.Text)
	}
}

// printAccessPlan prints what would be made of them.
func printAccessPlan(w io.Writer, p *move.AccessPlan) {
	if p == nil {
		return
	}
	fmt.Fprintf(w, "users and rights: %d roles and %d grants to make\n", len(p.Roles), len(p.Grants))
	var groups []string
	for _, g := range p.Groups {
		groups = append(groups, g.Name)
	}
	if len(groups) > 0 {
		fmt.Fprintf(w, "privilege groups to make: %s\n", strings.Join(groups, ", "))
	}
	from := map[string]string{"given": "with the password that is given", "hash": "with the password that they have", "new": "with a new password", "there": "to be given roles still"}
	for _, where := range []string{"given", "hash", "new", "there"} {
		var names []string
		for _, u := range p.Users {
			if u.Password == where {
				names = append(names, u.Name)
			}
		}
		if len(names) > 0 {
			fmt.Fprintf(w, "users %s: %s\n", from[where], strings.Join(names, ", "))
		}
	}
	for _, t := range p.Left {
		fmt.Fprintln(w, t)
	}
}
