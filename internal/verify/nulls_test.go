package verify_test

import (
	"testing"

	"github.com/milvus-io/milvus-proto/go-api/v2/schemapb"
	"google.golang.org/protobuf/proto"

	"migrate/internal/labtest"
	"migrate/internal/model"
	"migrate/internal/source/memory"
	"migrate/internal/verify"
)

// nullable holds rows with keys from 0 on: the numbers where they are valid, and NULL elsewhere.
func nullable(t *testing.T, number *schemapb.FieldSchema, numbers []int64, valid []bool) *memory.Source {
	t.Helper()
	id := labtest.IntKey("id")
	s, err := memory.New(&model.Collection{Schema: labtest.Schema(id, number), Partitions: []string{model.DefaultPartition}})
	if err != nil {
		t.Fatal(err)
	}
	column := labtest.Column(number, numbers)
	column.ValidData = valid
	keys := labtest.Column(id, labtest.Each(len(numbers), func(i int) int64 { return int64(i) }))
	if err := s.Insert(model.DefaultPartition, []*schemapb.FieldData{keys, column}); err != nil {
		t.Fatal(err)
	}
	return s
}

// TestNulls: a NULL is no zero, and where the field has a default it may be that on the right side, which is said.
func TestNulls(t *testing.T) {
	plain := labtest.Field("number", schemapb.DataType_Int64)
	plain.Nullable = true
	defaulted := proto.CloneOf(plain)
	defaulted.DefaultValue = &schemapb.ValueField{Data: &schemapb.ValueField_LongData{LongData: 7}}
	const but = "but for 2 NULLs that became the default of their field"
	for name, test := range map[string]struct {
		field       *schemapb.FieldSchema
		left, right []bool  // valid
		numbers     []int64 // on the right side; 1, 7, 0, 7 on the left
		equal       bool
		but         string
		differing   int64
	}{
		"the same NULLs":                {plain, []bool{true, false, true, false}, []bool{true, false, true, false}, []int64{1, 0, 0, 0}, true, "", 0},
		"zeros of NULLs":                {plain, []bool{true, false, true, false}, nil, []int64{1, 0, 0, 0}, false, "", 2},
		"NULL of a zero":                {plain, nil, []bool{true, true, false, true}, []int64{1, 7, 0, 7}, false, "", 1},
		"defaults of NULLs":             {defaulted, []bool{true, false, true, false}, nil, []int64{1, 7, 0, 7}, true, but, 0},
		"defaults and a difference":     {defaulted, []bool{true, false, true, false}, nil, []int64{2, 7, 0, 7}, false, but, 1},
		"another value of a NULL":       {defaulted, []bool{true, false, true, false}, nil, []int64{1, 8, 0, 7}, false, but, 1},
		"NULLs where there are too":     {defaulted, []bool{true, false, true, false}, []bool{true, false, true, false}, []int64{1, 0, 0, 0}, true, "", 0},
		"values where there is default": {defaulted, nil, nil, []int64{1, 7, 0, 7}, true, "", 0},
	} {
		for _, withoutKeys := range []bool{false, true} {
			left, right := nullable(t, test.field, []int64{1, 7, 0, 7}, test.left), nullable(t, test.field, test.numbers, test.right)
			r := compare(t, left, right, verify.Options{WithoutKeys: withoutKeys})
			differing := test.differing
			if withoutKeys {
				differing = 0
			}
			if r.Equal != test.equal || r.But() != test.but || r.Rows.Differing != differing {
				t.Errorf("%s, without keys %t: equal %t, %q, %+v", name, withoutKeys, r.Equal, r.But(), r.Rows)
			}
		}
	}
}
