"""Compares two whole servers as pymilvus reads them, all that can be read of them: compare.py < JSON

The JSON has "left" and "right", each with address, user, password and, for TLS, ca; "not_moved", collections as DATABASE.NAME that are to be
on the left alone; and "new_keys", those whose keys the right one has given anew, so that rows are compared without them; "only", those that are compared, if not all.
Prints how much was compared, and what differs. What is not loaded is loaded to be read, and given back as it was. It shares nothing with migrate.
"""
import hashlib
import json
import struct
import sys
import time
from concurrent.futures import ThreadPoolExecutor

from pymilvus import Collection, DataType, Role, connections, db, utility
from pymilvus.client.prepare import Prepare

FIXED = {"bool_data": "?", "int_data": "i", "long_data": "q", "float_data": "f", "double_data": "d"}


class Server:
    def __init__(self, side, address, user, password, ca=None):
        self.side, self.login = side, {"address": address, "user": user, "password": password}
        if ca:
            self.login |= {"secure": True, "server_pem_path": ca, "server_name": "localhost"}
        self.databases = sorted(db.list_database(using=self.using("default")))

    def using(self, database):
        """The name of a connection to a database."""
        alias = f"{self.side}/{database}"
        if not connections.has_connection(alias):
            connections.connect(alias, db_name=database, **self.login)
        return alias

    def collections(self, database):
        return sorted(utility.list_collections(using=self.using(database)))

    def described(self, database, name):
        """All about a collection but its rows."""
        using = self.using(database)
        is_ = connections._fetch_handler(using).describe_collection(name)
        fields = [{k: str(v) for k, v in sorted(f.items()) if k != "field_id"} for f in is_["fields"]]
        loaded = sorted(p.name for p in Collection(name, using=using).partitions if self.loaded(database, name, p.name))
        indexes = {x.index_name: [x.field_name, x.params] for x in Collection(name, using=using).indexes}
        keyed = any(f.get("is_partition_key") for f in is_["fields"])
        return {"fields": fields, "indexes": indexes, "loaded": loaded, "partitions": sorted(p.name for p in Collection(name, using=using).partitions),
                "partitions made for keys": is_["num_partitions"] if keyed else 0, "aliases": sorted(is_["aliases"]),
                "properties": dict(is_["properties"] or {}), "shards": Collection(name, using=using).num_shards,
                **{k: is_[k] for k in ("description", "consistency_level", "enable_dynamic_field", "auto_id")}}

    def loaded(self, database, name, partition):
        return utility.load_state(name, [partition], using=self.using(database)).name == "Loaded"

    def rows(self, database, name, with_keys=True):
        """The rows by their keys, each as a digest of its values and its partition; without keys as often as they are there."""
        collection = Collection(name, using=self.using(database))
        partitions = [p.name for p in collection.partitions]
        missing = [p for p in partitions if not self.loaded(database, name, p)]
        unindexed = {f.name for f in collection.schema.fields if f.dtype in (DataType.FLOAT_VECTOR, DataType.BINARY_VECTOR)} - {x.field_name for x in collection.indexes}
        if unindexed:  # no server loads it
            return {"rows": collection.num_entities}
        if missing:
            collection.load() if missing == partitions else collection.load(missing)
            self.wait_for_rows(collection)
        try:
            keyed = any(f.is_partition_key for f in collection.schema.fields)
            return self.digests(database, collection, [None] if keyed else partitions, with_keys)
        finally:
            if missing:
                collection.release() if missing == partitions else [p.release() for p in collection.partitions if p.name in missing]

    def wait_for_rows(self, collection):
        """Waits until all rows are counted: 2.3 says of partitions that they are loaded some seconds before reads have them."""
        for _ in range(120):
            if collection.query("", output_fields=["count(*)"], consistency_level="Strong")[0]["count(*)"] >= collection.num_entities:
                return
            time.sleep(0.5)
        raise RuntimeError(f"{self.side}: {collection.name} is not served as a whole")

    def digests(self, database, collection, partitions, with_keys):
        key = collection.schema.primary_field
        every = f'{key.name} >= ""' if key.dtype == DataType.VARCHAR else f"{key.name} >= 0 or {key.name} < 0"
        stub, rows = connections._fetch_handler(self.using(database))._stub, {}
        for partition in partitions:
            request = Prepare.query_request(collection.name, every, ["*"], [partition] if partition else [])
            request.db_name, request.consistency_level, request.use_default_consistency = database, 0, False
            request.guarantee_timestamp = 0
            answer = stub.Query(request)
            if answer.status.code or answer.status.error_code:
                raise RuntimeError(f"{self.side}: {database}.{collection.name}: {answer.status.reason}")
            columns = {d.field_name: list(values(d)) for d in answer.fields_data}
            keys = columns[key.name] if with_keys else columns.pop(key.name)
            names = sorted(columns)
            for i in range(len(keys)):
                row = hashlib.sha256((partition or "").encode())
                for name in names:
                    row.update(name.encode() + b"\0" + len(columns[name][i]).to_bytes(4, "big") + columns[name][i])
                at = keys[i] if with_keys else row.digest()
                rows.setdefault(at, []).append(row.digest())
        return rows

    def access(self):
        """Users, their roles, and what roles are granted."""
        using = self.using("default")
        users = {u.username: sorted(u.roles) for u in utility.list_users(True, using=using).groups}
        roles = sorted(r.role_name for r in utility.list_roles(False, using=using).groups)
        grants = {(r, g.object, g.object_name, g.db_name, g.privilege) for r in roles for d in self.databases for g in Role(r, using=using).list_grants(d).groups}
        return {"users": users, "roles": roles, "grants": sorted(grants)}


def values(data):
    """The values of a column, each as bytes that have all its bits."""
    if data.type in (DataType.FLOAT_VECTOR, DataType.BINARY_VECTOR):
        if data.type == DataType.BINARY_VECTOR:
            raw, width = data.vectors.binary_vector, data.vectors.dim // 8
        else:
            floats = data.vectors.float_vector.data
            raw, width = struct.pack(f"<{len(floats)}f", *floats), data.vectors.dim * 4
        return (raw[i:i + width] for i in range(0, len(raw), width))
    kind = data.scalars.WhichOneof("data")
    column = getattr(data.scalars, kind).data
    if kind in FIXED:
        return (struct.pack("<" + FIXED[kind], v) for v in column)
    if kind == "array_data":
        return (v.SerializeToString(deterministic=True) for v in column)
    return (v.encode() if isinstance(v, str) else v for v in column)


def differing(where, left, right):
    """A line for each member that two documents do not share."""
    return [f"{where}: {k}: {left.get(k)!r} and {right.get(k)!r}" for k in sorted(left.keys() | right.keys()) if left.get(k) != right.get(k)]


def compare(left, right, database, name, new_keys):
    where = f"{database}.{name}"
    found = differing(where, left.described(database, name), right.described(database, name))
    ours, theirs = left.rows(database, name, not new_keys), right.rows(database, name, not new_keys)
    other = [k for k in ours.keys() | theirs.keys() if ours.get(k) != theirs.get(k)]
    if other:
        found.append(f"{where}: {len(ours)} and {len(theirs)} rows, {len(other)} of them differ, such as {sorted(other, key=repr)[:3]!r}")
    return found, len(ours)


def main():
    asked = json.load(sys.stdin)
    left, right = Server("left", **asked["left"]), Server("right", **asked["right"])
    found = differing("server", {"databases": left.databases}, {"databases": right.databases})
    found += differing("server", left.access(), right.access())
    jobs = []
    for database in [d for d in left.databases if d in right.databases]:
        is_ = [n for n in left.collections(database) if f"{database}.{n}" not in asked["not_moved"]]
        there = [n for n in right.collections(database) if f"{database}.{n}" not in asked["not_moved"]]
        found += differing(database, {"collections": is_}, {"collections": there})
        jobs += [(database, n, f"{database}.{n}" in asked["new_keys"]) for n in is_
                 if n in there and (not asked["only"] or f"{database}.{n}" in asked["only"])]
    with ThreadPoolExecutor(8) as pool:
        results = list(pool.map(lambda job: compare(left, right, *job), jobs))
    for lines, _ in results:
        found += lines
    print(json.dumps({"databases": len(left.databases), "collections": len(jobs), "rows": sum(n for _, n in results), "differences": found}))


main()
