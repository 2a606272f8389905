package syncer_test

import (
	"testing"

	"github.com/milvus-io/milvus-proto/go-api/v2/schemapb"

	"migrate/internal/labtest"
	"migrate/internal/labtest/pairs"
	"migrate/internal/model"
)

// pair is a collection on a source, and one of the same name on a target.
type pair struct{ pairs.Pair }

// newPair makes an empty collection on both sides, which are servers in memory.
func newPair(t *testing.T, schema *schemapb.CollectionSchema, partitions ...string) pair {
	t.Helper()
	return pair{newServers(t, "v2.3.5", schema, partitions...).Pair}
}

// filled is a pair with so many rows on both sides.
func filled(t *testing.T, rows int64) pair {
	t.Helper()
	p := newPair(t, plain(id))
	labtest.Insert(t, p.Source, p.Name, "", at(1, upTo(0, rows)...))
	p.WantSync(t)
	return p
}

// newServers starts a source of a version and a target, with an empty collection on both.
func newServers(t *testing.T, version string, schema *schemapb.CollectionSchema, partitions ...string) pairs.Servers {
	t.Helper()
	return pairs.Start(t, version, "v2.3.5", labtest.Collection(schema, partitions...))
}

// newInMemory starts servers of a version.
func newInMemory(t *testing.T, version string, change ...func(target *model.Collection)) pairs.Servers {
	t.Helper()
	return pairs.Start(t, version, version, pairs.Numbered(), change...)
}

// What all of these tests call by a short name.
var (
	id, version     = pairs.ID, pairs.Version
	plain, at, upTo = pairs.Plain, pairs.At, pairs.UpTo
	in, count, drop = pairs.In, pairs.Count, pairs.Drop
	numbered        = pairs.NumberedRows
	open            = pairs.Open
)
