package model

import (
	"errors"
	"fmt"
	"slices"
	"strings"
)

// AllPartitions is the partition to name where a partition key spreads the rows: such a collection is read as one.
const AllPartitions = ""

// ErrPartitions: of a collection some partitions were chosen that can't be.
var ErrPartitions = errors.New("such partitions can't be chosen")

// PartitionsToRead are the partitions to read one by one, sorted.
func (c *Collection) PartitionsToRead() []string {
	if PartitionKey(c.Schema) {
		return []string{AllPartitions}
	}
	return c.Partitions
}

// OtherPartitions are those beside the one that every collection has.
func (c *Collection) OtherPartitions() []string {
	return slices.DeleteFunc(slices.Clone(c.Partitions), func(p string) bool { return p == DefaultPartition })
}

// Only is the collection with some of its partitions alone; with all of them where none is named. ErrPartitions where one is not there, and
// where a partition key spreads the rows, so that none can be named.
func (c *Collection) Only(partitions []string) (*Collection, error) {
	some := c.Among(partitions)
	switch {
	case len(partitions) == 0:
		return c, nil
	case PartitionKey(c.Schema):
		return nil, fmt.Errorf("collection %q: %w: its partition key spreads the rows over partitions of the server's own", c.Name, ErrPartitions)
	case len(some.Partitions) < len(partitions):
		missing := slices.DeleteFunc(slices.Clone(partitions), func(p string) bool { return slices.Contains(c.Partitions, p) })
		return nil, fmt.Errorf("collection %q: %w: it has no %s", c.Name, ErrPartitions, strings.Join(missing, ", "))
	}
	return some, nil
}

// Among is the collection with those of its partitions alone that are among some; with all of them where none is named. Whether it is loaded
// as a whole is said of all of them still.
func (c *Collection) Among(partitions []string) *Collection {
	if len(partitions) == 0 {
		return c
	}
	some := *c
	some.Partitions = among(c.Partitions, partitions)
	if c.Load != nil {
		load := *c.Load
		load.Partitions = among(load.Partitions, partitions)
		some.Load = &load
	}
	return &some
}

func among(all, some []string) []string {
	return slices.DeleteFunc(slices.Clone(all), func(p string) bool { return !slices.Contains(some, p) })
}

// ChosenPartitions are those that are named, sorted and once each.
func ChosenPartitions(named []string) []string {
	return slices.Compact(slices.Sorted(slices.Values(named)))
}
