"""Asks a server for a collection, and what it takes beside: lite.py ADDRESS COLLECTION. Prints JSON: how many rows, the row with
key 1, and the fields of which a row comes back as it was sent."""
import json
import logging
import sys

import numpy
from pymilvus import DataType, MilvusClient, MilvusException

FIELDS = {
    "BINARY_VECTOR": (DataType.BINARY_VECTOR, {"dim": 8}, b"\x81"),
    "FLOAT16_VECTOR": (DataType.FLOAT16_VECTOR, {"dim": 2}, b"\x00\x3c\x01\x00"),
    "BFLOAT16_VECTOR": (DataType.BFLOAT16_VECTOR, {"dim": 2}, b"\x80\x3f\x01\x00"),
    "INT8_VECTOR": (DataType.INT8_VECTOR, {"dim": 2}, numpy.array([1, -1], numpy.int8)),
    "SPARSE_FLOAT_VECTOR": (DataType.SPARSE_FLOAT_VECTOR, {}, {1: 0.5, 70000: 2.0}),
    "GEOMETRY": (DataType.GEOMETRY, {}, "POINT (1 2)"),
    "TIMESTAMPTZ": (DataType.TIMESTAMPTZ, {}, "2025-01-01T00:00:00Z"),
    "nullable": (DataType.INT64, {"nullable": True}, None),
}


def indexes(client, name, kind):
    params = client.prepare_index_params()
    params.add_index(field_name="vector", index_type="FLAT", metric_type="L2")
    if kind == DataType.SPARSE_FLOAT_VECTOR:
        params.add_index(field_name="field", index_type="SPARSE_INVERTED_INDEX", metric_type="IP")
    elif kind.name.endswith("_VECTOR"):
        binary = kind == DataType.BINARY_VECTOR
        params.add_index(field_name="field", index_type="BIN_FLAT" if binary else "FLAT", metric_type="HAMMING" if binary else "L2")
    return params


def takes(client, name, kind, params, value):
    """Tells whether a row with such a field comes back as it was sent."""
    schema = MilvusClient.create_schema()
    schema.add_field("id", DataType.INT64, is_primary=True)
    schema.add_field("vector", DataType.FLOAT_VECTOR, dim=2)
    schema.add_field("field", kind, **params)
    try:
        client.create_collection(name, schema=schema, index_params=indexes(client, name, kind))
    except MilvusException:
        return False
    try:
        client.insert(name, [{"id": 1, "vector": [0.5, 1], "field": value}])
        found = client.query(name, "id == 1", output_fields=["field"])[0]["field"]
        return (found[0] if isinstance(value, bytes) else found) == value
    finally:
        client.drop_collection(name)


address, collection = sys.argv[1:]
logging.disable()  # every refusal is logged with its stack
client = MilvusClient("http://" + address)
print(json.dumps({
    "rows": client.query(collection, "id >= 0", output_fields=["count(*)"])[0]["count(*)"],
    "row": client.query(collection, "id == 1", output_fields=["text", "vector"])[0],
    "takes": [name for name, field in FIELDS.items() if takes(client, f"{collection}_{name}", *field)],
}, default=lambda number: number.item()))
