package model

import (
	"cmp"
	"fmt"
)

// Access is who may do what on a server: users, roles, what is granted to them, and groups of privileges. Passwords are not told.
type Access struct {
	Users  []User
	Roles  []string // sorted
	Grants []Grant
	Groups []PrivilegeGroup
}

// User is one, with the roles that it has, sorted.
type User struct {
	Name  string
	Roles []string
}

// Grant is a right that a role has.
type Grant struct {
	Role      string
	Object    string // what kind of object it is to: Collection, Global or User
	Name      string // of the object; "*" for all
	Database  string // in which the object is; "*" for all
	Privilege string // or a group of privileges
}

// String is a grant in words, without its role.
func (g Grant) String() string {
	return fmt.Sprintf("%s on %s %s of database %s", g.Privilege, g.Object, g.Name, g.Database)
}

// Compare orders grants by role, database, object and privilege.
func (g Grant) Compare(o Grant) int {
	return cmp.Or(cmp.Compare(g.Role, o.Role), cmp.Compare(g.Database, o.Database), cmp.Compare(g.Object, o.Object),
		cmp.Compare(g.Name, o.Name), cmp.Compare(g.Privilege, o.Privilege))
}

// PrivilegeGroup is a name for several privileges, which are sorted.
type PrivilegeGroup struct {
	Name       string
	Privileges []string
}

// Users and roles that every server has: root is its owner's, and what the roles of its own may do is its own affair.
const (
	Root       = "root"
	AdminRole  = "admin"
	PublicRole = "public"
)
