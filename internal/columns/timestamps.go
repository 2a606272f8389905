package columns

import (
	"fmt"
	"math/rand/v2"
	"time"

	"github.com/apache/arrow/go/v15/arrow"
)

// timestamps is the family of TIMESTAMPTZ: instants to the microsecond, as texts in UTC without zeros at their end, such as
// 2025-01-31T23:59:59.5Z, in whatever time zone a server answers. There are no ARRAYs of them.
var timestamps family = columnOnly{canonicalTexts{
	scalars: scalars[string]{
		typ: arrow.BinaryTypes.String, list: texts.list, box: texts.box, array: packTexts[string], values: unpackTexts,
		any: func(r *rand.Rand) string { return time.UnixMicro(r.Int64N(2e15)).UTC().Format(time.RFC3339Nano) },
	},
	canonical: canonicalTime,
}}

func canonicalTime(text string) (string, error) {
	t, err := time.Parse(time.RFC3339Nano, text)
	if err != nil {
		return "", fmt.Errorf("a timestamp %.40q, which is no instant: %w", text, err)
	}
	var buffer [len(time.RFC3339Nano)]byte
	if utc := t.UTC().AppendFormat(buffer[:0], time.RFC3339Nano); string(utc) != text {
		return string(utc), nil
	}
	return text, nil
}
