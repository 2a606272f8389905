package milvus

import (
	"cmp"
	"context"
	"encoding/base64"
	"fmt"
	"maps"
	"slices"

	"github.com/milvus-io/milvus-proto/go-api/v2/commonpb"
	"github.com/milvus-io/milvus-proto/go-api/v2/milvuspb"

	"migrate/internal/model"
)

// anyName stands for all databases, objects or privileges in a grant.
const anyName = "*"

// Access asks who may do what: all users and roles, and what is granted in some databases and in all of them. What is granted in a
// database that is not named is not told.
func (s *Server) Access(ctx context.Context, databases []string) (*model.Access, error) {
	users, err := s.users(ctx)
	if err != nil {
		return nil, err
	}
	a := &model.Access{Users: users}
	if a.Roles, err = s.roles(ctx); err != nil {
		return nil, err
	}
	for _, role := range a.Roles {
		if a.Grants, err = s.grants(ctx, role, databases, a.Grants); err != nil {
			return nil, err
		}
	}
	slices.SortFunc(a.Grants, model.Grant.Compare)
	a.Groups, err = s.privilegeGroups(ctx)
	return a, err
}

func (s *Server) users(ctx context.Context) ([]model.User, error) {
	resp, err := s.svc.SelectUser(ctx, &milvuspb.SelectUserRequest{IncludeRoleInfo: true})
	if err != nil {
		return nil, fmt.Errorf("listing the users of %s: %w", s.Address, err)
	}
	users := map[string][]string{}
	for _, r := range resp.GetResults() {
		users[r.GetUser().GetName()] = namesOf(r.GetRoles())
	}
	var all []model.User
	for _, name := range slices.Sorted(maps.Keys(users)) {
		all = append(all, model.User{Name: name, Roles: users[name]})
	}
	return all, nil
}

func (s *Server) roles(ctx context.Context) ([]string, error) {
	resp, err := s.svc.SelectRole(ctx, &milvuspb.SelectRoleRequest{})
	if err != nil {
		return nil, fmt.Errorf("listing the roles of %s: %w", s.Address, err)
	}
	var all []*milvuspb.RoleEntity
	for _, r := range resp.GetResults() {
		all = append(all, r.GetRole())
	}
	return namesOf(all), nil
}

func namesOf(roles []*milvuspb.RoleEntity) (names []string) {
	for _, r := range roles {
		names = append(names, r.GetName())
	}
	slices.Sort(names)
	return names
}

// grants adds those of a role to what is known. 2.3.5 answers of all databases with what is granted in all of them alone (seen), and
// of one with both.
func (s *Server) grants(ctx context.Context, role string, databases []string, known []model.Grant) ([]model.Grant, error) {
	for _, database := range append(slices.Clone(databases), anyName) {
		entity := &milvuspb.GrantEntity{Role: &milvuspb.RoleEntity{Name: role}, DbName: database}
		resp, err := s.svc.SelectGrant(ctx, &milvuspb.SelectGrantRequest{Entity: entity})
		if err != nil {
			return nil, fmt.Errorf("listing the grants of role %q on %s: %w", role, s.Address, err)
		}
		for _, e := range resp.GetEntities() {
			g := model.Grant{
				Role: role, Object: e.GetObject().GetName(), Name: e.GetObjectName(), Database: e.GetDbName(),
				Privilege: e.GetGrantor().GetPrivilege().GetName(),
			}
			if !slices.Contains(known, g) {
				known = append(known, g)
			}
		}
	}
	return known, nil
}

// CreateUser makes a user.
func (s *Server) CreateUser(ctx context.Context, name, password string) error {
	req := &milvuspb.CreateCredentialRequest{Username: name, Password: base64.StdEncoding.EncodeToString([]byte(password))}
	if _, err := s.svc.CreateCredential(ctx, req); err != nil {
		return fmt.Errorf("creating user %q on %s: %w", name, s.Address, err)
	}
	return nil
}

// DropUser removes one.
func (s *Server) DropUser(ctx context.Context, name string) error {
	if _, err := s.svc.DeleteCredential(ctx, &milvuspb.DeleteCredentialRequest{Username: name}); err != nil {
		return fmt.Errorf("dropping user %q on %s: %w", name, s.Address, err)
	}
	return nil
}

// CreateRole makes a role that may do nothing yet.
func (s *Server) CreateRole(ctx context.Context, name string) error {
	if _, err := s.svc.CreateRole(ctx, &milvuspb.CreateRoleRequest{Entity: &milvuspb.RoleEntity{Name: name}}); err != nil {
		return fmt.Errorf("creating role %q on %s: %w", name, s.Address, err)
	}
	return nil
}

// DropRole removes one to which nothing is granted.
func (s *Server) DropRole(ctx context.Context, name string) error {
	if _, err := s.svc.DropRole(ctx, &milvuspb.DropRoleRequest{RoleName: name}); err != nil {
		return fmt.Errorf("dropping role %q on %s: %w", name, s.Address, err)
	}
	return nil
}

// GiveRole gives a user a role. It may be repeated.
func (s *Server) GiveRole(ctx context.Context, user, role string) error {
	req := &milvuspb.OperateUserRoleRequest{Username: user, RoleName: role, Type: milvuspb.OperateUserRoleType_AddUserToRole}
	if _, err := s.svc.OperateUserRole(ctx, req); err != nil {
		return fmt.Errorf("giving user %q the role %q on %s: %w", user, role, s.Address, err)
	}
	return nil
}

// Grant grants a right to a role. It may be repeated.
func (s *Server) Grant(ctx context.Context, g model.Grant) error {
	return s.operate(ctx, g, milvuspb.OperatePrivilegeType_Grant)
}

// Revoke takes it away.
func (s *Server) Revoke(ctx context.Context, g model.Grant) error {
	return s.operate(ctx, g, milvuspb.OperatePrivilegeType_Revoke)
}

// operate names what kind of object a right is to, which groups of privileges have none of: they go by the second version of the call,
// that 2.5 brought with them.
func (s *Server) operate(ctx context.Context, g model.Grant, how milvuspb.OperatePrivilegeType) error {
	role := &milvuspb.RoleEntity{Name: g.Role}
	by := &milvuspb.GrantorEntity{Privilege: &milvuspb.PrivilegeEntity{Name: g.Privilege}}
	var err error
	if s.Capabilities().PrivilegeGroups && !isPrivilege(g.Privilege) {
		_, err = s.svc.OperatePrivilegeV2(ctx, &milvuspb.OperatePrivilegeV2Request{Role: role, Grantor: by, Type: how, DbName: g.Database, CollectionName: g.Name})
	} else {
		_, err = s.svc.OperatePrivilege(ctx, &milvuspb.OperatePrivilegeRequest{Type: how, Entity: &milvuspb.GrantEntity{
			Role: role, Object: &milvuspb.ObjectEntity{Name: g.Object}, ObjectName: g.Name, Grantor: by, DbName: g.Database,
		}})
	}
	if err != nil {
		return fmt.Errorf("%s of role %q: %s on %s: %w", how, g.Role, g, s.Address, err)
	}
	return nil
}

// isPrivilege tells one of the protocol's from a group of them.
func isPrivilege(name string) bool {
	_, is := commonpb.ObjectPrivilege_value[privilegePrefix+name]
	return is || name == anyName
}

// IsPrivilegeGroup reports whether what is granted is a group of privileges that a client made: the protocol knows all others.
func IsPrivilegeGroup(name string) bool {
	_, builtIn := commonpb.ObjectPrivilege_value[privilegePrefix+"Group"+name]
	return !builtIn && !isPrivilege(name)
}

// privilegeGroups are those that clients made, sorted.
func (s *Server) privilegeGroups(ctx context.Context) (groups []model.PrivilegeGroup, err error) {
	if !s.Capabilities().PrivilegeGroups {
		return nil, nil
	}
	resp, err := s.svc.ListPrivilegeGroups(ctx, &milvuspb.ListPrivilegeGroupsRequest{})
	if err != nil {
		return nil, fmt.Errorf("listing the privilege groups of %s: %w", s.Address, err)
	}
	for _, g := range resp.GetPrivilegeGroups() {
		if !IsPrivilegeGroup(g.GetGroupName()) {
			continue
		}
		group := model.PrivilegeGroup{Name: g.GetGroupName()}
		for _, p := range g.GetPrivileges() {
			group.Privileges = append(group.Privileges, p.GetName())
		}
		slices.Sort(group.Privileges)
		groups = append(groups, group)
	}
	slices.SortFunc(groups, func(a, b model.PrivilegeGroup) int { return cmp.Compare(a.Name, b.Name) })
	return groups, nil
}

// CreatePrivilegeGroup makes a group that holds nothing yet.
func (s *Server) CreatePrivilegeGroup(ctx context.Context, name string) error {
	if _, err := s.svc.CreatePrivilegeGroup(ctx, &milvuspb.CreatePrivilegeGroupRequest{GroupName: name}); err != nil {
		return fmt.Errorf("creating privilege group %q on %s: %w", name, s.Address, err)
	}
	return nil
}

// AddPrivileges adds privileges to a group. It may be repeated.
func (s *Server) AddPrivileges(ctx context.Context, group string, privileges []string) error {
	req := &milvuspb.OperatePrivilegeGroupRequest{GroupName: group, Type: milvuspb.OperatePrivilegeGroupType_AddPrivilegesToGroup}
	for _, p := range privileges {
		req.Privileges = append(req.Privileges, &milvuspb.PrivilegeEntity{Name: p})
	}
	if _, err := s.svc.OperatePrivilegeGroup(ctx, req); err != nil {
		return fmt.Errorf("adding %v to privilege group %q on %s: %w", privileges, group, s.Address, err)
	}
	return nil
}
