"""Prints the rows of a collection as JSON, in the order of their keys, null for a NULL: nulls.py ADDRESS COLLECTION."""
import json
import sys

from pymilvus import MilvusClient

address, collection = sys.argv[1:]
rows = MilvusClient("http://" + address).query(collection, "id >= 0", output_fields=["*"], limit=10_000)
print(json.dumps([{k: v for k, v in row.items() if k != "v"} for row in sorted(rows, key=lambda row: row["id"])],
                 default=lambda value: list(value)))
