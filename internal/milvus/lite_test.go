package milvus_test

import (
	"context"
	"errors"
	"reflect"
	"slices"
	"testing"

	"github.com/milvus-io/milvus-proto/go-api/v2/schemapb"

	"migrate/internal/labtest/memory"
	"migrate/internal/milvus"
	"migrate/internal/model"
)

// TestLite is told by what it lacks, whatever it calls itself.
func TestLite(t *testing.T) {
	for version, want := range map[string]model.Capabilities{
		"v2.3.5-lite": {GRPCImport: true, Clock: true, Partitions: true, Databases: true, SegmentRows: true},
		"v3.2.2":      {RESTImport: true, Clock: true, Partitions: true, Databases: true, SegmentRows: true},
		memory.Lite3:  {Partitions: true, Databases: true, RewritesJSON: true},
		memory.Lite25: {MostRows: 16_383},
	} {
		server := memory.Start(t, version).Client(t)
		can := server.Capabilities()
		got := model.Capabilities{
			GRPCImport: can.GRPCImport, RESTImport: can.RESTImport, Clock: can.Clock, Partitions: can.Partitions, Databases: can.Databases,
			SegmentRows: can.SegmentRows, RewritesJSON: can.RewritesJSON, MostRows: can.MostRows,
		}
		if !reflect.DeepEqual(got, want) {
			t.Errorf("%s: %+v, want %+v", version, got, want)
		}
		if server.Version() != version {
			t.Errorf("%s: calls itself %q", version, server.Version())
		}
		if now, err := server.Now(t.Context()); err != nil || (now > 0) != want.Clock {
			t.Errorf("%s: its time is %d, %v", version, now, err)
		}
		if takes := slices.Contains(can.Types, schemapb.DataType_BinaryVector); takes != (version != memory.Lite3) {
			t.Errorf("%s: takes binary vectors: %t", version, takes)
		}
	}
}

// TestLiteDatabase is refused where a server takes all names for the same one.
func TestLiteDatabase(t *testing.T) {
	for name, want := range map[string]error{"": nil, "default": nil, "library": milvus.ErrNotFound} {
		server, err := milvus.Connect(context.WithoutCancel(t.Context()), milvus.Config{Address: memory.Start(t, memory.Lite25).Address, Database: name})
		if !errors.Is(err, want) {
			t.Errorf("%q: %v, want %v", name, err, want)
		}
		if err == nil {
			server.Close()
		}
	}
}

// TestLiteFilters have what each version reads, where one of them reads another value or none.
func TestLiteFilters(t *testing.T) {
	key := &schemapb.CollectionSchema{Fields: []*schemapb.FieldSchema{{Name: "id", DataType: schemapb.DataType_VarChar, IsPrimaryKey: true}}}
	for version, want := range map[string][3]string{
		"v2.5.10":     {`id in ["a\tb\n\"\\"]`, `id in ["\U0002000b"]`, `n == (-9223372036854775807 - 1)`},
		memory.Lite3:  {`id in ["a\tb\n\"\\"]`, "id in [\"\U0002000b\"]", `n == -9223372036854775808`},
		memory.Lite25: {"id in [\"a\tb\n\\\"\\\\\"]", "id in [\"\U0002000b\"]", `n == (-9223372036854775807 - 1)`},
	} {
		filters := memory.Start(t, version).Client(t).Filters()
		id := filters.KeyOf(key)
		got := [3]string{
			id.In([]model.Key{model.TextKey("a\tb\n\"\\")}), id.In([]model.Key{model.TextKey("\U0002000b")}), filters.Is("n", model.IntKey(-1<<63)),
		}
		if got != want {
			t.Errorf("%s: %q, want %q", version, got, want)
		}
		if breaks := id.CanWrite(model.TextKey("a\nb")); breaks != (version != memory.Lite25) || !id.CanWrite(model.TextKey("a\tb")) {
			t.Errorf("%s: can write a line break: %t", version, breaks)
		}
	}
}
