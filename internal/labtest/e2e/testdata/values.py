"""Prints all rows of a collection by their keys, as pymilvus reads them: values.py ADDRESS COLLECTION

Bytes are a list of numbers, and a sparse vector's weights the text of their bits.
"""
import json
import logging
import struct
import sys

from pymilvus import MilvusClient


def plain(value):
    if isinstance(value, list) and value and isinstance(value[0], bytes):
        value = value[0]  # a vector of bytes
    if isinstance(value, bytes):
        return list(value)
    if isinstance(value, dict):
        return {str(index): struct.pack(">f", weight).hex() for index, weight in value.items()}
    if isinstance(value, (list, tuple)) or hasattr(value, "tolist"):
        return [plain(v) for v in value]
    return value.item() if hasattr(value, "item") else value


address, collection = sys.argv[1:]
logging.disable()
rows = MilvusClient("http://" + address).query(collection, "id >= 0", output_fields=["*"])
print(json.dumps([{name: plain(row[name]) for name in row} for row in sorted(rows, key=lambda row: row["id"])]))
