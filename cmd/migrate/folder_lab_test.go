//go:build lab

package main

import (
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/milvus-io/milvus-proto/go-api/v2/schemapb"

	"migrate/deploy/lab"
	"migrate/internal/labtest"
	"migrate/sinks"
)

// bulkWriterSchema is that of testdata/bulkwriter.py.
func bulkWriterSchema() *schemapb.CollectionSchema {
	s := labtest.Schema(
		labtest.IntKey("id"), labtest.Field("flag", schemapb.DataType_Bool), labtest.Field("small", schemapb.DataType_Int8),
		labtest.Field("short", schemapb.DataType_Int16), labtest.Field("int", schemapb.DataType_Int32), labtest.Field("float", schemapb.DataType_Float),
		labtest.Field("double", schemapb.DataType_Double), labtest.Field("name", schemapb.DataType_VarChar), labtest.Field("doc", schemapb.DataType_JSON),
		labtest.Array("tags", schemapb.DataType_VarChar), labtest.Array("numbers", schemapb.DataType_Int16),
		labtest.Vector("vector", schemapb.DataType_FloatVector, 8),
	)
	s.EnableDynamicField = true
	return s
}

// TestFolder brings what pymilvus' bulk writer wrote into the cluster, from a folder and from a bucket: as it was, by verify and by pymilvus.
func TestFolder(t *testing.T) {
	const rows = "1500"
	folder, source := t.TempDir(), labtest.Source(t)
	var files int
	if err := labtest.Python(t.Context(), &files, "testdata/bulkwriter.py", "write", folder, rows); err != nil || files < 2 {
		t.Fatalf("%d files, %v", files, err)
	}
	c := labtest.Collection(bulkWriterSchema())
	labtest.Create(t, source, c)
	described := migrate(t, nil, args("describe", toSource, "--collection", c.Name)...)
	described.want(t, exitOK, `"dim"`)
	schema := filepath.Join(t.TempDir(), "schema.json")
	if err := os.WriteFile(schema, []byte(described.stdout), 0o600); err != nil {
		t.Fatal(err)
	}
	t.Run("folder", func(t *testing.T) {
		t.Parallel()
		of := args(toTarget, "--collection", c.Name, "--parquet", folder)
		migrate(t, nil, args("import", of, toStaging)...).want(t, exitUsage, "no collection", "migrate describe")
		labtest.DropLater(t, labtest.Target(t), c.Name)
		migrate(t, nil, args("import", of, toStaging, "--schema", schema)...).want(t, exitOK, "imported 1,500 rows")
		migrate(t, nil, args("verify", of)...).want(t, exitOK, "equal: 1,500 rows")
		wantByPymilvus(t, c.Name, rows)
		labtest.Delete(t, labtest.Target(t), c.Name, "id in [7]")
		migrate(t, nil, args("verify", of)...).want(t, exitDiffers, "missing on the target: keys 7")
		migrate(t, nil, args("import", of, toStaging)...).want(t, exitFailed, "imported already")
	})
	t.Run("bucket", func(t *testing.T) {
		t.Parallel()
		as := c.Name + "_b"
		upload(t, folder, labtest.EmptyLater(t, lab.ExportBucket, as))
		of := args(toTarget, toMinIO, "--collection", c.Name, "--as", as, "--parquet", "s3://"+lab.ExportBucket+"/"+as, "--schema", schema)
		labtest.DropLater(t, labtest.Target(t), as)
		migrate(t, nil, args("import", of, toStaging)...).want(t, exitOK, "imported 1,500 rows")
		migrate(t, nil, args("verify", of)...).want(t, exitOK, "equal: 1,500 rows")
		wantByPymilvus(t, as, rows)
	})
	t.Run("twice", func(t *testing.T) {
		t.Parallel()
		twice, as := t.TempDir(), c.Name+"_t"
		copyFiles(t, folder, filepath.Join(twice, "a"))
		copyFiles(t, folder, filepath.Join(twice, "b"))
		of := args("import", toTarget, toStaging, "--collection", c.Name, "--as", as, "--parquet", twice, "--schema", schema)
		migrate(t, nil, of...).want(t, exitFailed, "1,500 duplicate keys", "0 is in a/", "nothing was changed")
		if there, err := labtest.Target(t).Exists(t.Context(), as); there || err != nil {
			t.Errorf("a collection was made: %v", err)
		}
	})
}

// wantByPymilvus compares the rows of a collection with those that were given to the bulk writer.
func wantByPymilvus(t *testing.T, collection, rows string) {
	t.Helper()
	var compared int
	if err := labtest.Python(t.Context(), &compared, "testdata/bulkwriter.py", "check", lab.Proxy2, collection, rows); err != nil || compared != 1500 {
		t.Errorf("pymilvus compared %d rows: %v", compared, err)
	}
}

// copyFiles copies the files below a folder.
func copyFiles(t *testing.T, from, to string) {
	t.Helper()
	if err := os.CopyFS(to, os.DirFS(from)); err != nil {
		t.Fatal(err)
	}
}

// upload puts the files below a folder into a bucket.
func upload(t *testing.T, from string, to *sinks.S3) {
	t.Helper()
	files, err := filepath.Glob(filepath.Join(from, "*", "*"))
	if err != nil || len(files) == 0 {
		t.Fatalf("%d files, %v", len(files), err)
	}
	for _, file := range files {
		data, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		name := strings.TrimPrefix(file, from+"/")
		if _, err := to.Put(t.Context(), name, func(w io.Writer) error {
			_, err := w.Write(data)
			return err
		}); err != nil {
			t.Fatal(err)
		}
	}
}
