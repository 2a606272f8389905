"""Upserts rows with pymilvus, one call after the other: upsert.py ADDRESS COLLECTION ROWS DIM BATCH. Prints as JSON the seconds from the
first call to the last answer, and until all is flushed; the rows are made before.
"""
import json
import random
import sys
import time

from pymilvus import MilvusClient

address, name, rows, dim, batch = sys.argv[1], sys.argv[2], *map(int, sys.argv[3:])
client = MilvusClient(uri="http://" + address)
vector = [random.random() for _ in range(dim)]
batches = [
    [{"id": i, "text": f"row {i}", "v": vector} for i in range(at, min(at + batch, rows))]
    for at in range(0, rows, batch)
]
began = time.perf_counter()
for some in batches:
    client.upsert(name, some)
answered = time.perf_counter() - began
client.flush(name)
print(json.dumps({"answered": answered, "flushed": time.perf_counter() - began}))
