package sinks

// As finds the first T among s and the sinks that it wraps: those that a method Unwrap() Sink returns. A wrapper that
// changes names has no such method.
func As[T any](s Sink) (T, bool) {
	for s != nil {
		if found, ok := s.(T); ok {
			return found, true
		}
		wrapper, ok := s.(interface{ Unwrap() Sink })
		if !ok {
			break
		}
		s = wrapper.Unwrap()
	}
	var none T
	return none, false
}
