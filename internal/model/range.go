package model

// Range is the keys above After and up to and including UpTo; a missing bound is open. The zero Range is all keys.
// Ranges that follow each other share a bound, so that they cover every key exactly once.
type Range struct {
	After *Key `json:"after,omitempty"`
	UpTo  *Key `json:"up_to,omitempty"`
}

// Equal reports whether two ranges have the same bounds.
func (r Range) Equal(other Range) bool {
	return sameBound(r.After, other.After) && sameBound(r.UpTo, other.UpTo)
}

func sameBound(a, b *Key) bool { return (a == nil && b == nil) || (a != nil && b != nil && *a == *b) }

func (r Range) String() string {
	lower, upper := "(-∞", "+∞)"
	if r.After != nil {
		lower = "(" + r.After.String()
	}
	if r.UpTo != nil {
		upper = r.UpTo.String() + "]"
	}
	return lower + ", " + upper
}
