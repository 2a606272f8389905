package importer_test

import (
	"errors"
	"fmt"
	"math"
	"strings"
	"testing"

	"github.com/milvus-io/milvus-proto/go-api/v2/commonpb"
	"github.com/milvus-io/milvus-proto/go-api/v2/schemapb"

	"migrate/exporter"
	"migrate/importer"
	"migrate/internal/export"
	"migrate/internal/ingest/ingesttest"
	"migrate/internal/labtest"
	"migrate/internal/labtest/faulttable"
	"migrate/internal/labtest/memory"
	"migrate/internal/model"
	"migrate/sinks"
	store "migrate/sinks/memory"
)

// TestAutoIDs keeps auto ids wherever the target can, by the best way that does, and says beforehand where it can't and what helps.
func TestAutoIDs(t *testing.T) {
	t.Parallel()
	const lost = "the target gives the rows new keys, by which no sync can follow; --keep-ids keeps them as explicit keys, and "
	for name, test := range map[string]struct {
		version string
		opts    importer.Options
		way     importer.Way
		kept    bool
		says    string
		err     error
	}{
		"2.3":                        {"v2.3.5", importer.Options{}, importer.Bulk, false, lost + "a target of 2.5.19, 2.6.3 or later as auto ids", nil},
		"2.5.18":                     {"v2.5.18", importer.Options{}, importer.Bulk, false, lost + "a target of", nil},
		"2.5.19":                     {"v2.5.19", importer.Options{}, importer.Bulk, true, "kept: import makes the collection with the property allow_insert_auto_id", nil},
		"2.6.2":                      {"v2.6.2", importer.Options{}, importer.Bulk, false, lost + "a target of", nil},
		"2.6.3":                      {"v2.6.3", importer.Options{}, importer.Insert, true, "kept: import makes the collection with", nil},
		"2.6.3 by bulk insert":       {"v2.6.3", importer.Options{Via: importer.Bulk}, importer.Bulk, false, lost + "--via insert as auto ids", nil},
		"2.6.4":                      {"v2.6.4", importer.Options{}, importer.Bulk, true, "kept: import makes the collection with", nil},
		"2.6.4 by inserts":           {"v2.6.4", importer.Options{Via: importer.Insert}, importer.Insert, true, "kept: import makes the collection with", nil},
		"2.6.4 with new keys":        {"v2.6.4", importer.Options{NewKeys: true}, importer.Bulk, false, "by which no sync can follow, as --new-keys says", nil},
		"2.6.4 with explicit keys":   {"v2.6.4", importer.Options{KeepIDs: true}, importer.Bulk, true, "kept, as explicit keys", nil},
		"3.0":                        {"v3.0.0", importer.Options{}, importer.Bulk, true, "kept: import makes the collection with", nil},
		"Lite 3":                     {memory.Lite3, importer.Options{}, importer.Insert, false, lost + "as auto ids the property allow_insert_auto_id of the source's collection", importer.ErrNewKeys},
		"2.6.2 by inserts, not said": {"v2.6.2", importer.Options{Via: importer.Insert}, importer.Insert, false, lost + "a target of", importer.ErrNewKeys},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			m, sink := exported(t, autoID())
			to, opts := newTargetOf(t, test.version), test.opts
			patient := to.patient()
			patient.Via, patient.NewKeys, patient.KeepIDs = opts.Via, opts.NewKeys, opts.KeepIDs
			keys, err := importer.Fits(t.Context(), to.client, m.Collection.Milvus(), patient)
			if !errors.Is(err, test.err) || keys.New == test.kept || keys.Via != test.way || !strings.Contains(keys.Told, test.says) {
				t.Errorf("before: %+v, %v; want to be told %q", keys, err, test.says)
			}
			r, err := importer.Import(t.Context(), to.client, sink, m, bucket{to.staging}, patient)
			if !errors.Is(err, test.err) {
				t.Fatal(err)
			}
			if err != nil {
				return
			}
			if r.Via != test.way {
				t.Errorf("by %s, want %s", r.Via, test.way)
			}
			made := labtest.Describe(t, to.client, "t")
			if !test.kept {
				to.wantNewKeys(t, m, sink)
				return
			}
			to.wantOnce(t, m, sink)
			if model.AutoID(made.Schema) == opts.KeepIDs {
				t.Errorf("made with auto ids: %t", !opts.KeepIDs)
			}
		})
	}
}

// TestAutoIDsThere: into a collection that is there, keys are kept where its property says so, and by bulk insert new ones are given otherwise.
func TestAutoIDsThere(t *testing.T) {
	t.Parallel()
	m, sink := exported(t, autoID())
	for title, says := range map[string]string{"true": "kept, as the property allow_insert_auto_id says", "": "as auto ids the property allow_insert_auto_id of the collection that is there"} {
		to, there := newTargetOf(t, "v2.6.4"), labtest.Collection(autoID())
		if there.Name = "t"; title != "" {
			there.Properties = []*commonpb.KeyValuePair{{Key: "allow_insert_auto_id", Value: title}}
		}
		to.Add(t, there)
		if keys, err := importer.Fits(t.Context(), to.client, m.Collection.Milvus(), to.patient()); err != nil || keys.New != (title == "") || !strings.Contains(keys.Told, says) {
			t.Errorf("before: %+v, %v", keys, err)
		}
		if _, err := importer.Import(t.Context(), to.client, sink, m, bucket{to.staging}, to.patient()); err != nil {
			t.Fatal(err)
		}
		opts := to.patient()
		opts.IntoExisting = true
		_, again := importer.Import(t.Context(), to.client, sink, m, bucket{to.staging}, opts)
		if title == "" {
			to.wantNewKeys(t, m, sink)
			if !errors.Is(again, importer.ErrImported) {
				t.Errorf("again, with new keys: %v", again)
			}
			continue
		}
		to.wantOnce(t, m, sink)
		if !errors.Is(again, importer.ErrDuplicates) {
			t.Errorf("again, with the same keys: %v", again)
		}
	}
}

// TestAutoIDsAltered: a bulk insert that was begun goes on as it was begun. Where the property is gone since, it is refused; one that was begun
// with new keys, as by an earlier migrate, ends with new keys, whatever the property says.
func TestAutoIDsAltered(t *testing.T) {
	t.Parallel()
	m, sink := exported(t, autoID())
	for title, newKeys := range map[string]bool{"kept": false, "new": true} {
		t.Run(title, func(t *testing.T) {
			t.Parallel()
			to := newTargetOf(t, "v2.6.4")
			if newKeys {
				to.Upgrade(t, "v2.6.2")
				to.client = to.Server.Client(t)
			}
			to.Queue(ingesttest.Poll, ingesttest.Refuse(errBroken))
			if _, err := importer.Import(t.Context(), to.client, sink, m, bucket{to.staging}, to.patient()); !errors.Is(err, errBroken) {
				t.Fatalf("interrupted: %v", err)
			}
			value := "false"
			if newKeys {
				to.Upgrade(t, "v2.6.4")
				to.client, value = to.Server.Client(t), "true"
			}
			to.SetProperty("t", "allow_insert_auto_id", value)
			_, err := importer.Import(t.Context(), to.client, sink, m, bucket{to.staging}, to.patient())
			if newKeys {
				if err != nil {
					t.Fatal(err)
				}
				to.wantNewKeys(t, m, sink)
				return
			}
			if !errors.Is(err, importer.ErrNewKeys) {
				t.Errorf("without the property: %v", err)
			}
			to.SetProperty("t", "allow_insert_auto_id", "true")
			if _, err := importer.Import(t.Context(), to.client, sink, m, bucket{to.staging}, to.patient()); err != nil {
				t.Fatal(err)
			}
			to.wantOnce(t, m, sink)
		})
	}
}

// exportedAutoOdd is the export of a collection with auto ids, of which every tenth row has NaN and every fifth an empty list.
func exportedAutoOdd(t *testing.T) (*export.Manifest, sinks.Sink) {
	t.Helper()
	price, tags := labtest.Field("price", schemapb.DataType_Double), labtest.MayBeNull(labtest.Array("tags", schemapb.DataType_Int64))
	c := labtest.Collection(labtest.Schema(labtest.IntKey("id"), labtest.Vector("v", schemapb.DataType_FloatVector, 2), price, tags))
	c.Schema.Fields[0].AutoID = true
	source, sink := memory.Start(t, "v2.5.19"), &store.Sink{}
	source.Add(t, c)
	of := numbered(0, rows)
	of.Columns = append(of.Columns, labtest.Column(price, labtest.Each(rows, func(i int) float64 {
		if i%10 == 3 {
			return math.NaN()
		}
		return float64(i)
	})), labtest.Nullable(rows, func(int) bool { return false }, func(all []int) *schemapb.FieldData {
		return labtest.Arrays(tags, labtest.Each(rows, func(i int) []int64 { return []int64{1, 2, 3, 4}[:all[i]%5] }))
	}))
	source.Sealed(t, c.Name, of)
	m, err := exporter.Export(t.Context(), source.Client(t), c.Name, sink, exporter.Options{Job: "j", PartBytes: 2000})
	if err != nil {
		t.Fatal(err)
	}
	if len(m.Parts) < 2 || m.Columns["tags"].Empty == nil || m.Columns["price"].NotFinite == nil {
		t.Fatalf("an export of %d parts, %+v, shows little", len(m.Parts), m.Columns)
	}
	return m, sink
}

// TestAutoIDsCrashes has a bulk insert that keeps auto ids die at each write of its checkpoint, its jobs be forgotten by then, and at each
// write of the rows that bulk insert does not take: their delete, and their insert. The same command ends it: every row once, by its key.
func TestAutoIDsCrashes(t *testing.T) {
	t.Parallel()
	m, sink := exportedAutoOdd(t)
	undisturbed, writes := newTargetOf(t, "v2.6.4"), 0
	count := func(method string) bool { return method == "Delete" || method == "Insert" || method == "Upsert" }
	undisturbed.Answer(func(method string) error {
		if count(method) {
			writes++
		}
		return nil
	})
	r, err := importer.Import(t.Context(), undisturbed.client, sink, m, bucket{undisturbed.staging}, undisturbed.patient())
	if err != nil {
		t.Fatal(err)
	}
	undisturbed.wantOnce(t, m, sink)
	if r.NotFinite != rows/10 || r.EmptyLists != rows/5 || writes < 4 {
		t.Errorf("%+v, %d writes", r, writes)
	}
	resumed := func(t *testing.T, to target, ended bool) {
		t.Helper()
		to.Finish(t.Context())
		to.Forget()
		to.wantResumed(t, m, sink, ended)
	}
	dyingAtEachWrite(t, func(t *testing.T, dying *mortal) {
		faulttable.Tried(t, "bulk insert that keeps auto ids: died before or after a write of its checkpoint, its jobs forgotten by then", 1, "the same command ends it: every row once, by its key")
		to := newTargetOf(t, "v2.6.4")
		to.Most.KnownFor = 0
		dying.Sink = to.staging
		opts := to.patient()
		opts.Dialect = mortalDialect{to.Fake, dying}
		_, err := importer.Import(t.Context(), to.client, sink, m, dying, opts)
		resumed(t, to, dying.ended(t, err))
	})
	for at := range writes {
		t.Run(fmt.Sprintf("row %d", at+1), func(t *testing.T) {
			t.Parallel()
			faulttable.Tried(t, "bulk insert that keeps auto ids: broke off after the delete or the insert of a row that it does not take", 1, "the same command ends it: every row once, by its key")
			to, n := newTargetOf(t, "v2.6.4"), 0
			to.Answer(func(method string) error {
				if count(method) {
					n++
				}
				if count(method) && n == at+1 {
					return errBroken
				}
				return nil
			})
			if _, err := importer.Import(t.Context(), to.client, sink, m, bucket{to.staging}, to.patient()); err == nil {
				t.Fatal("it never came to that write")
			}
			resumed(t, to, false)
		})
	}
}
