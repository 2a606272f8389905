"""Writes rows with pymilvus' own bulk writer, and finds them in a collection again.

    bulkwriter.py write FOLDER ROWS                 prints how many files it wrote
    bulkwriter.py check ADDRESS COLLECTION ROWS     prints how many rows it compared
"""

import json
import sys

import numpy
from pymilvus import BulkFileType, Collection, CollectionSchema, DataType, FieldSchema, LocalBulkWriter, connections

DIM = 8


def row(k):
    return {
        "id": k,
        "flag": k % 2 == 0,
        "small": k % 100 - 50,
        "short": k % 1000 - 500,
        "int": -k,
        "float": k / 4,
        "double": k / 8 + 0.1,
        "name": f"näme {k}",
        "doc": {"k": k, "deep": {"list": [k, "ä"]}},
        "tags": [f"t{j}" for j in range(k % 3)],
        "numbers": [k % 128, -(k % 128)],
        "vector": [float(k), 0.5, -0.25, 1.0, 2.0, 3.0, 4.0, 5.0],
        "extra": k,
    }


def schema():
    fields = [
        FieldSchema("id", DataType.INT64, is_primary=True), FieldSchema("flag", DataType.BOOL), FieldSchema("small", DataType.INT8),
        FieldSchema("short", DataType.INT16), FieldSchema("int", DataType.INT32), FieldSchema("float", DataType.FLOAT),
        FieldSchema("double", DataType.DOUBLE), FieldSchema("name", DataType.VARCHAR, max_length=64), FieldSchema("doc", DataType.JSON),
        FieldSchema("tags", DataType.ARRAY, element_type=DataType.VARCHAR, max_length=8, max_capacity=8),
        FieldSchema("numbers", DataType.ARRAY, element_type=DataType.INT16, max_capacity=8),
        FieldSchema("vector", DataType.FLOAT_VECTOR, dim=DIM),
    ]
    return CollectionSchema(fields, enable_dynamic_field=True)


def write(folder, rows):
    writer = LocalBulkWriter(schema(), folder, segment_size=128 << 10, file_type=BulkFileType.PARQUET)
    for k in range(int(rows)):
        writer.append_row(row(k))
    writer.commit()
    print(json.dumps(len(writer.batch_files)))


def check(address, collection, rows):
    connections.connect(address=address)
    found = {}
    for from_ in range(0, int(rows), 1000):
        found |= {r["id"]: r for r in Collection(collection).query(f"id >= {from_} and id < {from_ + 1000}", output_fields=["*"])}
    for k in range(int(rows)):
        for name, want in row(k).items():
            have = found[k][name]
            if name == "float" or name == "vector":
                want, have = numpy.array(want, dtype="float32").tolist(), numpy.array(have, dtype="float32").tolist()
            if have != want and not (name in ("tags", "numbers") and list(have) == want):
                sys.exit(f"key {k}: {name} is {have!r}, and was {want!r}")
    print(json.dumps(len(found)))


{"write": write, "check": check}[sys.argv[1]](*sys.argv[2:])
