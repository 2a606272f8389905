package importer

import (
	"cmp"
	"context"

	"migrate/internal/milvus"
	"migrate/internal/model"
)

// Keys is what becomes of a collection's keys in an import.
type Keys struct {
	Via  Way    // by which the rows come
	New  bool   // the target gives the rows others
	Told string // of auto ids, and what can be done about them; "" where the keys are explicit ones
}

// KeysOf says what becomes of a collection's keys in an import that is as opts say, by a staging store where they name no way. The
// collection that is there on the server is have; nil where the import makes it.
func KeysOf(can model.Capabilities, coll, have *model.Collection, opts Options) Keys {
	wanted, err := Wanted(can, coll, opts)
	if err != nil { // which an import says
		return Keys{Via: cmp.Or(opts.Via, Bulk)}
	}
	there := cmp.Or(have, wanted)
	opts.Via = cmp.Or(opts.Via, best(can, there, opts.NewKeys))
	keys := Keys{Via: opts.Via, New: !keepsKeys(can, there, opts)}
	if model.AutoID(coll.Schema) {
		keys.Told = inWords(can, coll, have, opts, keys.New)
	}
	return keys
}

// KeepsKeys reports whether an import of a collection into a server keeps its keys. It asks for what is there of its name.
func KeepsKeys(ctx context.Context, server *milvus.Server, coll *model.Collection, opts Options) (bool, error) {
	there, err := server.Exists(ctx, cmp.Or(opts.As, coll.Name))
	if err != nil {
		return false, err
	}
	var have *model.Collection
	if there {
		if have, err = server.Describe(ctx, cmp.Or(opts.As, coll.Name)); err != nil {
			return false, err
		}
	}
	return !KeysOf(server.Capabilities(), coll, have, opts).New, nil
}

// keepsKeys reports whether rows keep their keys in a collection that is there, or is to be, by the way that they come.
func keepsKeys(can model.Capabilities, there *model.Collection, opts Options) bool {
	if !model.AutoID(there.Schema) {
		return true
	}
	return !opts.NewKeys && can.KeepsKeys(there) && (opts.Via != Bulk || can.ImportsAutoIDs)
}

func inWords(can model.Capabilities, coll, have *model.Collection, opts Options, new bool) string {
	const kept, lost = "its auto ids are kept", "its auto ids are not kept: the target gives the rows new keys, by which no sync can follow"
	switch {
	case new && opts.NewKeys:
		return lost + ", as --new-keys says"
	case new:
		return lost + "; --keep-ids keeps them as explicit keys, and " + otherwise(can, have, opts)
	case opts.KeepIDs:
		return kept + ", as explicit keys"
	case have == nil && !can.KeepsKeys(coll):
		return kept + ": import makes the collection with the property allow_insert_auto_id, and leaves it so"
	}
	return kept + ", as the property allow_insert_auto_id says"
}

// otherwise is what else keeps auto ids.
func otherwise(can model.Capabilities, have *model.Collection, opts Options) string {
	switch {
	case !can.TakesAutoIDs:
		return "a target of 2.5.19, 2.6.3 or later as auto ids"
	case opts.Via == Bulk && !can.ImportsAutoIDs:
		return "--via insert as auto ids"
	case have == nil:
		return "as auto ids the property allow_insert_auto_id of the source's collection"
	}
	return "as auto ids the property allow_insert_auto_id of the collection that is there"
}
