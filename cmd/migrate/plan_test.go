package main

import (
	"bytes"
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/milvus-io/milvus-proto/go-api/v2/schemapb"

	"migrate/internal/labtest"
	"migrate/internal/labtest/memory"
	"migrate/internal/model"
)

// plannedOn runs plan against servers in memory, and returns what it prints.
func plannedOn(t *testing.T, from, to *memory.Server, collection string) (text string, data planResult) {
	t.Helper()
	cmd := newPlan()
	var out bytes.Buffer
	cmd.SetOut(&out)
	cmd.SetContext(t.Context())
	c := config{Source: origin{server: server{Address: from.Address}, Read: readQuery}, Target: target{server: server{Address: to.Address}}, Collection: collection, Workers: 1, movedAgain: movedAgain{PartSize: "16MiB"}}
	for _, c.JSON = range []bool{true, false} {
		out.Reset()
		if err := runPlan(cmd, c); err != nil {
			t.Fatal(err)
		}
		if !c.JSON {
			break
		}
		if err := json.Unmarshal(out.Bytes(), &data); err != nil {
			t.Fatal(err)
		}
	}
	return out.String(), data
}

// TestPlanSumsUpPartitions has a line for all empty partitions, and for all that the target lacks; the JSON has each.
func TestPlanSumsUpPartitions(t *testing.T) {
	t.Parallel()
	names := []string{model.DefaultPartition}
	for i := range 101 {
		names = append(names, fmt.Sprintf("p%03d", i))
	}
	tenant := labtest.Field("tenant", schemapb.DataType_Int64)
	tenant.IsPartitionKey = true
	vector := labtest.Vector("v", schemapb.DataType_FloatVector, 2)
	rows := labtest.Rows{N: 3, Columns: []*schemapb.FieldData{labtest.Column(labtest.IntKey("id"), []int64{1, 2, 3}), labtest.Vectors("v", 2, 3, 1)}}
	for title, c := range map[string]struct {
		coll       *model.Collection
		there      bool // on the target, with one partition
		rows       labtest.Rows
		want, none []string
		missing    int
	}{
		"rows in one, target without it": {
			labtest.Collection(labtest.Schema(labtest.IntKey("id"), vector), names...), false, rows,
			[]string{"partition _default", "101 empty partitions: p000, p001, p002, p003, p004, …\n", "its 102 partitions and 1 indexes: import creates them"}, []string{"p007"}, 0,
		},
		"no row, target with one partition": {
			labtest.Collection(labtest.Schema(labtest.IntKey("id"), vector), names...), true, labtest.Rows{},
			[]string{"102 empty partitions", "target: it lacks 101 partitions: p000, p001, p002, p003, p004, …: import creates"}, []string{"p007", "is missing"}, 101,
		},
		"partition key, target without it": {
			labtest.Collection(labtest.Schema(labtest.IntKey("id"), tenant, vector), names...), false, labtest.Rows{},
			[]string{"its partition key and 1 indexes: import creates them"}, []string{"p000", "empty partition", "102 partitions"}, 0,
		},
		"partition key, target with one partition": {
			labtest.Collection(labtest.Schema(labtest.IntKey("id"), tenant, vector), names...), true, labtest.Rows{},
			[]string{"is there"}, []string{"p000", "empty partition", "import creates"}, 0,
		},
	} {
		from, to := memory.Start(t, "v2.3.5"), memory.Start(t, "v2.3.5")
		from.Add(t, c.coll)
		if c.rows.N > 0 {
			from.Sealed(t, c.coll.Name, c.rows)
		}
		if c.there {
			one := *c.coll
			one.Partitions = names[:1]
			to.Add(t, &one)
		}
		text, data := plannedOn(t, from, to, c.coll.Name)
		for _, want := range c.want {
			if !strings.Contains(text, want) {
				t.Errorf("%s: no %q in\n%s", title, want, text)
			}
		}
		for _, none := range c.none {
			if strings.Contains(text, none) {
				t.Errorf("%s: %q in\n%s", title, none, text)
			}
		}
		if ranges := len(data.Ranges); ranges != 102 && !model.PartitionKey(c.coll.Schema) || len(data.Missing) != c.missing {
			t.Errorf("%s: JSON has %d ranges and %d missing partitions", title, ranges, len(data.Missing))
		}
	}
}

// TestPlanNamesReservedKey of a target whose filters have more words than those of the source.
func TestPlanNamesReservedKey(t *testing.T) {
	t.Parallel()
	from, to := memory.Start(t, "v2.3.5"), memory.Start(t, "v2.6.2")
	c := labtest.Collection(labtest.Schema(labtest.IntKey("threshold"), labtest.Vector("v", schemapb.DataType_FloatVector, 2)))
	from.Add(t, c)
	_, data := plannedOn(t, from, to, c.Name)
	if !slices.ContainsFunc(data.Target, func(s string) bool {
		return strings.Contains(s, `import will refuse it: key field "threshold" is a reserved`)
	}) {
		t.Errorf("target: %q", data.Target)
	}
}

// TestPlanWithoutRights names the right that is missing, and where it is told what each command needs.
func TestPlanWithoutRights(t *testing.T) {
	t.Parallel()
	s := memory.Start(t, "v2.3.5")
	coll := labtest.Collection(labtest.Schema(labtest.IntKey("id"), labtest.Vector("v", schemapb.DataType_FloatVector, 2)))
	s.Add(t, coll)
	s.Deny("ShowPartitions")
	cmd := newPlan()
	cmd.SetContext(t.Context())
	err := runPlan(cmd, config{Source: origin{server: server{Address: s.Address}, Read: readQuery}, Collection: coll.Name, Workers: 1, movedAgain: movedAgain{PartSize: "16MiB"}})
	if err == nil || exitCode(err) != exitFailed {
		t.Fatal(err)
	}
	for _, want := range []string{"needs the privilege ShowPartitions", "docs/privileges.md"} {
		if text := explain(err); !strings.Contains(text, want) {
			t.Errorf("no %q in %s", want, text)
		}
	}
}
