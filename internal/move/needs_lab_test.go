//go:build lab

package move

import (
	"context"
	"errors"
	"reflect"
	"strings"
	"testing"
	"time"

	"github.com/milvus-io/milvus-proto/go-api/v2/schemapb"

	"migrate/importer"
	"migrate/internal/export"
	"migrate/internal/labtest"
	"migrate/internal/milvus"
	"migrate/internal/model"
	"migrate/sinks/memory"
)

// few makes a user who may make collections, and has rights to some of the name alone, who goes when the test ends.
func few(t *testing.T, root *milvus.Server, name string, rights ...string) milvus.Config {
	t.Helper()
	ctx, user := t.Context(), "u"+strings.TrimPrefix(labtest.Name(), "t_")
	grants := []model.Grant{{Role: user, Object: "Global", Name: "*", Database: "default", Privilege: "CreateCollection"},
		{Role: user, Object: "Collection", Name: "*", Database: "default", Privilege: "Import"}}
	for _, r := range rights {
		grants = append(grants, model.Grant{Role: user, Object: "Collection", Name: name, Database: "default", Privilege: r})
	}
	must(t, root.CreateRole(ctx, user))
	must(t, root.CreateUser(ctx, user, "secret-of-"+user))
	must(t, root.GiveRole(ctx, user, user))
	for _, g := range grants {
		must(t, root.Grant(ctx, g))
	}
	t.Cleanup(func() {
		ctx := context.WithoutCancel(ctx)
		for _, g := range grants {
			must(t, root.Revoke(ctx, g))
		}
		must(t, root.DropUser(ctx, user))
		must(t, root.DropRole(ctx, user))
	})
	return milvus.Config{Address: root.Address, Username: user, Password: "secret-of-" + user}
}

// TestMoveKnowsRightsOfRealUsers plans the move of two collections by a user who has rights to one of them alone: the other one is refused, and
// its rights are named. Nothing that is asked for it changes anything, on a collection that is there neither.
func TestMoveKnowsRightsOfRealUsers(t *testing.T) {
	root := labtest.Remote(t)
	may, mayNot := labtest.Collection(labtest.Schema(labtest.IntKey("id"), labtest.Vector("v", schemapb.DataType_FloatVector, 2))),
		labtest.Collection(labtest.Schema(labtest.IntKey("id"), labtest.Vector("v", schemapb.DataType_FloatVector, 2)), "_default", "p1")
	for _, c := range []*model.Collection{may, mayNot} {
		labtest.Create(t, root, c)
	}
	target, err := milvus.Connect(t.Context(), few(t, root, may.Name+"_new", "ShowPartitions", "CreateIndex", "Load", "Query"))
	must(t, err)
	t.Cleanup(func() { target.Close() })
	m := Move{Source: root, Target: target, Sink: &memory.Sink{}, Selection: Selection{Collections: []string{may.Name, mayNot.Name}}, Steps: Steps{Export: true, Import: true, Verify: true}}
	for _, c := range []*model.Collection{may, mayNot} {
		m.Special = append(m.Special, Special{Named: Named{Collection: c.Name}, As: c.Name + "_new"})
	}
	var planned []*Planned
	for range 75 { // the server takes notice of one grant after the other, within two minutes as it was seen
		planned, err = m.Plan(t.Context())
		must(t, err)
		if find(planned, may.Name).Err == nil {
			break
		}
		time.Sleep(4 * time.Second)
	}
	if p := find(planned, may.Name); p.Err != nil {
		t.Errorf("who has all rights: %v", p.Err)
	}
	lacks := `collection "` + mayNot.Name + `_new" on ` + root.Address + " needs the rights ShowPartitions, CreatePartition, CreateIndex, Load, Query: "
	if p := find(planned, mayNot.Name); !errors.Is(p.Err, milvus.ErrPrivilege) || !strings.Contains(p.Refused, lacks) {
		t.Errorf("who lacks some: %v", p.Err)
	}
	mayImport := func(c *model.Collection) error {
		return MayImport(t.Context(), target, &export.Manifest{Collection: export.Describe(c)}, importer.Options{As: c.Name + "_new"})
	}
	if err := mayImport(may); err != nil {
		t.Errorf("who has all rights to import: %v", err)
	}
	if err := mayImport(mayNot); !errors.Is(err, milvus.ErrPrivilege) || !strings.Contains(err.Error(), lacks) {
		t.Errorf("who lacks some to import: %v", err)
	}

	before, err := root.DescribeWhole(t.Context(), mayNot.Name)
	must(t, err)
	for _, n := range []need{createCollection, createDatabase, createAlias, createPartition, createIndex, showPartitions, load, release, count, insert, upsert, remove, flush, flushState, bulkInsert} {
		must(t, n.try(t.Context(), root, mayNot.Name))
	}
	after, err := root.DescribeWhole(t.Context(), mayNot.Name)
	must(t, err)
	if !reflect.DeepEqual(before.Load, after.Load) || len(model.CompareAll(before, after)) > 0 {
		t.Errorf("it was %+v, and is %+v", before, after)
	}
}

func find(all []*Planned, name string) *Planned {
	for _, p := range all {
		if p.Collection == name {
			return p
		}
	}
	return nil
}
