package model

// AllPartitions is the partition to name where a partition key spreads the rows: such a collection is read as one.
const AllPartitions = ""
