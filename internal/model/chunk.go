package model

// Chunk is a unit of work: the rows of one range of keys in one partition.
type Chunk struct {
	Partition string `json:"partition"` // AllPartitions where a partition key spreads the rows
	Range
	Number int   `json:"number"`         // within its partition, from 0 on
	Rows   int64 `json:"rows,omitempty"` // counted when it was planned
}

// Cursor says which rows are looked for by the values of a field: those with Value or a greater one, or only with a greater one.
type Cursor struct {
	Field string
	Value *Key // all rows where it is nil
	Above bool // not those with the value itself
}
