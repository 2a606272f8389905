package memory

import (
	"slices"

	"github.com/milvus-io/milvus-proto/go-api/v2/commonpb"
	"github.com/milvus-io/milvus-proto/go-api/v2/milvuspb"

	"migrate/internal/model"
)

// Groups of privileges are as Milvus' sources have them (2.5: rootcoord's root_coord.go and meta_table.go, util's constant.go): all privileges
// of one are of a level, the first says of which, and a right to the group may name no more than that level has.

// builtIn are some of the groups that every server has.
var builtIn = map[string][]string{
	"CollectionReadOnly": {"Query", "Search", "DescribeCollection"},
	"DatabaseReadOnly":   {"ShowCollections", "DescribeDatabase"},
	"ClusterReadOnly":    {"ListDatabases", "SelectUser"},
}

// levelOf is the level of a privilege.
func levelOf(privilege string) string {
	switch {
	case slices.Contains([]string{"ListDatabases", "SelectUser", "SelectOwnership", "CreateDatabase", "FlushAll"}, privilege):
		return "Cluster"
	case slices.Contains([]string{"ShowCollections", "DescribeDatabase", "AlterDatabase", "CreateCollection", "DropCollection"}, privilege):
		return "Database"
	}
	return "Collection"
}

// misplaced is why a right to a group that holds some privileges can't be granted where it is meant to be; empty where it can.
func misplaced(held []string, g model.Grant) string {
	const all = "*"
	switch {
	case len(held) == 0:
	case levelOf(held[0]) == "Cluster" && (g.Database != all || g.Name != all):
		return "dbName and collectionName should be * for the cluster level privilege: " + g.Privilege
	case levelOf(held[0]) == "Database" && g.Name != all && g.Name != "":
		return "collectionName should be * for the database level privilege: " + g.Privilege
	case levelOf(held[0]) == "Collection" && g.Database == all && g.Name != all && g.Name != "":
		return "please specify database name for the collection level privilege: " + g.Privilege
	}
	return ""
}

// group is what a group holds, where there is one of that name.
func (s *Server) group(name string) (held []string, there bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if held, there = s.access.groups[name]; there {
		return held, true
	}
	held, there = builtIn[name]
	return held, there
}

func isPrivilege(name string) bool {
	_, is := commonpb.ObjectPrivilege_value["Privilege"+name]
	return is
}

func groupOf(name string, held []string) *milvuspb.PrivilegeGroupInfo {
	group := &milvuspb.PrivilegeGroupInfo{GroupName: name}
	for _, p := range held {
		group.Privileges = append(group.Privileges, &milvuspb.PrivilegeEntity{Name: p})
	}
	return group
}
