package model

// AllPartitions is the partition to name where a partition key spreads the rows: such a collection is read as one.
const AllPartitions = ""

// PartitionsToRead are the partitions to read one by one, sorted.
func (c *Collection) PartitionsToRead() []string {
	if PartitionKey(c.Schema) {
		return []string{AllPartitions}
	}
	return c.Partitions
}
