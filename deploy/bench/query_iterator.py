"""Reads a collection with pymilvus' query_iterator, and counts its rows: query_iterator.py ADDRESS COLLECTION BATCH ENOUGH FIELD...

It ends before the last row once it has read ENOUGH. Prints as JSON the rows, the seconds from connecting to the last row, and the
most memory that it had.
"""
import json
import sys
import time

import pymilvus


def peak_memory():
    """Bytes; 0 where there is no /proc."""
    try:
        with open("/proc/self/status") as status:
            return next(int(line.split()[1]) * 1024 for line in status if line.startswith("VmHWM:"))
    except OSError:
        return 0


address, name, batch_size, enough, *fields = sys.argv[1:]
host, port = address.split(":")
began = time.perf_counter()
pymilvus.connections.connect(host=host, port=port)
iterator = pymilvus.Collection(name).query_iterator(batch_size=int(batch_size), output_fields=["*"])
rows = 0
while rows < int(enough):
    page = iterator.next()
    if not page:
        break
    rows += len(page)
    lacking = set(fields) - set(page[0])
    if lacking:
        sys.exit(f"rows lack {sorted(lacking)}")
iterator.close()
seconds = time.perf_counter() - began
print(json.dumps({"rows": rows, "seconds": seconds, "peak_memory_bytes": peak_memory()}))
