package syncer_test

import (
	"testing"
	"time"

	"migrate/internal/labtest"
	"migrate/internal/milvus"
	"migrate/internal/syncer"
)

func connect(t *testing.T, address string) *milvus.Server {
	t.Helper()
	server, err := milvus.Connect(t.Context(), milvus.Config{Address: address})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { server.Close() })
	return server
}

// TestMaxRate compares all rows, and takes as long as the limit has it.
func TestMaxRate(t *testing.T) {
	t.Parallel()
	p := newPair(t, plain(id))
	const rows, rate = 2000, 3000
	labtest.Insert(t, p.Source, p.Name, "", at(1, upTo(0, rows)...))
	labtest.Insert(t, p.Target, p.Name, "", at(2, upTo(0, rows)...)) // in every row another version
	opts := p.Options()
	opts.MaxRate, opts.MaxDelete = rate, syncer.Limit{Share: 1}
	began := time.Now()
	reports, err := p.Sync(t, opts)
	took := time.Since(began)
	if err != nil {
		t.Fatal(err)
	}
	read := int64(0)
	for _, r := range reports {
		read += r.Read
	}
	t.Logf("%d rows read in %v", read, took)
	if read < rows {
		t.Errorf("%d rows were read of %d", read, rows)
	}
	if least := time.Duration(read-rate) * time.Second / rate; took < least { // the first second's may be read at once
		t.Errorf("%d rows were read in %v, which a limit of %d a second allows in %v", read, took, rate, least)
	}
	p.WantEqual(t)
}
