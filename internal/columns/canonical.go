package columns

import (
	"fmt"
	"slices"

	"github.com/apache/arrow/go/v15/arrow"
	"github.com/milvus-io/milvus-proto/go-api/v2/schemapb"
)

// canonicalTexts is the family of values that servers write as texts, each in its own way. A column has them in one way, so that two
// servers' texts are the same where their values are.
type canonicalTexts struct {
	scalars[string]
	canonical func(string) (string, error)
}

func (c canonicalTexts) decode(_ field, d *schemapb.FieldData) (arrow.Array, error) {
	values, valid := slices.Clone(c.list(d.GetScalars())), d.GetValidData()
	for i, text := range values {
		if len(valid) == len(values) && !valid[i] {
			values[i] = "" // whatever a server has under a NULL
			continue
		}
		var err error
		if values[i], err = c.canonical(text); err != nil {
			return nil, fmt.Errorf("row %d: %w", i, err)
		}
	}
	return c.array(values)
}

func (c canonicalTexts) filled(col arrow.Array, with *schemapb.ValueField) (arrow.Array, error) {
	text, err := c.canonical(with.GetStringData())
	if err != nil {
		return nil, err
	}
	return fill(col, c.values, c.array, text)
}
