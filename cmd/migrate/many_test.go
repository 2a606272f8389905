package main

import (
	"encoding/json"
	"os"
	"path/filepath"
	"testing"

	"github.com/milvus-io/milvus-proto/go-api/v2/schemapb"

	"migrate/internal/labtest"
	"migrate/internal/labtest/memory"
)

// manyInMemory is a server in memory with collections of two databases.
func manyInMemory(t *testing.T) *memory.Server {
	t.Helper()
	s := memory.Start(t, "v2.3.5")
	for name, database := range map[string]string{"docs": "", "users": "", "orders": "shop"} {
		c := labtest.Collection(labtest.Schema(labtest.IntKey("id"), labtest.Vector("v", schemapb.DataType_FloatVector, dim)))
		c.Name, c.Database = name, database
		s.Add(t, c)
		s.Sealed(t, memory.Within(database, name), documentRows(0, 100))
	}
	return s
}

// TestManyCommands take one selection: what is exported, imported, verified, shown, resumed and removed is what is meant.
func TestManyCommands(t *testing.T) {
	t.Parallel()
	from, to, folder := manyInMemory(t), memory.Start(t, "v2.3.5"), t.TempDir()
	source, target := []string{"--source-address", from.Address}, []string{"--target-address", to.Address, "--via", "insert"}
	verified := []string{"--target-address", to.Address}
	all := []string{"--all", "--exclude", "users", sink, folder}
	migrate(t, nil, args("plan", source, verified, all)...).want(t, exitOK, "shop.orders", "2 collections of about 200 rows, of which 0 can't be moved")
	migrate(t, nil, args("export", source, all)...).want(t, exitOK, "2 done; 200 rows")
	migrate(t, nil, args("import", target, sink, folder, "--all")...).want(t, exitOK, "2 done; 200 rows")
	migrate(t, nil, args("verify", source, verified, all)...).want(t, exitOK, "2 done")
	migrate(t, nil, args("verify", "--from", "export", verified, sink, folder, "--all")...).want(t, exitOK, "2 done")
	sync := args("sync", "--once", "--listen", "", source, verified, sink, folder, "--collection", "orders", "--source-database", "shop", "--target-database", "shop")
	migrate(t, nil, sync...).want(t, exitFailed, "was not filled yet", "if a move of many has moved it, say --job shop.orders;")
	migrate(t, nil, args(sync, "--job", "shop.orders")...).want(t, exitOK, "(100 rows)")
	migrate(t, nil, args("verify", source, verified, sink, folder, "--all")...).want(t, exitFailed, "users", "2 done, 1 failed", "1 of 3")
	migrate(t, nil, args("status", sink, folder)...).want(t, exitOK, "migrate verify --from export --job docs, or", "migrate verify --from export --job shop.orders --target-database shop, or")
	migrate(t, nil, args("verify", "--from", "export", "--job", "shop.orders", "--target-database", "shop", verified, sink, folder)...).want(t, exitOK, "equal: 100 rows")
	migrate(t, nil, args("status", sink, folder, "--database", "shop", "--json")...).want(t, exitOK, `"job": "shop.orders"`)
	if r := migrate(t, nil, args("status", sink, folder, "--database", "shop", "--json")...); json.Valid([]byte(r.stdout)) != true {
		t.Errorf("status: %s", r.stdout)
	}
	migrate(t, nil, args("resume", source, verified, sink, folder, "--all")...).want(t, exitOK, "nothing of what is meant is left")
	migrate(t, nil, args("jobs", "rm", "--force", "--collection", "d*", sink, folder)...).want(t, exitOK, "removed job docs\n")
	if _, err := os.Stat(filepath.Join(folder, "shop.orders", "manifest.json")); err != nil {
		t.Errorf("what was not meant: %v", err)
	}
}

// TestIndexTypes that an import was told of are no difference to those that are told of them too.
func TestIndexTypes(t *testing.T) {
	t.Parallel()
	from, to, folder := manyInMemory(t), memory.Start(t, "v2.3.5"), t.TempDir()
	source, target := []string{"--source-address", from.Address}, []string{"--target-address", to.Address}
	asked := []string{"--collection", "docs", "--index", "v=IVF_SQ8"}
	migrate(t, nil, args("export", source, "--collection", "docs", sink, folder)...).want(t, exitOK, "100 rows")
	migrate(t, nil, args("import", target, "--via", "insert", sink, folder, asked)...).want(t, exitOK, "100 rows")
	for _, command := range [][]string{args("verify", source, target), args("verify", target, "--from", "export", sink, folder), args("diff", source, target)} {
		migrate(t, nil, args(command, "--collection", "docs")...).want(t, exitDiffers, "IVF_SQ8")
		migrate(t, nil, args(command, asked)...).want(t, exitOK)
		migrate(t, nil, args(command, "--collection", "docs", "--index", "v")...).want(t, exitUsage, "FIELD=TYPE")
	}
}

// TestRunMany moves all by one command; one that can't be moved is told, and what is left of a move is moved by its name.
func TestRunMany(t *testing.T) {
	t.Parallel()
	from, to, folder := manyInMemory(t), memory.Start(t, "v2.3.5"), t.TempDir()
	if err := from.Client(t).Release(t.Context(), "users"); err != nil {
		t.Fatal(err)
	}
	servers := []string{"--source-address", from.Address, "--target-address", to.Address, sink, folder}
	run := args("run", servers, "--all", "--via", "insert", "--listen", "", "--move", "ours")
	r := migrate(t, nil, run...)
	r.want(t, exitFailed, "users: ", "not loaded", "2 done, 1 refused; 200 rows", "summary: file://", "the same command goes on")
	migrate(t, nil, args("status", sink, folder)...).want(t, exitOK, "move ours of "+from.Address, "2 done of 3 collections")
	if err := from.Client(t).Load(t.Context(), "users"); err != nil {
		t.Fatal(err)
	}
	migrate(t, nil, args("resume", "--move", "ours", servers, "--listen", "")...).want(t, exitOK, "3 done; 300 rows")
	migrate(t, nil, args("jobs", "rm", "--move", "ours", sink, folder)...).want(t, exitOK, "removed what was kept of move ours")
	migrate(t, nil, args("resume", "--move", "ours", servers)...).want(t, exitFailed, `there is no move "ours" on file://`)
	migrate(t, nil, args("jobs", "rm", "--move", "ours", sink, folder)...).want(t, exitFailed, `there is no move "ours" on file://`)
}

// TestMoves of the file say of single collections what flags say of one.
func TestMoves(t *testing.T) {
	t.Parallel()
	from, to, folder := manyInMemory(t), memory.Start(t, "v2.3.5"), t.TempDir()
	file := filepath.Join(folder, "moves.yaml")
	text := "moves:\n  - {collection: docs, as: papers, database: library, partitions: [_default]}\n  - {collection: shop.orders}\n"
	if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	servers := []string{"--config", file, "--source-address", from.Address, "--target-address", to.Address, sink, folder}
	migrate(t, nil, args("run", servers, "--via", "insert", "--listen", "")...).want(t, exitOK, "library.papers", "docs: of its partitions alone: _default", "2 done; 200 rows")
	migrate(t, nil, args("status", sink, folder)...).want(t, exitOK, "export docs is of these partitions alone: _default")
	wrong := filepath.Join(folder, "wrong.yaml")
	if err := os.WriteFile(wrong, []byte("moves:\n  - {collection: users, partitions: [nobody]}\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	migrate(t, nil, args("run", "--config", wrong, servers[2:], "--via", "insert", "--listen", "")...).want(t, exitFailed, "users: ", "it has no nobody", "`partitions` of that collection")
	for title, c := range map[string]struct {
		args []string
		want string
	}{
		"a database of one collection": {args("--all", "--source-database", "shop"), "say --database"},
		"a name of one collection":     {args("--all", "--as", "x"), "moves: in migrate.yaml"},
		"a job of one collection":      {args("--all", "--job", "x"), "--move"},
		"a pattern that is none":       {args("--collection", "[x"), "syntax error"},
		"a move of no such name":       {args("--all", "--move", "a/b"), "its name has no slash"},
		"one of another database":      {args("--collection", "shop.orders"), "--database shop --collection orders"},
	} {
		migrate(t, nil, args("run", servers[2:], c.args)...).want(t, exitUsage, c.want)
		t.Log(title)
	}
	for _, name := range []string{"as: 1st", "as: a.b", "database: my-news"} {
		if err := os.WriteFile(wrong, []byte("moves:\n  - {collection: users, "+name+"}\n"), 0o600); err != nil {
			t.Fatal(err)
		}
		migrate(t, nil, args("plan", "--config", wrong, servers[2:])...).want(t, exitUsage, "a Milvus does not take it")
	}
	migrate(t, nil, args("import", servers[4:], "--collection", "users", "--as", "my-users")...).want(t, exitUsage, `"my-users": a Milvus does not take it`)
	migrate(t, nil, args("run", servers[2:], "--collection", "nobody*", "--listen", "")...).want(t, exitFailed, `"nobody*"`, "matches nothing", "--database look in others")
}
