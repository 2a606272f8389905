package milvus

import (
	"slices"
	"testing"
	"testing/synctest"
	"time"
)

func TestLogLimiter(t *testing.T) {
	for _, test := range []struct {
		burst int
		want  []int // how many each line says were left out
	}{
		{0, []int{0, 49, 49, 49}},
		{3, []int{0, 0, 0, 47, 49, 49}},
	} {
		synctest.Test(t, func(t *testing.T) {
			s, got := logLimiter{burst: test.burst}, []int(nil)
			for range 151 {
				s.do("Query", func(leftOut int) { got = append(got, leftOut) })
				time.Sleep(lineEvery / 50)
			}
			if !slices.Equal(got, test.want) {
				t.Errorf("burst %d: %v left out, want %v", test.burst, got, test.want)
			}
			other := -1
			s.do("Insert", func(leftOut int) { other = leftOut })
			if other != 0 {
				t.Errorf("the first line of another name: %d", other)
			}
		})
	}
}
