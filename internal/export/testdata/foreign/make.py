"""Writes the same twenty rows as Parquet by several libraries, each in the ways that are its own:

    pip install pymilvus==3.0.2 minio azure-storage-blob requests ml_dtypes pyarrow==18.1.0 pandas==2.2.3 polars==2.1.0 duckdb==2.0.1
    python make.py

TestOthers reads them, and makes the same rows itself.
"""

import glob
import json
import os
import shutil

import duckdb
import ml_dtypes
import numpy
import pandas
import polars
import pyarrow
import pyarrow.parquet as parquet
from pymilvus import CollectionSchema, DataType, FieldSchema
from pymilvus.bulk_writer import BulkFileType, LocalBulkWriter

here = os.path.dirname(os.path.abspath(__file__))


def halves(k, dtype):
    return numpy.array([k / 2, -k, 0.25, k * 8], dtype=dtype)


def row(k):
    return {
        "id": 7 * k + 1,
        "flag": k % 2 == 0,
        "small": k - 10,
        "short": 100 * k,
        "int": -1000 * k,
        "long": k << 40,
        "float": k / 4,
        "double": k / 8 + 0.1,
        "name": f"näme {k}",
        "doc": json.dumps({"k": k}),
        "tags": [f"t{j}" for j in range(k % 3)],
        "numbers": [k, -k],
        "vector": [float(k), k + 0.5, float(-k), 0.25],
        "bits": [k, 255 - k],
        "half": list(halves(k, numpy.float16).tobytes()),
        "brain": list(halves(k, ml_dtypes.bfloat16).tobytes()),
        "sparse": json.dumps({str(70000 + k): 2.0, str(k): 0.5}),
        "maybe": None if k % 4 == 0 else "m",
        "given": k,
        "$meta": json.dumps({"extra": k}),
    }


rows = [row(k) for k in range(20)]

plain = pyarrow.schema([
    ("id", pyarrow.int64()), ("flag", pyarrow.bool_()), ("small", pyarrow.int8()), ("short", pyarrow.int16()), ("int", pyarrow.int32()),
    ("long", pyarrow.int64()), ("float", pyarrow.float32()), ("double", pyarrow.float64()), ("name", pyarrow.string()), ("doc", pyarrow.string()),
    ("tags", pyarrow.list_(pyarrow.string())), ("numbers", pyarrow.list_(pyarrow.int64())), ("vector", pyarrow.list_(pyarrow.float32())),
    ("bits", pyarrow.list_(pyarrow.uint8())), ("half", pyarrow.list_(pyarrow.uint8())), ("brain", pyarrow.list_(pyarrow.uint8())),
    ("sparse", pyarrow.string()), ("maybe", pyarrow.string()), ("given", pyarrow.int64()), ("$meta", pyarrow.string()),
])


def folder(name, *below):
    at = os.path.join(here, name, *below)
    os.makedirs(at)
    return at


def exact():
    at = folder("exact")
    parquet.write_table(pyarrow.Table.from_pylist(rows, plain), os.path.join(at, "rows.parquet"))


def odd():
    """Types that hold the same values and are others, columns in another order, two files in folders."""
    text, numbers = pyarrow.large_string(), pyarrow.large_list(pyarrow.uint16())
    types = dict(zip(plain.names, plain.types)) | {
        "id": pyarrow.uint64(), "small": pyarrow.int64(), "short": pyarrow.uint16(), "int": pyarrow.int64(), "long": pyarrow.int64(),
        "float": pyarrow.float64(), "name": pyarrow.dictionary(pyarrow.int8(), pyarrow.string()), "doc": pyarrow.binary(),
        "tags": pyarrow.large_list(text), "numbers": pyarrow.list_(pyarrow.int16(), 2), "vector": pyarrow.list_(pyarrow.float64(), 4), "bits": pyarrow.binary(2),
        "half": pyarrow.binary(), "brain": numbers, "maybe": text, "given": pyarrow.int8(), "$meta": text,
        "sparse": pyarrow.struct([("indices", pyarrow.list_(pyarrow.uint32())), ("values", pyarrow.list_(pyarrow.float32()))]),
    }
    schema = pyarrow.schema([(name, types[name]) for name in reversed(plain.names)])

    def changed(r):
        sparse = json.loads(r["sparse"])
        return r | {
            "doc": r["doc"].encode(), "bits": bytes(r["bits"]), "half": bytes(r["half"]),
            "sparse": {"indices": [int(i) for i in sparse], "values": list(sparse.values())},
        }

    for n, some in enumerate([[], rows[:7], rows[7:]]):
        # short has no negative number here
        table = pyarrow.Table.from_pylist([changed(r) for r in some], schema)
        at = folder("odd", f"part={n}")
        parquet.write_table(table, os.path.join(at, "any name, ä.PARQUET"), compression="brotli", data_page_version="2.0", row_group_size=4,
                            use_dictionary=["name"], column_encoding={"id": "DELTA_BINARY_PACKED", "doc": "DELTA_LENGTH_BYTE_ARRAY"})
    with open(os.path.join(here, "odd", "_SUCCESS"), "w"):
        pass


def by_pandas():
    """Without a schema: whole numbers become int64 and numbers float64, and what may be left out is."""
    at = folder("pandas")
    frame = pandas.DataFrame([{n: v for n, v in r.items()} for r in rows])
    frame.to_parquet(os.path.join(at, "rows.parquet"), row_group_size=6)


def by_polars():
    at = folder("polars")
    types = {"vector": polars.Array(polars.Float32, 4), "bits": polars.List(polars.UInt8), "half": polars.List(polars.UInt8), "brain": polars.List(polars.Int16)}
    polars.DataFrame(rows, schema_overrides=types).write_parquet(os.path.join(at, "rows.parquet"))


def by_duckdb():
    at = folder("duckdb")
    written = pyarrow.Table.from_pylist(rows, plain)  # which duckdb finds by its name
    duckdb.sql(f"""copy (select * replace (vector::float[4] as vector, doc::json as doc, bits::utinyint[2] as bits, name::varchar as name) from written)
                   to '{at}/rows.parquet' (format parquet)""")


def by_pymilvus():
    """Several files, in the folder that the writer names; given has its default, and is left out where it is that."""
    fields = [
        FieldSchema("id", DataType.INT64, is_primary=True), FieldSchema("flag", DataType.BOOL), FieldSchema("small", DataType.INT8),
        FieldSchema("short", DataType.INT16), FieldSchema("int", DataType.INT32), FieldSchema("long", DataType.INT64),
        FieldSchema("float", DataType.FLOAT), FieldSchema("double", DataType.DOUBLE), FieldSchema("name", DataType.VARCHAR, max_length=64),
        FieldSchema("doc", DataType.JSON), FieldSchema("tags", DataType.ARRAY, element_type=DataType.VARCHAR, max_length=8, max_capacity=8),
        FieldSchema("numbers", DataType.ARRAY, element_type=DataType.INT64, max_capacity=8), FieldSchema("vector", DataType.FLOAT_VECTOR, dim=4),
        FieldSchema("bits", DataType.BINARY_VECTOR, dim=16), FieldSchema("half", DataType.FLOAT16_VECTOR, dim=4),
        FieldSchema("brain", DataType.BFLOAT16_VECTOR, dim=4), FieldSchema("sparse", DataType.SPARSE_FLOAT_VECTOR),
        FieldSchema("maybe", DataType.VARCHAR, max_length=8, nullable=True), FieldSchema("given", DataType.INT64, default_value=5),
    ]
    schema = CollectionSchema(fields, enable_dynamic_field=True)
    with LocalBulkWriter(schema, folder("pymilvus"), chunk_size=2048, file_type=BulkFileType.PARQUET) as writer:
        for k, r in enumerate(rows):
            r = r | {
                "doc": {"k": k}, "half": halves(k, numpy.float16), "brain": halves(k, ml_dtypes.bfloat16), "bits": bytes(r["bits"]),
                "sparse": {k: 0.5, 70000 + k: 2.0}, "extra": k,
            }
            if r["given"] == 5:
                del r["given"]
            del r["$meta"]
            writer.append_row(r)
        writer.commit()


for old in glob.glob(os.path.join(here, "*", "")):
    shutil.rmtree(old)
for write in [exact, odd, by_pandas, by_polars, by_duckdb, by_pymilvus]:
    write()
for name in sorted(glob.glob(os.path.join(here, "**", "*.[pP]*"), recursive=True)):
    if name.endswith(".py"):
        continue
    print(os.path.relpath(name, here), os.path.getsize(name))
    print(parquet.read_schema(name).remove_metadata())
