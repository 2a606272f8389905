package milvus

import (
	"testing"
	"time"

	"github.com/milvus-io/milvus-proto/go-api/v2/milvuspb"
	"github.com/milvus-io/milvus-proto/go-api/v2/schemapb"
)

func TestUsual(t *testing.T) {
	const ms = time.Millisecond
	for name, test := range map[string]struct {
		usually, then time.Duration
		rounds        int // how many of them are told to be slow
	}{
		"as ever":                      {100 * ms, 100 * ms, 0},
		"quicker":                      {1000 * ms, 10 * ms, 0},
		"four times as long":           {1000 * ms, 4000 * ms, 0},
		"more than that":               {1000 * ms, 4001 * ms, 1},
		"ten times":                    {1000 * ms, 10_000 * ms, 2},
		"hundred times":                {1000 * ms, 100_000 * ms, 3},
		"a million times":              {time.Microsecond, time.Second, 3},
		"long, but half a second more": {10 * ms, 510 * ms, 0},
		"longer than that":             {10 * ms, 511 * ms, 1}, // half a second more than usual is less soon than four times
	} {
		u := &usual{}
		for range round {
			u.add(test.usually)
		}
		rounds := 0
		for range 50 * round {
			if _, lasting := u.add(test.then); lasting {
				rounds++
			}
		}
		if rounds != test.rounds {
			t.Errorf("%s: %d slow rounds, want %d", name, rounds, test.rounds)
		}
	}
}

func TestKindOf(t *testing.T) {
	query := func(collection string, fields ...string) *milvuspb.QueryRequest {
		return &milvuspb.QueryRequest{CollectionName: collection, OutputFields: fields}
	}
	rows := func(bytes int) *milvuspb.QueryResults {
		data := &schemapb.StringArray{Data: []string{string(make([]byte, bytes))}}
		return &milvuspb.QueryResults{FieldsData: []*schemapb.FieldData{{Field: &schemapb.FieldData_Scalars{
			Scalars: &schemapb.ScalarField{Data: &schemapb.ScalarField_StringData{StringData: data}},
		}}}}
	}
	page := kindOf(query("c", "id", "v"), rows(8<<20), nil)
	for name, test := range map[string]struct {
		req, reply        any
		err               error
		same, none, count bool
	}{
		"a little smaller":   {req: query("c", "id", "v"), reply: rows(6 << 20), same: true},
		"a little larger":    {req: query("c", "id", "v"), reply: rows(10 << 20), same: true},
		"much smaller":       {req: query("c", "id", "v"), reply: rows(2 << 20)},
		"much larger":        {req: query("c", "id", "v"), reply: rows(32 << 20)},
		"empty":              {req: query("c", "id", "v"), reply: rows(0)},
		"another collection": {req: query("d", "id", "v"), reply: rows(8 << 20)},
		"other fields":       {req: query("c", "id"), reply: rows(8 << 20)},
		"a count":            {req: query("c", "count(*)"), reply: rows(8), count: true},
		"no answer":          {req: query("c", "id", "v"), reply: rows(0), err: errAway, none: true},
		"an insert":          {req: &milvuspb.InsertRequest{}, reply: &milvuspb.MutationResult{}, none: true},
	} {
		k := kindOf(test.req, test.reply, test.err)
		if (k == page) != test.same || (k == kind{}) != test.none || (k == counts) != test.count {
			t.Errorf("%s: %+v beside %+v", name, k, page)
		}
	}
}
