package milvus

// indexTypes are the types of indexes that servers build, with the first versions that do: the last one, and those of lines before it that
// got the type later. See model.Capabilities.IndexTypes for their names.
var indexTypes = []struct {
	types []string
	since []version
}{
	{[]string{
		"FLAT", "IVF_FLAT", "IVF_SQ8", "IVF_PQ", "HNSW", "SCANN", "DISKANN", "GPU_IVF_FLAT", "GPU_IVF_PQ", "BIN_FLAT", "BIN_IVF_FLAT", "AUTOINDEX",
		"TRIE", "STL_SORT",
	}, []version{{2, 3}}},
	{[]string{"INVERTED", "scalar AUTOINDEX", "GPU_CAGRA", "GPU_BRUTE_FORCE", "SPARSE_INVERTED_INDEX", "SPARSE_WAND"}, []version{{2, 4}}},
	{[]string{"BITMAP", "HNSW_SQ", "HNSW_PQ", "HNSW_PRQ"}, []version{{2, 5}}},
	{[]string{"JSON INVERTED", "JSON AUTOINDEX"}, []version{{2, 5, 7}}},
	{[]string{"RTREE"}, []version{{2, 5, 18}, {2, 6, 3}}},
	{[]string{"NGRAM", "JSON NGRAM", "IVF_RABITQ", "MINHASH_LSH", "AISAQ"}, []version{{2, 6}}},
	{[]string{"FMINDEX", "JSON BITMAP", "JSON STL_SORT"}, []version{{3}}},
}

// indexTypesOf are those of a version; nil where it is not known.
func indexTypesOf(v version) []string {
	if v == (version{}) {
		return nil
	}
	types := []string{}
	for _, t := range indexTypes {
		if v.has(t.since) {
			types = append(types, t.types...)
		}
	}
	return types
}

// has reports whether a version has what came with some: with the last and all after it, and with those before in their own lines.
func (v version) has(since []version) bool {
	for i, first := range since {
		last := i == len(since)-1
		if !v.before(first[:]...) && (last || v.in(first[:2]...)) {
			return true
		}
	}
	return false
}
