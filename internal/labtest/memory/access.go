package memory

import (
	"context"
	"encoding/base64"
	"maps"
	"slices"

	"github.com/milvus-io/milvus-proto/go-api/v2/commonpb"
	"github.com/milvus-io/milvus-proto/go-api/v2/milvuspb"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	"migrate/internal/model"
)

// access is who may do what, which nothing here goes by.
type access struct {
	users  map[string]*user
	roles  []string
	grants []model.Grant
	groups map[string][]string
}

type user struct {
	hash  string
	roles []string
}

// newAccess is that of a server that was just installed, as 2.3.5 has it.
func newAccess() access {
	public := model.Grant{Role: model.PublicRole, Object: "Global", Name: "*", Database: "*", Privilege: "DescribeCollection"}
	return access{
		users: map[string]*user{model.Root: {hash: hashOf("Milvus")}}, roles: []string{model.AdminRole, model.PublicRole},
		grants: []model.Grant{public}, groups: map[string][]string{},
	}
}

func hashOf(password string) string { return "hash of " + password }

// Accepts reports whether a user of that password is let in.
func (s *Server) Accepts(name, password string) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	u := s.access.users[name]
	return u != nil && u.hash == hashOf(password)
}

func refused(reason string) (*commonpb.Status, error) {
	return &commonpb.Status{Code: 65535, Reason: reason}, nil
}

// CreateCredential makes a user.
func (s *Server) CreateCredential(_ context.Context, q *milvuspb.CreateCredentialRequest) (*commonpb.Status, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	password, err := base64.StdEncoding.DecodeString(q.Password)
	if err != nil || len(password) < 6 {
		return refused("invalid password")
	}
	if s.access.users[q.Username] != nil {
		return refused("user already exists: " + q.Username)
	}
	s.access.users[q.Username] = &user{hash: hashOf(string(password))}
	return &commonpb.Status{}, nil
}

// DeleteCredential removes one.
func (s *Server) DeleteCredential(_ context.Context, q *milvuspb.DeleteCredentialRequest) (*commonpb.Status, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	delete(s.access.users, q.Username)
	return &commonpb.Status{}, nil
}

// SelectUser lists all users with their roles.
func (s *Server) SelectUser(context.Context, *milvuspb.SelectUserRequest) (*milvuspb.SelectUserResponse, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	resp := &milvuspb.SelectUserResponse{Status: &commonpb.Status{}}
	for _, name := range slices.Sorted(maps.Keys(s.access.users)) {
		result := &milvuspb.UserResult{User: &milvuspb.UserEntity{Name: name}}
		for _, role := range s.access.users[name].roles {
			result.Roles = append(result.Roles, &milvuspb.RoleEntity{Name: role})
		}
		resp.Results = append(resp.Results, result)
	}
	return resp, nil
}

// CreateRole makes a role.
func (s *Server) CreateRole(_ context.Context, q *milvuspb.CreateRoleRequest) (*commonpb.Status, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if slices.Contains(s.access.roles, q.Entity.Name) {
		return refused("role already exists")
	}
	s.access.roles = append(s.access.roles, q.Entity.Name)
	return &commonpb.Status{}, nil
}

// SelectRole lists them.
func (s *Server) SelectRole(context.Context, *milvuspb.SelectRoleRequest) (*milvuspb.SelectRoleResponse, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	resp := &milvuspb.SelectRoleResponse{Status: &commonpb.Status{}}
	for _, role := range s.access.roles {
		resp.Results = append(resp.Results, &milvuspb.RoleResult{Role: &milvuspb.RoleEntity{Name: role}})
	}
	return resp, nil
}

// OperateUserRole gives a user a role.
func (s *Server) OperateUserRole(_ context.Context, q *milvuspb.OperateUserRoleRequest) (*commonpb.Status, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	u := s.access.users[q.Username]
	if u == nil || !slices.Contains(s.access.roles, q.RoleName) {
		return refused("not found the user or the role")
	}
	if !slices.Contains(u.roles, q.RoleName) {
		u.roles = append(u.roles, q.RoleName)
	}
	return &commonpb.Status{}, nil
}

// OperatePrivilege grants and revokes.
func (s *Server) OperatePrivilege(_ context.Context, q *milvuspb.OperatePrivilegeRequest) (*commonpb.Status, error) {
	e := q.Entity
	return s.operate(q.Type, model.Grant{
		Role: e.Role.Name, Object: e.Object.Name, Name: e.ObjectName, Database: e.DbName, Privilege: e.Grantor.Privilege.Name,
	})
}

// OperatePrivilegeV2 does so for groups too, from 2.5 on, which call a right to a group global, though it be on one collection.
func (s *Server) OperatePrivilegeV2(ctx context.Context, q *milvuspb.OperatePrivilegeV2Request) (*commonpb.Status, error) {
	if !s.has("2.5") {
		return s.UnimplementedMilvusServiceServer.OperatePrivilegeV2(ctx, q)
	}
	g := model.Grant{Role: q.Role.Name, Object: "Collection", Name: own(q.CollectionName), Database: q.DbName, Privilege: q.Grantor.Privilege.Name}
	if held, group := s.group(g.Privilege); group {
		g.Object = "Global"
		if why := misplaced(held, g); why != "" {
			return refused(why)
		}
	} else if !isPrivilege(g.Privilege) {
		return refused("not found the privilege name[" + g.Privilege + "]")
	}
	return s.operate(q.Type, g)
}

func (s *Server) operate(how milvuspb.OperatePrivilegeType, g model.Grant) (*commonpb.Status, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if !slices.Contains(s.access.roles, g.Role) {
		return refused("there is no such role")
	}
	s.access.grants = slices.DeleteFunc(s.access.grants, func(have model.Grant) bool { return have == g })
	if how == milvuspb.OperatePrivilegeType_Grant {
		s.access.grants = append(s.access.grants, g)
	}
	return &commonpb.Status{}, nil
}

// SelectGrant lists what is granted to a role in a database, and in all of them.
func (s *Server) SelectGrant(_ context.Context, q *milvuspb.SelectGrantRequest) (*milvuspb.SelectGrantResponse, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	resp := &milvuspb.SelectGrantResponse{Status: &commonpb.Status{}}
	for _, g := range s.access.grants {
		if g.Role == q.Entity.Role.Name && (g.Database == q.Entity.DbName || g.Database == "*") {
			resp.Entities = append(resp.Entities, &milvuspb.GrantEntity{
				Role: q.Entity.Role, Object: &milvuspb.ObjectEntity{Name: g.Object}, ObjectName: g.Name, DbName: g.Database,
				Grantor: &milvuspb.GrantorEntity{Privilege: &milvuspb.PrivilegeEntity{Name: g.Privilege}},
			})
		}
	}
	return resp, nil
}

// CreatePrivilegeGroup makes one, from 2.5 on.
func (s *Server) CreatePrivilegeGroup(ctx context.Context, q *milvuspb.CreatePrivilegeGroupRequest) (*commonpb.Status, error) {
	if !s.has("2.5") {
		return s.UnimplementedMilvusServiceServer.CreatePrivilegeGroup(ctx, q)
	}
	if _, there := s.group(q.GroupName); there || isPrivilege(q.GroupName) {
		return refused("privilege group name [" + q.GroupName + "] is defined")
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.access.groups[q.GroupName] = nil
	return &commonpb.Status{}, nil
}

// OperatePrivilegeGroup adds privileges to one, of which all have to be of one level.
func (s *Server) OperatePrivilegeGroup(_ context.Context, q *milvuspb.OperatePrivilegeGroupRequest) (*commonpb.Status, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	held, there := s.access.groups[q.GroupName]
	if !there {
		return refused("there is no such privilege group")
	}
	for _, p := range q.Privileges {
		if !isPrivilege(p.Name) {
			return refused("there is no privilege name [" + p.Name + "] defined")
		}
		if !slices.Contains(held, p.Name) {
			held = append(held, p.Name)
		}
	}
	if slices.ContainsFunc(held, func(p string) bool { return levelOf(p) != levelOf(held[0]) }) {
		return refused("privileges are not the same privilege level")
	}
	s.access.groups[q.GroupName] = held
	return &commonpb.Status{}, nil
}

// ListPrivilegeGroups lists them, from 2.5 on, and those that are built in.
func (s *Server) ListPrivilegeGroups(ctx context.Context, q *milvuspb.ListPrivilegeGroupsRequest) (*milvuspb.ListPrivilegeGroupsResponse, error) {
	if !s.has("2.5") {
		return s.UnimplementedMilvusServiceServer.ListPrivilegeGroups(ctx, q)
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	resp := &milvuspb.ListPrivilegeGroupsResponse{Status: &commonpb.Status{}}
	for _, name := range slices.Sorted(maps.Keys(s.access.groups)) {
		resp.PrivilegeGroups = append(resp.PrivilegeGroups, groupOf(name, s.access.groups[name]))
	}
	for _, name := range slices.Sorted(maps.Keys(builtIn)) {
		resp.PrivilegeGroups = append(resp.PrivilegeGroups, groupOf(name, builtIn[name]))
	}
	return resp, nil
}

// BackupRBAC gives users with the hashes of their passwords and their roles, as from a late 2.4 on, but for root. Roles, grants and groups that
// it gives too are asked for otherwise.
func (s *Server) BackupRBAC(ctx context.Context, q *milvuspb.BackupRBACMetaRequest) (*milvuspb.BackupRBACMetaResponse, error) {
	if !s.has("2.5") {
		return s.UnimplementedMilvusServiceServer.BackupRBAC(ctx, q)
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	meta := &milvuspb.RBACMeta{}
	for name, u := range s.access.users {
		if name != model.Root {
			info := &milvuspb.UserInfo{User: name, Password: u.hash}
			for _, role := range u.roles {
				info.Roles = append(info.Roles, &milvuspb.RoleEntity{Name: role})
			}
			meta.Users = append(meta.Users, info)
		}
	}
	return &milvuspb.BackupRBACMetaResponse{Status: &commonpb.Status{}, RBACMeta: meta}, nil
}

// RestoreRBAC makes users of known hashes with roles, and fails as a whole where one is there. What names nothing is no error.
func (s *Server) RestoreRBAC(_ context.Context, q *milvuspb.RestoreRBACMetaRequest) (*commonpb.Status, error) {
	if !s.has("2.5") {
		return nil, status.Error(codes.Unimplemented, "RestoreRBAC is not implemented")
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, u := range q.RBACMeta.Users {
		if s.access.users[u.User] != nil {
			return refused("user [" + u.User + "] already exists")
		}
	}
	for _, u := range q.RBACMeta.Users {
		made := &user{hash: u.Password}
		for _, role := range u.Roles {
			made.roles = append(made.roles, role.Name)
		}
		s.access.users[u.User] = made
	}
	return &commonpb.Status{}, nil
}

// has is since for who does not hold s.mu.
func (s *Server) has(line string) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.since(line)
}
