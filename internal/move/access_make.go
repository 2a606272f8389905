package move

import (
	"context"
	"errors"
	"slices"

	"golang.org/x/sync/errgroup"

	"migrate/internal/milvus"
	"migrate/internal/model"
)

// AccessReport is what was made of an AccessPlan.
type AccessReport struct {
	Groups []string `json:"privilege_groups,omitempty"`
	Roles  []string `json:"roles,omitempty"`
	Grants int      `json:"grants"`
	Users  []string `json:"users,omitempty"`
	ByHash int      `json:"passwords_kept_by_hash,omitempty"` // users who have their passwords by their hashes
	File   string   `json:"passwords_file,omitempty"`         // where the new passwords are
	Left   []Told   `json:"left,omitempty"`                   // as it is on the target, or not made
	Failed []Told   `json:"failed,omitempty"`
}

// make makes what is planned: groups, roles, what is granted to them, and then the users, so that nobody has a right before it is known to
// be theirs. What the target refuses is told, and the rest is made.
func (a accessMove) make(ctx context.Context, p *AccessPlan) (*AccessReport, error) {
	r := &AccessReport{Left: p.Left}
	if len(p.Groups)+len(p.Grants)+len(p.Roles)+len(p.Users) == 0 {
		return r, nil
	}
	ours, err := a.record.noteMade(ctx, func(m *made) {
		add(&m.Groups, p.newGroups...)
		add(&m.Roles, p.newRoles...)
		for _, u := range p.Users {
			add(&m.Users, u.Name)
		}
	})
	if err != nil {
		return r, err
	}
	passwords, err := a.passwords(p, ours, r)
	if err != nil {
		return r, err
	}
	a.makeGroups(ctx, p, r)
	a.makeRoles(ctx, p, r)
	for _, u := range p.Users {
		a.makeUser(ctx, u, p, passwords, r)
	}
	return r, context.Cause(ctx)
}

// passwords are those of new users that are known here: given, or made up and written before anybody has one.
func (a accessMove) passwords(p *AccessPlan, ours made, r *AccessReport) (Passwords, error) {
	known := Passwords{}
	if fresh := p.of(newPassword); len(fresh) > 0 {
		made, err := newPasswords{a.File, ours.ID}.add(fresh)
		if err != nil {
			return nil, err
		}
		known, r.File = made, a.File
	}
	for user, password := range a.Passwords {
		known[user] = password
	}
	return known, nil
}

// fails tells of what was refused, unless the context has ended.
func (r *AccessReport) fails(ctx context.Context, where string, err error) {
	if ctx.Err() == nil {
		r.Failed = append(r.Failed, Told{where, err.Error()})
	}
}

func (a accessMove) makeGroups(ctx context.Context, p *AccessPlan, r *AccessReport) {
	for _, g := range p.Groups {
		var err error
		if slices.Contains(p.newGroups, g.Name) {
			err = a.unlessThere(ctx, a.target.CreatePrivilegeGroup(ctx, g.Name), func(now *model.Access) bool {
				return slices.ContainsFunc(now.Groups, func(one model.PrivilegeGroup) bool { return one.Name == g.Name })
			})
		}
		if err == nil && len(g.Privileges) > 0 {
			err = a.target.AddPrivileges(ctx, g.Name, g.Privileges)
		}
		if err != nil {
			r.fails(ctx, "privilege group "+g.Name, err)
			continue
		}
		r.Groups = append(r.Groups, g.Name)
	}
}

// grantsAtOnce bounds how many rights are granted at once.
const grantsAtOnce = 8

func (a accessMove) makeRoles(ctx context.Context, p *AccessPlan, r *AccessReport) {
	for _, role := range p.newRoles {
		if err := a.unlessThere(ctx, a.target.CreateRole(ctx, role), func(now *model.Access) bool { return slices.Contains(now.Roles, role) }); err != nil {
			r.fails(ctx, "role "+role, err)
			continue
		}
		r.Roles = append(r.Roles, role)
	}
	var g errgroup.Group
	g.SetLimit(grantsAtOnce)
	errs := make([]error, len(p.Grants))
	for i, grant := range p.Grants {
		g.Go(func() error {
			errs[i] = a.target.Grant(ctx, grant)
			return nil
		})
	}
	_ = g.Wait() // each has its own error
	for i, err := range errs {
		if err != nil {
			r.fails(ctx, "role "+p.Grants[i].Role, err)
			continue
		}
		r.Grants++
	}
}

func (a accessMove) makeUser(ctx context.Context, u PlannedUser, p *AccessPlan, passwords Passwords, r *AccessReport) {
	where := "user " + u.Name
	var err error
	switch {
	case !u.New:
	case u.Password == hashPassword:
		err = a.target.CreateUserOf(ctx, u.Name, p.hashes[u.Name])
	default:
		err = a.target.CreateUser(ctx, u.Name, passwords[u.Name])
	}
	there := func(now *model.Access) bool {
		return slices.ContainsFunc(now.Users, func(one model.User) bool { return one.Name == u.Name })
	}
	if err = a.unlessThere(ctx, err, there); err != nil {
		r.fails(ctx, where, err)
		return
	}
	for _, role := range u.Roles {
		if err := a.target.GiveRole(ctx, u.Name, role); err != nil {
			r.fails(ctx, where, err)
		}
	}
	if r.Users = append(r.Users, u.Name); u.New && u.Password == hashPassword {
		r.ByHash++
	}
}

// unlessThere is an error, unless what was to be made is there by now: another process of the same move may have made it, or this one by a
// call whose answer got lost.
func (a accessMove) unlessThere(ctx context.Context, err error, there func(*model.Access) bool) error {
	if err == nil || errors.Is(err, milvus.ErrPrivilege) {
		return err
	}
	if now, again := a.target.Access(ctx, nil); again != nil || !there(now) {
		return err
	}
	return nil
}
