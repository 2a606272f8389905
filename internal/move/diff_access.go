package move

import (
	"context"
	"slices"
	"strings"

	"migrate/internal/milvus"
	"migrate/internal/model"
)

// access compares users, roles, what is granted to them, and groups of privileges. Passwords are told by no server.
func (c *differ) access(ctx context.Context) error {
	const where = "users and roles"
	if !c.Source.Capabilities().Users || !c.Target.Capabilities().Users {
		c.notCompared(where, "one of the servers knows no users")
		return nil
	}
	want, err := accessOf(ctx, c.Source)
	if err != nil {
		return c.passes(where, err)
	}
	have, err := accessOf(ctx, c.Target)
	if err != nil {
		return c.passes(where, err)
	}
	want = renamed(want, c.As)
	c.report.Users, c.report.Roles = len(want.Users), len(want.Roles)
	if len(want.Users) > 1 { // beside root
		c.notCompared(where, "passwords: no server tells them")
	}
	for _, t := range accessDiffers(want, have) {
		c.differs(t.Where, "%s", t.Text)
	}
	return nil
}

// accessOf is that of all databases.
func accessOf(ctx context.Context, server *milvus.Server) (*model.Access, error) {
	databases, err := server.Databases(ctx)
	if err != nil {
		return nil, err
	}
	return server.Access(ctx, databases)
}

// renamed has grants name databases and collections as they are called on the target. A grant of a group of privileges on a collection is
// global by its object, as 2.5 and later tell it, and names the collection all the same.
func renamed(a *model.Access, as func(Named) Named) *model.Access {
	there := *a
	there.Grants = slices.Clone(a.Grants)
	for i, g := range there.Grants {
		if g.Database == everything {
			continue
		}
		n := Named{Database: withoutDefault(g.Database)}
		if g.Object != userObject && g.Name != everything {
			n.Collection = g.Name
		}
		n = as(n)
		there.Grants[i].Database = withDefault(n.Database)
		if n.Collection != "" {
			there.Grants[i].Name = n.Collection
		}
	}
	slices.SortFunc(there.Grants, model.Grant.Compare)
	return &there
}

const (
	everything = "*"    // in a grant
	userObject = "User" // whose name is that of a user
)

// accessDiffers says how users and rights are not as they should be, sorted.
func accessDiffers(want, have *model.Access) []Told {
	differ := slices.Concat(
		listsDiffer("user ", rolesOf(want), rolesOf(have), "role "),
		listsDiffer("role ", grantsOf(want), grantsOf(have), ""),
		listsDiffer("privilege group ", heldBy(want), heldBy(have), "privilege "),
	)
	sortTold(differ)
	return differ
}

// listsDiffer compares what things of the same names have.
func listsDiffer(kind string, want, have map[string][]string, each string) (told []Told) {
	for name, w := range want {
		h, there := have[name]
		if !there {
			told = append(told, Told{kind + name, "missing on the target"})
			continue
		}
		if lacks := without(w, h); len(lacks) > 0 {
			told = append(told, Told{kind + name, "lacks " + each + strings.Join(lacks, "; ")})
		}
		if more := without(h, w); len(more) > 0 {
			told = append(told, Told{kind + name, "also has " + each + strings.Join(more, "; ")})
		}
	}
	for name := range have {
		if _, meant := want[name]; !meant {
			told = append(told, Told{kind + name, "on the target only"})
		}
	}
	return told
}

func without(all, some []string) []string {
	return slices.DeleteFunc(slices.Clone(all), func(one string) bool { return slices.Contains(some, one) })
}

// rolesOf are those of each user but root.
func rolesOf(a *model.Access) map[string][]string {
	roles := map[string][]string{}
	for _, u := range a.Users {
		if u.Name != model.Root {
			roles[u.Name] = u.Roles
		}
	}
	return roles
}

// grantsOf are those of each role but the administrators', in words.
func grantsOf(a *model.Access) map[string][]string {
	grants := map[string][]string{}
	for _, role := range a.Roles {
		grants[role] = nil
	}
	for _, g := range a.Grants {
		grants[g.Role] = append(grants[g.Role], g.String())
	}
	delete(grants, model.AdminRole)
	return grants
}

// heldBy is what each privilege group holds.
func heldBy(a *model.Access) map[string][]string {
	held := map[string][]string{}
	for _, g := range a.Groups {
		held[g.Name] = g.Privileges
	}
	return held
}
