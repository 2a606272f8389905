package importer

import (
	"slices"
	"strings"

	"github.com/dustin/go-humanize"
)

// span is rows of a part by their places in it: from the first to before the second.
type span [2]int64

func (s span) rows() int64 { return s[1] - s[0] }

// cut cuts a span into such of at most so many rows.
func (s span) cut(rows int64) (pieces []span) {
	for from := s[0]; from < s[1]; from += rows {
		pieces = append(pieces, span{from, min(from+rows, s[1])})
	}
	return pieces
}

// numbers are the numbers of the rows in a batch that begins at a place of the part.
func (s span) numbers(begins int64) []int {
	numbers := make([]int, s.rows())
	for i := range numbers {
		numbers[i] = int(s[0]-begins) + i
	}
	return numbers
}

// spans are rows of a part, in order; none touches the next.
type spans []span

// with has the rows of another span too.
func (s spans) with(more span) spans {
	all := append(slices.Clone(s), more)
	slices.SortFunc(all, func(a, b span) int { return int(a[0] - b[0]) })
	joined := all[:1]
	for _, next := range all[1:] {
		if last := &joined[len(joined)-1]; next[0] <= last[1] {
			last[1] = max(last[1], next[1])
			continue
		}
		joined = append(joined, next)
	}
	return joined
}

// without are those but for one that was added as it is.
func (s spans) without(one span) spans {
	return slices.DeleteFunc(slices.Clone(s), func(x span) bool { return x == one })
}

// missing are the rows of a span that are not among them.
func (s spans) missing(in span) (gaps []span) {
	for _, have := range s {
		if have[1] <= in[0] || have[0] >= in[1] {
			continue
		}
		if have[0] > in[0] {
			gaps = append(gaps, span{in[0], have[0]})
		}
		in[0] = have[1]
	}
	if in[0] < in[1] {
		gaps = append(gaps, in)
	}
	return gaps
}

func (s spans) rows() (n int64) {
	for _, x := range s {
		n += x.rows()
	}
	return n
}

// String counts rows from one on, as people do.
func (s spans) String() string {
	texts := make([]string, len(s))
	for i, x := range s {
		texts[i] = humanize.Comma(x[0]+1) + " to " + humanize.Comma(x[1])
	}
	return strings.Join(texts, ", ")
}
