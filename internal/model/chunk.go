package model

// Chunk is a unit of work: the rows of one range of keys in one partition, or scattered ones, which Number alone tells.
type Chunk struct {
	Partition string `json:"partition"` // AllPartitions where a partition key spreads the rows
	Range
	Number    int   `json:"number"`              // within its partition, from 0 on
	Rows      int64 `json:"rows,omitempty"`      // counted when it was planned
	Scattered bool  `json:"scattered,omitempty"` // the keys of several chunks lie among each other, and none has a range of its own
}

// Cursor says which rows are looked for by the values of a field: those with Value or a greater one, or only with a greater one.
type Cursor struct {
	Field string
	Value *Key // all rows where it is nil
	Above bool // not those with the value itself
}
