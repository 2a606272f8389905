package monitor

// collection is one of many that are moved as one.
type collection struct{ Name, State, Rows string }

// Collection takes note of how a collection stands, and how many rows it has.
func (m *Monitor) Collection(name, state string, rows int64) {
	m.mu.Lock()
	defer m.mu.Unlock()
	now := collection{name, state, thousands(rows)}
	if i, known := m.place[name]; known {
		m.collections[i] = now
		return
	}
	if m.place == nil {
		m.place = map[string]int{}
	}
	m.place[name] = len(m.collections)
	m.collections = append(m.collections, now)
}
