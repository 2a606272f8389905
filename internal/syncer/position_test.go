package syncer

import "testing"

// TestClone leaves the position as it was when its copy changes.
func TestClone(t *testing.T) {
	p := &Position{Ranges: []SyncRange{{Cycle: 1}}}
	c := p.Clone()
	c.Cycle, c.Ranges[0].Cycle = 2, 2
	if p.Cycle != 0 || p.Ranges[0].Cycle != 1 {
		t.Errorf("%+v", p)
	}
}
