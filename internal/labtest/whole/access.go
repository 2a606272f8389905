package whole

import (
	"context"
	"encoding/base64"
	"fmt"
	"slices"

	"github.com/milvus-io/milvus-proto/go-api/v2/milvuspb"
)

// Users are the server's, with their passwords; the superuser is left out.
var Users = map[string]string{
	"reader": "reads-9", "writer": `w"r:i#t e's`, "auditor": "пароль-9", "without_role": "nothing-9", "Reader": "Reads-9",
}

// roles are who has each role.
var roles = map[string][]string{
	"read_only": {"reader", "Reader", "auditor"}, "loader": {"writer"}, "of_nobody": nil, "without_grants": {"auditor"}, "admin": {"auditor"},
}

// builtin are roles that a server comes with.
var builtin = []string{"admin", "public"}

type grant struct{ role, database, object, name, privilege string }

var grants = []grant{
	{"read_only", Default, "Collection", "documents", "Query"},
	{"read_only", Default, "Collection", "documents", "Search"},
	{"read_only", "shop", "Collection", "*", "Query"},
	{"read_only", "shop", "Collection", "documents", "GetStatistics"},
	{"read_only", "Archive_2023", "Collection", "documents", "Load"},
	{"loader", Default, "Global", "*", "CreateCollection"},
	{"loader", "shop", "Global", "*", "DropCollection"},
	{"loader", Default, "Collection", "*", "*"},
	{"loader", Default, "User", "*", "UpdateUser"},
	{"of_nobody", Default, "Collection", "not_there_yet", "Insert"},
	{"of_nobody", "Archive_2023", "Global", "*", "*"},
}

func (s Server) makeAccess(ctx context.Context) error {
	for user, password := range Users {
		encoded := base64.StdEncoding.EncodeToString([]byte(password))
		if _, err := s.Protocol.CreateCredential(ctx, &milvuspb.CreateCredentialRequest{Username: user, Password: encoded}); err != nil {
			return fmt.Errorf("making user %s: %w", user, err)
		}
	}
	for role, users := range roles {
		if err := s.makeRole(ctx, role, users); err != nil {
			return fmt.Errorf("making role %s: %w", role, err)
		}
	}
	for _, g := range grants {
		if err := s.operate(ctx, g, milvuspb.OperatePrivilegeType_Grant); err != nil {
			return fmt.Errorf("granting %v: %w", g, err)
		}
	}
	return nil
}

func (s Server) makeRole(ctx context.Context, role string, users []string) error {
	if !slices.Contains(builtin, role) {
		if _, err := s.Protocol.CreateRole(ctx, &milvuspb.CreateRoleRequest{Entity: &milvuspb.RoleEntity{Name: role}}); err != nil {
			return err
		}
	}
	for _, user := range users {
		req := &milvuspb.OperateUserRoleRequest{Username: user, RoleName: role, Type: milvuspb.OperateUserRoleType_AddUserToRole}
		if _, err := s.Protocol.OperateUserRole(ctx, req); err != nil {
			return err
		}
	}
	return nil
}

func (s Server) operate(ctx context.Context, g grant, what milvuspb.OperatePrivilegeType) error {
	_, err := s.Protocol.OperatePrivilege(ctx, &milvuspb.OperatePrivilegeRequest{Type: what, Entity: &milvuspb.GrantEntity{
		Role: &milvuspb.RoleEntity{Name: g.role}, Object: &milvuspb.ObjectEntity{Name: g.object}, ObjectName: g.name, DbName: g.database,
		Grantor: &milvuspb.GrantorEntity{Privilege: &milvuspb.PrivilegeEntity{Name: g.privilege}},
	}})
	return err
}

// wipeAccess drops users, and roles with what they were granted.
func (s Server) wipeAccess(ctx context.Context) error {
	users, err := s.Protocol.ListCredUsers(ctx, &milvuspb.ListCredUsersRequest{})
	if err != nil {
		return err
	}
	for _, user := range users.Usernames {
		if user == s.Config.Username {
			continue
		}
		if _, err := s.Protocol.DeleteCredential(ctx, &milvuspb.DeleteCredentialRequest{Username: user}); err != nil {
			return fmt.Errorf("dropping user %s: %w", user, err)
		}
	}
	listed, err := s.Protocol.SelectRole(ctx, &milvuspb.SelectRoleRequest{})
	if err != nil {
		return err
	}
	for _, is := range listed.Results {
		if slices.Contains(builtin, is.Role.Name) {
			continue
		}
		if err := s.dropRole(ctx, is.Role); err != nil {
			return fmt.Errorf("dropping role %s: %w", is.Role.Name, err)
		}
	}
	return nil
}

func (s Server) dropRole(ctx context.Context, role *milvuspb.RoleEntity) error {
	for _, database := range append([]string{Default}, Databases...) {
		granted, err := s.Protocol.SelectGrant(ctx, &milvuspb.SelectGrantRequest{Entity: &milvuspb.GrantEntity{Role: role, DbName: database}})
		if err != nil {
			return err
		}
		for _, g := range granted.Entities {
			is := grant{role.Name, g.DbName, g.Object.Name, g.ObjectName, g.Grantor.Privilege.Name}
			if err := s.operate(ctx, is, milvuspb.OperatePrivilegeType_Revoke); err != nil {
				return err
			}
		}
	}
	_, err := s.Protocol.DropRole(ctx, &milvuspb.DropRoleRequest{RoleName: role.Name})
	return err
}
