package columns_test

import (
	"encoding/json"
	"math"
	"os"
	"slices"
	"testing"

	"github.com/milvus-io/milvus-proto/go-api/v2/milvuspb"
	"github.com/milvus-io/milvus-proto/go-api/v2/schemapb"
	"google.golang.org/protobuf/proto"

	"migrate/internal/columns"
	"migrate/internal/labtest"
)

// recorded is what a real server of 2.5.10 answered.
func recorded[M proto.Message](t *testing.T, file string, answer M) M {
	t.Helper()
	text, err := os.ReadFile("testdata/milvus-2.5.10/" + file)
	if err != nil {
		t.Fatal(err)
	}
	var call struct {
		AnswerBytes []byte `json:"answer_bytes"`
	}
	if err := json.Unmarshal(text, &call); err != nil {
		t.Fatal(err)
	}
	if err := proto.Unmarshal(call.AnswerBytes, answer); err != nil {
		t.Fatal(err)
	}
	return answer
}

// TestRecorded2510 reads NULLs and defaults as a real 2.5.10 answered them, and answers with the same columns, as stand-ins do.
func TestRecorded2510(t *testing.T) {
	schema := recorded(t, "n_nullable.describe.json", &milvuspb.DescribeCollectionResponse{}).Schema
	layout := layoutOf(t, schema)
	null := any(nil)
	for file, want := range map[string]map[string][]any{
		"n_nullable.plain.json": {
			"n": {null, int32(1), int32(2), null, int32(4), int32(5), null, int32(7)}, "t": {"a", null, "a", null, "a", null, "a", null},
			"j": {`{"a":0}`, null, null, null, `{"a":4}`, null, null, null}, "$meta": {"{}", "{}", "{}", "{}", "{}", "{}", "{}", "{}"},
			"d": bitsOf(2, 1.5, 1.5, 1.5, 1.5, 2, 1.5, 1.5),
		},
		"n_nullable.iterator_second.json": {
			"n": {int32(8), null, int32(10), int32(11), null, int32(13), int32(14), null}, "t": {"a", null, "a", null, "a", null, "a", null},
			"j": {`{"a":8}`, null, null, null, `{"a":12}`, null, null, null}, "$meta": {"{}", "{}", "{}", "{}", "{}", "{}", "{}", "{}"},
			"d": bitsOf(1.5, 1.5, 2, 1.5, 1.5, 1.5, 1.5, 2),
		},
	} {
		answer := recorded(t, file, &milvuspb.QueryResults{}).FieldsData
		rec, err := layout.Decode(answer)
		if err != nil {
			t.Fatal(err)
		}
		for i, name := range layout.Names() {
			if got := values(rec.Column(i)); want[name] != nil && !slices.EqualFunc(got, want[name], sameValue) {
				t.Errorf("%s: column %q holds %v, want %v", file, name, got, want[name])
			}
		}
		for _, said := range ours(t, layout, answer) {
			i := slices.IndexFunc(answer, func(d *schemapb.FieldData) bool { return d.FieldName == said.FieldName })
			if said.FieldId = answer[i].FieldId; !proto.Equal(said, answer[i]) {
				t.Errorf("%s: a stand-in answers %v, the server %v", file, said, answer[i])
			}
		}
	}
}

// ours is how a stand-in answers with the rows of an answer.
func ours(t *testing.T, layout *columns.Layout, answer []*schemapb.FieldData) []*schemapb.FieldData {
	t.Helper()
	rec, err := layout.Decode(answer)
	if err != nil {
		t.Fatal(err)
	}
	data, err := layout.Answer(rec, labtest.Each(int(rec.NumRows()), func(i int) int { return i }))
	if err != nil {
		t.Fatal(err)
	}
	return data
}

func bitsOf(numbers ...float64) []any {
	return labtest.Each(len(numbers), func(i int) any { return math.Float64bits(numbers[i]) })
}
