"""Compares an export's Parquet with its source: readers.py ADDRESS COLLECTION FOLDER

The parts in FOLDER are read by pyarrow and by DuckDB, and the source by pymilvus; every value of every row has to be the
same, and JSON the same text. Prints as JSON how many rows and columns that were; complains, and exits with 1, where
anything differs.
"""
import json
import pathlib
import sys

import duckdb
import pyarrow as pa
import pyarrow.parquet as pq
from pymilvus import Collection, DataType, connections
from pymilvus.client.prepare import Prepare

META = "$meta"
ARROW = {
    DataType.BOOL: pa.bool_(), DataType.INT8: pa.int8(), DataType.INT16: pa.int16(), DataType.INT32: pa.int32(),
    DataType.INT64: pa.int64(), DataType.FLOAT: pa.float32(), DataType.DOUBLE: pa.float64(),
    DataType.VARCHAR: pa.string(), DataType.JSON: pa.string(),
    DataType.FLOAT_VECTOR: pa.list_(pa.float32()), DataType.BINARY_VECTOR: pa.list_(pa.uint8()),
}


def arrow_type(field):
    return pa.list_(ARROW[field.element_type]) if field.dtype == DataType.ARRAY else ARROW[field.dtype]


class Source:
    """The collection as pymilvus reads it."""

    def __init__(self, address, name):
        host, port = address.split(":")
        connections.connect(host=host, port=port)
        self.collection = Collection(name)
        self.fields = {f.name: f for f in self.collection.schema.fields}
        self.types = {name: arrow_type(f) for name, f in self.fields.items()} | {META: pa.string()}
        self.key = self.collection.schema.primary_field.name
        self.texts = [name for name, f in self.fields.items() if f.dtype == DataType.JSON] + [META]

    def everything(self):
        if self.fields[self.key].dtype == DataType.VARCHAR:
            return f'{self.key} >= ""'
        return f"{self.key} <= {2**63 - 1}"

    def rows(self):
        """Every row, by its key. JSON is text; that pymilvus makes the same objects of it is checked on the way."""
        found = self.collection.query(self.everything(), output_fields=["*"], consistency_level="Strong")
        texts = self.json_texts()
        rows = {row[self.key]: self.with_texts(row, texts[row[self.key]]) for row in found}
        if len(rows) != len(found):
            sys.exit(f"pymilvus read {len(found)} rows with {len(rows)} keys")
        return rows

    def with_texts(self, row, texts):
        columns = {name: row.pop(name) for name in self.fields}
        parsed = {name: columns[name] for name in self.texts if name != META} | {META: row}
        for name, text in texts.items():
            if json.loads(text) != parsed[name]:
                sys.exit(f"row {columns[self.key]!r}: pymilvus makes {parsed[name]!r} of {text!r}")
        return columns | texts

    def json_texts(self):
        """The JSON of every row as the server sends it, before pymilvus makes objects of it."""
        request = Prepare.query_request(self.collection.name, self.everything(), [self.key, *self.texts], [],
                                        consistency_level="Strong")
        answer = self.collection._get_connection()._stub.Query(request)
        columns = {(META if f.is_dynamic else f.field_name): f.scalars for f in answer.fields_data}
        keys = columns[self.key].long_data.data or columns[self.key].string_data.data
        texts = {name: [text.decode() for text in columns[name].json_data.data] for name in self.texts}
        return {key: {name: texts[name][i] for name in self.texts} for i, key in enumerate(keys)}


def read_pyarrow(parts, source):
    rows = []
    for part in parts:
        table = pq.read_table(part, partitioning=None)
        columns = [(field.name, field.type) for field in table.schema]
        if columns != list(source.types.items()):
            sys.exit(f"pyarrow: the columns of {part} are {columns}; want {source.types}")
        rows += table.to_pylist()
    return rows


def read_duckdb(parts, _):
    answer = duckdb.execute("select * from read_parquet(?)", [parts])
    names = [column[0] for column in answer.description]
    return [dict(zip(names, row)) for row in answer.fetchall()]


def exact(value):
    """A value as text that tells apart what == does not (0.0 and -0.0, 1 and 1.0), and not what is the same (NaN)."""
    if isinstance(value, list) and value and isinstance(value[0], bytes):
        value = list(value[0])  # a binary vector
    if isinstance(value, list):
        return "[" + ", ".join(map(exact, value)) + "]"
    return repr(value.item() if hasattr(value, "item") else value)


def differences(reader, rows, source_rows, key):
    keys = [row[key] for row in rows]
    if len(set(keys)) != len(keys):
        yield f"{reader}: {len(keys)} rows with {len(set(keys))} keys"
    for missing in source_rows.keys() - set(keys):
        yield f"{reader}: no row {missing!r}"
    for row in rows:
        want = source_rows.get(row[key])
        if want is None or want.keys() != row.keys():
            yield f"{reader}: row {row[key]!r} of columns {list(row)} is not in the source"
            continue
        for name, value in row.items():
            if exact(value) != exact(want[name]):
                yield f"{reader}: row {row[key]!r}, column {name}: {exact(value)}; the source has {exact(want[name])}"


def main():
    address, name, folder = sys.argv[1:]
    source = Source(address, name)
    source_rows = source.rows()
    parts = sorted(str(p) for p in pathlib.Path(folder).rglob("*.parquet"))
    found = []
    for reader in (read_pyarrow, read_duckdb):
        found += differences(reader.__name__, reader(parts, source), source_rows, source.key)
    if found:
        sys.exit("\n".join(line[:400] for line in found[:10]) + f"\n{len(found)} differences")
    print(json.dumps({"rows": len(source_rows), "columns": len(source.types)}))


main()
