package main

import (
	"errors"

	"migrate/checkpoint"
	"migrate/exporter"
	"migrate/internal/manifest"
	"migrate/internal/milvus"
	"migrate/internal/monitor"
	"migrate/internal/part"
	"migrate/internal/source"
	"migrate/internal/syncer"
	"migrate/internal/verify"
)

// hints say what to do next about errors that an operator can mend. The first that matches is given.
var hints = []struct {
	err  error
	hint string
}{
	{exporter.ErrExists, "import it, export under another name with --job, or replace it with --overwrite"},
	{exporter.ErrUnsupported, "leave those fields out of the source, or wait for a version that carries them"},
	{source.ErrIncomplete, "look at these rows on the source; --allow-unreadable exports all others and names these"},
	{milvus.ErrNotLoaded, "load it on the source, or let --load do so and release it afterwards"},
	{milvus.ErrLogin, "check user, password or token"},
	{milvus.ErrUnreachable, "check the address, the port, TLS, and that the server runs"},
	{manifest.ErrNone, "export first; an export that was interrupted has no manifest, and does not count"},
	{manifest.ErrDamaged, "export again with --overwrite"},
	{part.ErrDamaged, "export again with --overwrite"},
	{checkpoint.ErrHeld, "let it finish, or stop it; a lease that is not renewed runs out by itself"},
	{checkpoint.ErrLost, "nothing: the other process goes on with the job"},
	{checkpoint.ErrDamaged, "make it anew with `migrate jobs rebuild`, and give the same command again; or begin anew after `migrate jobs rm`"},
	{checkpoint.ErrOther, "give the parameters that it was begun with, or begin another with --job"},
	{monitor.ErrToken, "give one by " + envName(listenToken.key) + ", or listen on 127.0.0.1"},
	{syncer.ErrDeletes, "look at the source first; nothing is deleted while it counts so few rows"},
	{verify.ErrDiffers, "see above"},
}

// explain is an error with what to do next.
func explain(err error) string {
	hint := ""
	if errors.As(err, new(*checkpoint.ResumableError)) && !errors.Is(err, checkpoint.ErrLost) {
		hint = "\n  next: give the same command again to go on"
	}
	for _, h := range hints {
		if errors.Is(err, h.err) {
			return err.Error() + "\n  next: " + h.hint + hint
		}
	}
	return err.Error() + hint
}
