package model

import (
	"fmt"
	"slices"
	"strings"
)

// Load is what of a collection is loaded, and how. The zero value is that of a collection which is released.
type Load struct {
	Partitions []string `json:"partitions,omitempty"` // that are loaded, sorted
	Replicas   int      `json:"replicas,omitempty"`
	Groups     []string `json:"resource_groups,omitempty"` // that the replicas are in, sorted; the default one is not named
}

// DefaultGroup is the resource group of what names none.
const DefaultGroup = "__default_resource_group"

// PerReplica names the resource group of each replica, the default one too; nothing where all are in that one.
func (l Load) PerReplica() []string {
	if len(l.Groups) == 0 {
		return nil
	}
	rest := max(l.Replicas-len(l.Groups), 0)
	return slices.Concat(l.Groups, slices.Repeat([]string{DefaultGroup}, rest))
}

// Released reports whether nothing is loaded.
func (l Load) Released() bool { return len(l.Partitions) == 0 }

// Whole reports whether all of some partitions are loaded.
func (l Load) Whole(partitions []string) bool { return len(l.Lacking(partitions)) == 0 }

// Lacking are those of some partitions that are not loaded.
func (l Load) Lacking(partitions []string) []string {
	return slices.DeleteFunc(slices.Clone(partitions), func(p string) bool { return slices.Contains(l.Partitions, p) })
}

// loadsDiffer compares what is loaded of two collections. Partitions that a partition key made have names of the server's own, and
// are loaded all together.
func loadsDiffer(want, have *Collection) Differences {
	var d Differences
	w, h := want.Load.text(want), have.Load.text(have)
	if w != h {
		d.add(either(want.Loaded, Differs, Expected), Reads, "it is %s instead of %s", h, w)
	}
	if want.Load.Released() || have.Load.Released() {
		return d
	}
	if want.Load.Replicas != have.Load.Replicas {
		d.add(Differs, Reads, "it has %d replicas instead of %d", have.Load.Replicas, want.Load.Replicas)
	}
	if !slices.Equal(want.Load.Groups, have.Load.Groups) {
		d.add(Differs, Reads, "its replicas are in resource groups %s instead of %s", inGroups(have.Load.Groups), inGroups(want.Load.Groups))
	}
	return d
}

func (l Load) text(c *Collection) string {
	switch {
	case l.Released():
		return "released"
	case l.Whole(c.Partitions):
		return "loaded"
	case PartitionKey(c.Schema):
		return fmt.Sprintf("loaded in %d of %d partitions", len(l.Partitions), len(c.Partitions))
	}
	return "loaded in " + strings.Join(l.Partitions, ", ") + " alone"
}

func inGroups(names []string) string { return orNone(strings.Join(names, ", ")) }
