package model_test

import (
	"testing"

	"github.com/milvus-io/milvus-proto/go-api/v2/schemapb"

	"migrate/internal/labtest"
	"migrate/internal/model"
)

// TestForRollback of a target that was made wider than its source is not refused for that, and for nothing else less.
func TestForRollback(t *testing.T) {
	described := func(length string, dim int) *model.Collection {
		title := labtest.Field("title", schemapb.DataType_VarChar)
		title.TypeParams[0].Value = length
		return &model.Collection{Schema: labtest.Schema(labtest.IntKey("id"), title, labtest.Vector("v", schemapb.DataType_FloatVector, dim))}
	}
	for name, c := range map[string]struct {
		serves, left *model.Collection
		refused      int
	}{
		"narrower":            {described("80", 2), described("40", 2), 0},
		"another dimension":   {described("80", 2), described("40", 3), 1},
		"the same everywhere": {described("80", 2), described("80", 2), 0},
	} {
		if got := model.Compare(c.serves, c.left).ForRollback().Texts(model.Refuses); len(got) != c.refused {
			t.Errorf("%s: refused for %q", name, got)
		}
	}
}
