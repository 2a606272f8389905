"""Compares two collections row by row, as pymilvus reads them: compare.py ADDRESS DATABASE COLLECTION ADDRESS DATABASE COLLECTION

Documents are compared by value, sparse vectors by their indices and weights, vectors by their numbers or bytes. Prints how many rows the
first has, and the first few that differ.
"""
import json
import logging
import sys

from pymilvus import DataType, MilvusClient


def plain(value):
    if isinstance(value, list) and value and isinstance(value[0], bytes):
        return value[0].hex()  # a vector of bytes
    if isinstance(value, bytes):
        return value.hex()
    if isinstance(value, dict):
        return {str(name): plain(v) for name, v in value.items()}
    if isinstance(value, (list, tuple)) or hasattr(value, "tolist"):
        return [plain(v) for v in value]
    return value.item() if hasattr(value, "item") else value


def rows(address, database, collection):
    client = MilvusClient("http://" + address, db_name=database)
    key = next(f for f in client.describe_collection(collection)["fields"] if f.get("is_primary"))
    every = key["name"] + (" >= 0" if key["type"] == DataType.INT64 else ' >= ""')
    return {row[key["name"]]: {name: plain(v) for name, v in row.items()} for row in client.query(collection, every, output_fields=["*"])}


logging.disable()
left, right = rows(*sys.argv[1:4]), rows(*sys.argv[4:7])
differing = [[left.get(key), right.get(key)] for key in sorted(left.keys() | right.keys()) if left.get(key) != right.get(key)]
print(json.dumps({"rows": len(left), "differing": differing[:3]}, default=str))
