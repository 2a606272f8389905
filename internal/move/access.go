package move

import (
	"context"
	"errors"
	"fmt"
	"slices"

	"migrate/internal/milvus"
	"migrate/internal/model"
)

// Access says how users, roles, grants and privilege groups are to be moved. What is on the target already is left as it is, unless the same
// move has made it.
type Access struct {
	Passwords Passwords // of users, which no server tells
	File      string    // where passwords are written that are made up for the others
}

// AccessPlan is what of that is to be made on the target.
type AccessPlan struct {
	Groups []model.PrivilegeGroup `json:"privilege_groups,omitempty"` // with what they lack
	Roles  []string               `json:"roles,omitempty"`
	Grants []model.Grant          `json:"-"`
	Users  []PlannedUser          `json:"users,omitempty"`
	Left   []Told                 `json:"left,omitempty"` // what is there otherwise, or can't be made, and is left

	newRoles, newGroups []string
	hashes              map[string]milvus.Hash
}

// PlannedUser is a user to be made, or one that this move has made and that lacks roles still.
type PlannedUser struct {
	Name     string   `json:"name"`
	Roles    []string `json:"roles,omitempty"` // to be given
	Password string   `json:"password"`        // where it comes from: given, hash, new; there where it needs none

	New bool `json:"-"`
}

// Where a password comes from.
const (
	givenPassword = "given"
	hashPassword  = "hash"
	newPassword   = "new"
	oldPassword   = "there"
)

// accessMove moves the users of one server to another.
type accessMove struct {
	Access
	source, target *milvus.Server
	as             func(Named) Named
	record         *record
	making         []string // databases that the target is to have
}

// plan says what is to be made, and what is left. It changes nothing.
func (a accessMove) plan(ctx context.Context) (*AccessPlan, error) {
	p := &AccessPlan{}
	if !a.source.Capabilities().Users {
		return p, nil
	}
	want, err := accessOf(ctx, a.source)
	if err != nil {
		return nil, err
	}
	want = renamed(want, a.as)
	if !a.target.Capabilities().Users {
		p.left("users and roles", "the target knows none: %d users and %d roles are not moved", len(want.Users), len(want.Roles))
		return p, nil
	}
	have, err := accessOf(ctx, a.target)
	if err != nil {
		return nil, err
	}
	ours, err := a.record.madeSoFar(ctx)
	if err != nil {
		return nil, err
	}
	if want.Grants, err = a.inDatabases(ctx, want.Grants, p); err != nil {
		return nil, err
	}
	p.planGroups(a.target.Capabilities(), want, have, ours)
	p.planRoles(want, have, ours)
	p.planUsers(want, have, ours)
	return p, a.planPasswords(ctx, p, ours)
}

// inDatabases leaves grants out that are of databases which the target has not, and is not to have.
func (a accessMove) inDatabases(ctx context.Context, grants []model.Grant, p *AccessPlan) ([]model.Grant, error) {
	there, err := a.target.Databases(ctx)
	if err != nil {
		return nil, err
	}
	there = append(there, append(a.making, everything)...)
	return slices.DeleteFunc(grants, func(g model.Grant) bool {
		lacks := !slices.Contains(there, g.Database)
		if lacks {
			p.left("role "+g.Role, "not granted, since the target has no such database: %s", g)
		}
		return lacks
	}), nil
}

func (p *AccessPlan) left(where, format string, args ...any) {
	p.Left = append(p.Left, Told{where, fmt.Sprintf(format, args...)})
}

// planGroups has groups made that are not there, and those completed that this move has made.
func (p *AccessPlan) planGroups(can model.Capabilities, want, have *model.Access, ours made) {
	there := heldBy(have)
	for _, g := range want.Groups {
		held, is := there[g.Name]
		switch {
		case !can.PrivilegeGroups:
			p.left("privilege group "+g.Name, "the target has none: it is not made, and neither is what was granted by it")
		case !is:
			p.newGroups = append(p.newGroups, g.Name)
			p.Groups = append(p.Groups, g)
		case slices.Contains(ours.Groups, g.Name):
			if lacks := without(g.Privileges, held); len(lacks) > 0 {
				p.Groups = append(p.Groups, model.PrivilegeGroup{Name: g.Name, Privileges: lacks})
			}
		default:
			p.leave(listsDiffer("privilege group ", one(g.Name, g.Privileges), one(g.Name, held), "privilege "))
		}
	}
}

func one(name string, list []string) map[string][]string { return map[string][]string{name: list} }

// leave tells of what is there and differs.
func (p *AccessPlan) leave(differ []Told) {
	for _, t := range differ {
		p.left(t.Where, "it is there, and left as it is: it %s", t.Text)
	}
}

// planRoles has roles made with all that is granted to them. The roles that every server has are its own affair.
func (p *AccessPlan) planRoles(want, have *model.Access, ours made) {
	there, wanted := grantsOf(have), grantsOf(want)
	for _, role := range want.Roles {
		held, is := there[role]
		switch {
		case role == model.AdminRole:
			continue
		case is && !slices.Contains(ours.Roles, role):
			p.leave(listsDiffer("role ", one(role, wanted[role]), one(role, held), ""))
			continue
		case !is:
			p.newRoles = append(p.newRoles, role)
		}
		p.grant(role, want, held)
	}
	p.Roles = p.newRoles
}

// grant adds what a role lacks.
func (p *AccessPlan) grant(role string, want *model.Access, held []string) {
	for _, g := range want.Grants {
		if g.Role != role || slices.Contains(held, g.String()) {
			continue
		}
		left := slices.ContainsFunc(p.Left, func(t Told) bool { return t.Where == "privilege group "+g.Privilege })
		if left && milvus.IsPrivilegeGroup(g.Privilege) {
			p.left("role "+role, "not granted, for want of the same privilege group: %s", g)
			continue
		}
		p.Grants = append(p.Grants, g)
	}
}

// planUsers has users made with their roles.
func (p *AccessPlan) planUsers(want, have *model.Access, ours made) {
	there, wanted := rolesOf(have), rolesOf(want)
	for _, u := range want.Users {
		roles, is := there[u.Name]
		switch {
		case u.Name == model.Root:
		case !is:
			p.Users = append(p.Users, PlannedUser{Name: u.Name, Roles: u.Roles, New: true})
		case slices.Contains(ours.Users, u.Name):
			if lacks := without(u.Roles, roles); len(lacks) > 0 {
				p.Users = append(p.Users, PlannedUser{Name: u.Name, Roles: lacks, Password: oldPassword})
			}
		default:
			p.left("user "+u.Name, "it is there, and keeps its password")
			p.leave(listsDiffer("user ", one(u.Name, wanted[u.Name]), one(u.Name, roles), "role "))
		}
	}
}

// planPasswords says where that of each new user comes from: as it was given, by its hash where both servers pass such on, or a new one.
func (a accessMove) planPasswords(ctx context.Context, p *AccessPlan, ours made) (err error) {
	if p.hashes, err = a.hashes(ctx, p); err != nil {
		return err
	}
	for i, u := range p.Users {
		_, hash := p.hashes[u.Name]
		switch {
		case !u.New:
		case a.Passwords.has(u.Name):
			p.Users[i].Password = givenPassword
		case hash:
			p.Users[i].Password = hashPassword
		default:
			p.Users[i].Password = newPassword
		}
	}
	if len(p.of(newPassword)) > 0 {
		_, err = newPasswords{a.File, ours.ID}.read()
	}
	return err
}

// of are the users whose passwords come from somewhere.
func (p *AccessPlan) of(from string) (names []string) {
	for _, u := range p.Users {
		if u.Password == from {
			names = append(names, u.Name)
		}
	}
	return names
}

// hashes are those of new users whose passwords were not given; none where the target takes none, or where the user may not ask.
func (a accessMove) hashes(ctx context.Context, p *AccessPlan) (map[string]milvus.Hash, error) {
	needed := slices.ContainsFunc(p.Users, func(u PlannedUser) bool { return u.New && !a.Passwords.has(u.Name) })
	if !needed {
		return nil, nil
	}
	takes, err := a.target.TakesHashes(ctx)
	if !takes || err != nil {
		return nil, unlessDenied(err)
	}
	hashes, err := a.source.PasswordHashes(ctx)
	return hashes, unlessDenied(err)
}

// unlessDenied is an error, but for a missing right.
func unlessDenied(err error) error {
	if errors.Is(err, milvus.ErrPrivilege) {
		return nil
	}
	return err
}
