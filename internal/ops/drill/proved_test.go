package drill

import (
	"reflect"
	"testing"
)

func TestLengthen(t *testing.T) {
	var got []stretch
	for _, first := range []int64{0, 1000, 10, 1010, 30} {
		got = lengthen(got, first, 10)
	}
	if want := []stretch{{0, 20}, {1000, 20}, {30, 10}}; !reflect.DeepEqual(got, want) {
		t.Errorf("got %v, want %v", got, want)
	}
}
