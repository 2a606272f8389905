package cutover

import (
	"errors"
	"io"
	"path"
	"reflect"
	"strings"
	"testing"
	"time"

	"github.com/milvus-io/milvus-proto/go-api/v2/schemapb"

	"migrate/internal/document"
	"migrate/internal/export"
	"migrate/internal/model"
	"migrate/internal/verify"
	"migrate/sinks"
)

// example is a certificate with names that would break a careless page.
func example() Certificate {
	party := func(role, address string) Party {
		return Party{Role: role, Address: address, Version: "v2.3.5", CollectionID: 7, Collection: export.Collection{
			Name: "docs", Schema: export.Schema{CollectionSchema: &schemapb.CollectionSchema{
				Name: "docs", Fields: []*schemapb.FieldSchema{{Name: "<script>alert(1)</script>", IsPrimaryKey: true}},
			}},
			Indexes: []export.Index{{Name: "v", Field: "v", Params: map[string]string{"index_type": "HNSW", "metric_type": "L2"}}},
		}}
	}
	sum := model.Sum{Rows: 42, Hash: 0xfeed}
	at := time.Date(2026, 11, 28, 1, 2, 3, 0, time.UTC)
	return Certificate{
		Format: CertificateFormat, Migrate: "v1", Job: "docs", Made: at, Left: party("source", "standalone:19530"), Serves: party("target", "cluster:19530"),
		Still:  Still{From: at, Until: at.Add(time.Minute), Proof: "nothing moved"},
		Report: &verify.Report{Equal: true, Left: sum, Right: sum, Partitions: []verify.Partition{{Name: "_default", Left: sum, Right: sum}}},
	}
}

// TestDocument reads what was written, and nothing that was altered since.
func TestDocument(t *testing.T) {
	want := example()
	text, err := want.JSON()
	if err != nil {
		t.Fatal(err)
	}
	got, err := ParseCertificate(text)
	if err != nil || got.Serves.Address != want.Serves.Address || !reflect.DeepEqual(got.Report, want.Report) || !got.Still.Until.Equal(want.Still.Until) {
		t.Errorf("read %+v, %v", got, err)
	}
	altered := strings.Replace(string(text), `"rows": 42`, `"rows": 43`, 1)
	if _, err := ParseCertificate([]byte(altered)); !errors.Is(err, document.ErrBroken) {
		t.Errorf("an altered one: %v, want %v", err, document.ErrBroken)
	}
}

// TestLoginInADocument: earlier versions wrote the addresses as they were given.
func TestLoginInADocument(t *testing.T) {
	old := example()
	old.Left.Address, old.Serves.Address = "root:hunter2@standalone:19530", "http://root:hunter2@cluster:19530/library"
	text, err := old.JSON()
	if err != nil {
		t.Fatal(err)
	}
	got, err := ParseCertificate(text)
	if err != nil || got.Left.Address != "standalone:19530" || got.Serves.Address != "cluster:19530" {
		t.Errorf("%v: %q, %q", err, got.Left.Address, got.Serves.Address)
	}
	if page, err := got.HTML(); err != nil || strings.Contains(string(page), "hunter2") {
		t.Errorf("its page: %v: %s", err, page)
	}
}

// TestPage says on paper what the document says, and loads nothing.
func TestPage(t *testing.T) {
	text, err := example().HTML()
	if err != nil {
		t.Fatal(err)
	}
	page := string(text)
	for _, want := range []string{
		"the target serves", "standalone:19530", "cluster:19530", "42", "000000000000feed", "HNSW L2", "2026-11-28 01:02:03 UTC", "nothing moved", "SHA-256",
	} {
		if !strings.Contains(page, want) {
			t.Errorf("the page lacks %q", want)
		}
	}
	for _, bad := range []string{"<script", "http:", "https:", "src=", "url("} {
		if strings.Contains(page, bad) {
			t.Errorf("the page has %q", bad)
		}
	}
}

// TestWrite puts both beside the export, under names that a job's other collections don't share, also when it is repeated.
func TestWrite(t *testing.T) {
	sink, err := sinks.NewLocal(t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	for range 2 {
		urls, err := example().write(t.Context(), sink)
		if err != nil || len(urls) != 2 {
			t.Fatalf("%v, %v", urls, err)
		}
	}
	var names []string
	for info, err := range sink.List(t.Context(), CertificatePrefix("docs", "docs")) {
		if err != nil {
			t.Fatal(err)
		}
		names = append(names, path.Base(info.Name))
		obj, err := sink.Open(t.Context(), info.Name)
		if err != nil {
			t.Fatal(err)
		}
		if text, err := io.ReadAll(obj); err != nil || len(text) == 0 {
			t.Errorf("%s: %d bytes, %v", info.Name, len(text), err)
		}
		obj.Close()
	}
	if want := "certificate-docs-20261128T010203Z.html certificate-docs-20261128T010203Z.json"; strings.Join(names, " ") != want {
		t.Errorf("wrote %v, want %s", names, want)
	}
}
