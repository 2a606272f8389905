package move

import (
	"context"
	"fmt"
	"slices"
)

// lookAgain notices what was created, dropped or renamed on the source since the move was called.
func (m *moving) lookAgain(ctx context.Context, all []*Planned, report *Report) {
	if m.Source == nil {
		return
	}
	var names []Named
	for _, p := range all {
		names = append(names, p.Named)
	}
	ids, err := idsOf(ctx, m.Source, names)
	if err != nil {
		report.Notes = append(report.Notes, fmt.Sprintf("what was created or dropped meanwhile is not known: %v", err))
		return
	}
	named := map[int64]Named{}
	for n, id := range ids {
		if id != 0 {
			named[id] = n
		}
	}
	for i := range report.Collections {
		changed(&report.Collections[i], ids, named)
	}
	report.Created = m.created(all, ids)
}

// created are those of the collections that there are now which are meant, and were not there.
func (m *moving) created(all []*Planned, ids map[Named]int64) (created []Named) {
	known, byID := map[Named]bool{}, map[int64]bool{}
	for _, p := range all {
		known[p.Named], byID[p.ID] = true, p.ID != 0
	}
	for n, id := range ids {
		if !known[n] && !byID[id] {
			created = append(created, n)
		}
	}
	created = m.Selection.meant(created)
	slices.SortFunc(created, Named.compare)
	return created
}

// changed says what became of the collection itself, given those that there are now.
func changed(o *Outcome, ids map[Named]int64, named map[int64]Named) {
	now, there := ids[o.Named]
	if o.ID == 0 || there && now == o.ID {
		return
	}
	switch other, renamed := named[o.ID]; {
	case renamed:
		o.Notes = append(o.Notes, fmt.Sprintf("it was renamed to %s meanwhile", other))
	case there:
		o.Notes = append(o.Notes, "it was dropped meanwhile, and another one made under its name, which is not moved")
	default:
		o.Notes = append(o.Notes, "it was dropped from the source meanwhile")
		if o.State == Failed {
			o.State = Gone
		}
	}
}
