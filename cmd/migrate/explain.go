package main

import (
	"errors"

	"migrate/checkpoint"
	"migrate/exporter"
	"migrate/importer"
	"migrate/internal/cutover"
	"migrate/internal/export"
	"migrate/internal/ingest"
	"migrate/internal/milvus"
	"migrate/internal/model"
	"migrate/internal/monitor"
	"migrate/internal/move"
	"migrate/internal/ops/cluster"
	"migrate/internal/ops/compose"
	"migrate/internal/ops/drill"
	"migrate/internal/source"
	"migrate/internal/source/storage"
	"migrate/internal/source/storage/binlog"
	"migrate/internal/syncer"
	"migrate/sinks"
)

// hints say what to do next about errors that an operator can mend. The first that matches is given.
var hints = []struct {
	err  error
	hint string
}{
	{move.ErrSome, "see why above; the same command goes on with what is left, and does nothing twice"},
	{move.ErrStopped, "the same command goes on"},
	{move.ErrUsersFile, "see that each line of it is `user: password`; or, where it is in the way of new passwords, keep them and remove it, or name another with --new-users-file"},
	{move.ErrLoadMemory, "raise --load-memory, or leave it out, where the query nodes have the memory; or move it after the others were released"},
	{move.ErrNothing, "see how it is spelled, and in which database it is: --all and --database look in others than the one that is connected to. " +
		"The shell leaves a pattern alone that is in quotes"},
	{model.ErrPartitions, "see `partitions` of that collection under moves: in migrate.yaml; `migrate describe` shows which there are"},
	{move.ErrAnother, "export it again with --overwrite, or remove that job with `migrate jobs rm`, and its collection on the target"},
	{exporter.ErrExists, "import it, export under another name with --job, or replace it with --overwrite"},
	{exporter.ErrNotKept, "the same command writes these parts again; if that does not help, try the sink with `migrate doctor`"},
	{syncer.ErrCursor, "give another --cursor-field, or none: what was written is then found by comparing"},
	{model.ErrReserved, "only a collection whose key has another name can be moved: copy the rows into one on the source first"},
	{exporter.ErrUnsupported, "leave those fields out of the source, or wait for a version that carries them"},
	{source.ErrIncomplete, "look at these rows on the source; --allow-unreadable exports all others and names these"},
	{milvus.ErrNotLoaded, "load it; with --load `migrate run` of many, `export` and `verify` do so, and release it afterwards"},
	{milvus.ErrNoIndex, "create an index FLAT on each of them, which is quick, and drop it after the move; or at once the index that the target is to have"},
	{milvus.ErrPartly, "load the others too, or release it: what serves its readers is not released for an export. With --load a move of many loads the others, and releases them afterwards"},
	{milvus.ErrLoad, "see whether the query nodes run and have the memory for it, and whether somebody releases it; then give the same command again"},
	{milvus.ErrPrivilege, "grant it to a role of the user; docs/privileges.md lists what each command needs, and `migrate doctor` tries it"},
	{milvus.ErrLogin, "check user, password or token"},
	{milvus.ErrNoREST, "check --target-rest-url: Milvus 2.4 and later import by their REST API, which may have an address of its own (proxy.http.port)"},
	{milvus.ErrNotFound, "see how it is spelled, and in which database it is (--source-database, --target-database)"},
	{milvus.ErrCertificate, "give a client certificate that the server's authority signed, and its key: --source-cert-file and --source-key-file, or those of the target"},
	{milvus.ErrALPN, "have what ends TLS there (a proxy?) offer HTTP/2 by ALPN, as h2. Where it serves HTTP/2 and knows no ALPN, " +
		"GRPC_ENFORCE_ALPN_ENABLED=false in the environment of migrate does without"},
	{milvus.ErrUnreachable, "check the address, the port, TLS, and that the server runs"},
	{export.ErrFolder, "mend or remove that file, or write the folder anew; nothing was changed. docs/parquet.md says what is read"},
	{export.ErrNone, "export first; an export that was interrupted has no manifest, and does not count"},
	{export.ErrDamaged, "export again with --overwrite"},
	{export.ErrPartDamaged, "export again with --overwrite"},
	{checkpoint.ErrHeld, "let it finish, or stop it; a lease that is not renewed runs out by itself"},
	{checkpoint.ErrLost, "nothing: the other process goes on with the job"},
	{checkpoint.ErrExpired, "see why the store of its checkpoint did not answer for half a minute; then give the same command again"},
	{checkpoint.ErrDamaged, "make it anew with `migrate jobs rebuild`, and give the same command again; where that can't be done, remove the job with `migrate jobs rm`"},
	{checkpoint.ErrOther, "give the parameters that it was begun with, or begin another with --job"},
	{checkpoint.ErrLong, "give the collection a shorter name on the target with --as"},
	{importer.ErrImported, "`migrate verify` compares; to import it again, drop the collection first or give another name with --as"},
	{importer.ErrLimits, "say --widen, which makes the fields as wide as the rows need, or shorten these values on the source and export again"},
	{ingest.ErrNoDialect, "`migrate import --via insert` inserts the rows"},
	{importer.ErrNewKeys, "say --keep-ids, which makes the keys explicit ones and keeps them, or --new-keys, which has the target give others, by which no sync can follow"},
	{importer.ErrUncertain, "look whether these rows are there. Where that can't be told: drop the collection, and give the same command again, which imports all of it anew"},
	{milvus.ErrRemovesVectors, "if the storage of that server is a bucket (common.storageType: remote), say --source-in-bucket, or --target-in-bucket of the target. " +
		"If it is a local folder: have the field indexed by one that keeps the vectors, such as FLAT, and load the collection anew"},
	{storage.ErrUnsupported, "say --source-read query"},
	{storage.ErrContradiction, "see whether --source-storage-url is where this server keeps its rows; --source-read query reads them by queries"},
	{storage.ErrElsewhere, "give as --source-storage-url what this server calls its root path: the folder or prefix that insert_log/ is in; --source-read query reads the rows by queries"},
	{storage.ErrLostDeletes, "rows may be back that were deleted, whoever reads them: look at them on the source, after it has loaded the collection anew; --source-read query reads what it answers then"},
	{binlog.ErrDamaged, "say --source-read query, and see whether the server still reads these rows: what it keeps of them is damaged"},
	{binlog.ErrLayout, "say --source-read query"},
	{storage.ErrBusy, "give the same command again when that has ended, or say --source-read query"},
	{milvus.ErrLineBreak, "an export reads such rows; a sync needs them to have other keys"},
	{model.ErrNoFilters, "copy the rows on the source into a collection without a partition key, or serve the file with a later version"},
	{ingest.ErrValue, "a FLOAT or DOUBLE holds NaN or infinity, which Milvus takes from an insert and not from a bulk insert: " +
		"say --keep-ids, and such rows are upserted after it, or --via insert. Of an export by an earlier migrate, which did not look for them: export again with --overwrite"},
	{ingest.ErrFailed, "see the server's reason. Of a file that it can't find: see whether --staging-url is in the bucket that the cluster itself uses. " +
		"Of a task that has timed out, again and again, after a data node went away: drop the collection, and give the same command again"},
	{sinks.ErrAccess, "give the keys, as MIGRATE_SINK_ACCESS_KEY and MIGRATE_SINK_SECRET_KEY (MIGRATE_SINK_SESSION_TOKEN with temporary ones), " +
		"or MIGRATE_STAGING_… for the staging store, or in the ways of other S3 programs: AWS_ACCESS_KEY_ID, AWS_PROFILE, AWS_WEB_IDENTITY_TOKEN_FILE, " +
		"a role of the container or the instance; and see docs/permissions.md for the actions that they have to be allowed"},
	{compose.ErrNoProject, "name its folder with --project-dir, or make one with `migrate cluster init FOLDER`"},
	{compose.ErrNoEnv, "make them with `sh new-env` in that folder"},
	{compose.ErrNoDocker, "install Docker 20.10 or newer with Compose 2.24 or newer, or try a cluster without it by --lab FOLDER"},
	{compose.ErrNoDaemon, "start it, look whether this user may use it, and whether DOCKER_HOST names it"},
	{compose.ErrOtherFolder, "give this project a name of its own, by COMPOSE_PROJECT_NAME in its .env. " +
		"If that folder was moved here, `docker compose down` ends what runs, and keeps the data"},
	{cluster.ErrUnfit, "mend what is marked MEND above; --force goes on where only memory or disk are too small"},
	{cluster.ErrNotRunning, "`migrate cluster start`"},
	{cluster.ErrNotRegistered, "look at its logs; `migrate cluster monitor` shows when it does"},
	{drill.ErrNotWell, "mend the cluster first; `migrate bench search` and `migrate doctor` help to see what is wrong"},
	{drill.ErrNoContainer, "give a service, or a service and a number such as querynode-2; `migrate cluster monitor` shows them"},
	{drill.ErrLost, "look at the report: the cluster lost writes that it had acknowledged, or holds them twice"},
	{monitor.ErrToken, "give one by " + envName(listenToken.key) + ", or listen on 127.0.0.1"},
	{cutover.ErrWritten, "stop all that writes to it, `migrate sync` excepted, which has ended already; then give the same command again"},
	{syncer.ErrSwitched, "make the checkpoint anew with `migrate jobs rebuild`: it takes the side to serve that the newest certificate names"},
	{cutover.ErrDuplicates, "mend these keys where they are duplicate, and give the same command again; or say --allow-duplicates, which the certificate bears"},
	{cutover.ErrServes, "nothing; `migrate status` shows the side that serves"},
	{milvus.ErrAlias, "name the collection itself with --collection, or on the target another name with --as; `migrate cutover --alias` moves an alias"},
	{milvus.ErrNoAlias, "give another alias, or leave --alias out: clients that use the collection's own name need none"},
	{syncer.ErrDeletes, "look at the source first; nothing is deleted while it counts so few rows"},
	{move.ErrNotCompared, "grant the rights that are named above to a role of the user; docs/privileges.md lists them"},
	{model.ErrDiffers, "see above"},
	{errStopped, "the same command goes on"},
}

// explain is an error with what to do next.
func explain(err error) string {
	hint := ""
	var kept *checkpoint.ResumableError
	if errors.As(err, &kept) && !errors.Is(err, checkpoint.ErrLost) {
		hint = "\n  next: give the same command again to go on, or `migrate resume --job " + kept.Job + "`"
	}
	if kept == nil && errors.As(err, new(interrupted)) && !errors.Is(err, errStopped) && !errors.Is(err, move.ErrStopped) && !errors.As(err, new(*cutover.ServingError)) {
		hint = "\n  nothing is kept: the same command begins anew"
	}
	for _, h := range hints {
		if errors.Is(err, h.err) {
			return err.Error() + "\n  next: " + h.hint + hint
		}
	}
	return err.Error() + hint
}
