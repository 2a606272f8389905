"""Bulk-inserts a Parquet file by the rules of a Milvus: bulkinsert.py VERSION ADDRESS COLLECTION PARTITION FILE

It stands in for the bulk insert of 2.5 and later and shares nothing with migrate: pyarrow reads the file, and pymilvus inserts its rows into
the Milvus Lite at ADDRESS, whose description of the collection it goes by. The rules are those of Milvus' sources (internal/util/importutilv2). Prints
as JSON the number of rows, or why a Milvus of that version refuses the file, in which case no row is inserted.
"""
import json
import logging
import math
import struct
import sys

import pyarrow as pa
import pyarrow.parquet as pq
from pymilvus import DataType, MilvusClient

META = "$meta"
BATCH = 200
SCALARS = {
    DataType.BOOL: pa.bool_(), DataType.INT8: pa.int8(), DataType.INT16: pa.int16(), DataType.INT32: pa.int32(), DataType.INT64: pa.int64(),
    DataType.FLOAT: pa.float32(), DataType.DOUBLE: pa.float64(), DataType.VARCHAR: pa.string(),
}
COLUMNS = SCALARS | {
    DataType.JSON: pa.string(), DataType.GEOMETRY: pa.string(), DataType.TIMESTAMPTZ: pa.string(), DataType.SPARSE_FLOAT_VECTOR: pa.string(),
    DataType.FLOAT_VECTOR: pa.list_(pa.float32()), DataType.INT8_VECTOR: pa.list_(pa.int8()), DataType.BINARY_VECTOR: pa.list_(pa.uint8()),
    DataType.FLOAT16_VECTOR: pa.list_(pa.uint8()), DataType.BFLOAT16_VECTOR: pa.list_(pa.uint8()),
}
WIDTHS = {  # elements of a row
    DataType.FLOAT_VECTOR: lambda dim: dim, DataType.INT8_VECTOR: lambda dim: dim, DataType.BINARY_VECTOR: lambda dim: dim // 8,
    DataType.FLOAT16_VECTOR: lambda dim: 2 * dim, DataType.BFLOAT16_VECTOR: lambda dim: 2 * dim,
}
VECTORS = {*WIDTHS, DataType.SPARSE_FLOAT_VECTOR}


class Refused(Exception):
    pass


class Field:
    def __init__(self, described, version):
        self.name, self.type, self.version = described["name"], described["type"], version
        self.nullable, self.params = described.get("nullable", False), described.get("params", {})
        self.default = described.get("default_value")
        self.given = described.get("auto_id", False) or described.get("is_function_output", False)
        self.element = described.get("element_type")

    def missing_is_fine(self):
        return self.given or self.nullable or self.default is not None and self.version >= (2, 5, 14)

    def arrow(self):
        return pa.list_(SCALARS[self.element]) if self.type == DataType.ARRAY else COLUMNS[self.type]

    def values(self, column):
        """The rows of a column as pymilvus inserts them; None for NULL."""
        if self.given:
            raise Refused(f"the server gives the values of field '{self.name}'")
        if self.plain(column.type) != self.plain(self.arrow()):
            raise Refused(f"field '{self.name}' is {column.type}, want {self.arrow()}")
        if self.nullable and self.type in VECTORS and self.version < (2, 6, 18):
            raise Refused("not support nullable in vector")
        if column.null_count and not self.nullable and self.default is None:
            raise Refused(f"field '{self.name}': not nullable, but has null value")
        return [None if value is None else self.value(value) for value in column.to_pylist()]

    @staticmethod
    def plain(kind):
        return f"list<{kind.value_type}>" if pa.types.is_list(kind) else str(kind)

    def value(self, value):
        if self.type == DataType.ARRAY:
            if self.nullable and not value:
                return None  # which Milvus can't tell from an empty list
            self.at_most(len(value), "max_capacity")
            return [self.scalar(self.element, v) for v in value]
        if self.type in WIDTHS:
            return self.vector(value)
        if self.type == DataType.SPARSE_FLOAT_VECTOR:
            return self.sparse(json.loads(value))
        if self.type == DataType.JSON:
            return json.loads(value)
        return self.scalar(self.type, value)

    def scalar(self, kind, value):
        if value is None:
            raise Refused(f"array of field '{self.name}' has null elements")
        if kind in (DataType.FLOAT, DataType.DOUBLE) and not math.isfinite(value):
            raise Refused(f"field '{self.name}': {value} is not a number or infinity")
        if kind == DataType.VARCHAR:
            self.at_most(len(value.encode()), "max_length")
        return value

    def vector(self, value):
        width = WIDTHS[self.type](int(self.params["dim"]))
        if len(value) != width:
            raise Refused(f"length of vector is not aligned: expected {width} but got {len(value)}")
        if self.type == DataType.FLOAT_VECTOR:
            if self.nullable and self.version >= (2, 6) and not all(map(math.isfinite, value)):
                raise Refused(f"field '{self.name}': not a number or infinity")
            return value
        return bytes(v % 256 for v in value)

    def sparse(self, weights):
        if not weights and self.version < (2, 5, 7):
            raise Refused("slice bounds out of range")
        row = {}
        for index, weight in weights.items():
            if not 0 <= int(index) < 2**32 - 1 or not 0 <= weight <= 3.4028234663852886e38:
                raise Refused(f"invalid value in JSON: {index}: {weight}")
            row[int(index)] = struct.unpack("<f", struct.pack("<f", weight))[0]
        return row

    def at_most(self, n, param):
        if param in self.params and n > int(self.params[param]):
            raise Refused(f"value length({n}) for field {self.name} exceeds {param}({self.params[param]})")


def rows_of(table, fields, dynamic, version):
    columns = {name: table.column(name) for name in table.column_names}
    for field in fields:
        if field.name not in columns and not field.missing_is_fine():
            raise Refused(f"field '{field.name}' is missing")
    known = {field.name for field in fields} | ({META} if dynamic else set())
    if version < (2, 6) and columns.keys() - known:
        raise Refused(f"the column {sorted(columns.keys() - known)} is not in the schema")
    values = {field.name: field.values(columns[field.name]) for field in fields if field.name in columns}
    rows = [dict(zip(values, row)) for row in zip(*values.values())]
    if dynamic and META in columns:
        for row, text in zip(rows, columns[META].to_pylist()):
            row.update(json.loads(text))
    return rows


def main():
    version, address, collection, partition, path = sys.argv[1:]
    version = tuple(int(n) for n in version.removeprefix("v").split("."))
    logging.disable()
    client = MilvusClient("http://" + address)
    described = client.describe_collection(collection)
    fields = [Field(f, version) for f in described["fields"] if f["name"] != META]
    try:
        rows = rows_of(pq.read_table(path, partitioning=None), fields, described.get("enable_dynamic_field", False), version)
    except Refused as refused:
        print(json.dumps({"refused": str(refused)}))
        return
    for at in range(0, len(rows), BATCH):
        client.insert(collection, rows[at:at + BATCH], **({"partition_name": partition} if partition else {}))
    print(json.dumps({"rows": len(rows)}))


main()
