package syncer_test

import (
	"testing"

	"migrate/internal/cutover"
	"migrate/internal/milvus"
	"migrate/internal/syncer"
	"migrate/sinks"
)

// pair is a collection on a source, and one of the same name on a target.
type pair struct {
	source, target *milvus.Server
	name           string
	sink           sinks.Sink
}

func (p pair) options() syncer.Options {
	return syncer.Options{
		Job: "j", Collection: p.name, BaseDone: true, Once: true, RangeRows: 500, MayBegin: cutover.MayBegin(p.sink, "j", p.name),
	}
}

// sync runs one pass, and returns the reports of its cycles.
func (p pair) sync(t *testing.T, opts syncer.Options) ([]syncer.Report, error) {
	t.Helper()
	var reports []syncer.Report
	opts.Cycled = func(r syncer.Report) {
		t.Logf("cycle %d: in step %t, settled %t, %d ranges, %d rows read, %d hot, %+v, err %v", r.Cycle, r.InStep, r.Settled, r.Ranges, r.Read, r.Hot, r.Outcome, r.Err)
		reports = append(reports, r)
	}
	err := syncer.Run(t.Context(), p.source, p.target, p.sink, opts)
	return reports, err
}

// wantSync runs one pass that has to end in step.
func (p pair) wantSync(t *testing.T) []syncer.Report {
	t.Helper()
	reports, err := p.sync(t, p.options())
	if err != nil {
		t.Fatal(err)
	}
	return reports
}
