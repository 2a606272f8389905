package sinks

// Key is an object's key in the bucket: its path from the bucket's root, by which Milvus' bulk insert names files.
func (s *S3) Key(name string) string { return s.key(name) }
