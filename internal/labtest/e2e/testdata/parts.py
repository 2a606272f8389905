"""Compares a Parquet file with what was put into it: parts.py FILE EXPECTED

The file is read by pyarrow, pandas and DuckDB. EXPECTED is JSON: the names and types of the columns, and the rows, in which a float is
the text of its bits. Prints as JSON how many values each of them read; complains, and exits with 1, where any differs.
"""
import json
import struct
import sys

import duckdb
import pandas
import pyarrow.parquet as pq


def plain(value):
    """A value as EXPECTED has it."""
    if isinstance(value, float):
        return struct.pack(">d", value).hex()
    if hasattr(value, "tolist"):  # of numpy
        value = value.tolist()
    return [plain(v) for v in value] if isinstance(value, list) else value


def by_pyarrow(path):
    return [list(row.values()) for row in pq.read_table(path).to_pylist()]


def by_pandas(path):
    table = pandas.read_parquet(path)
    return [list(row) for row in zip(*(table[name] for name in table))]


def by_duckdb(path):
    return [list(row) for row in duckdb.execute("select * from read_parquet(?)", [path]).fetchall()]


path, expected = sys.argv[1:]
expected = json.load(open(expected))
columns = {field.name: str(field.type) for field in pq.read_schema(path)}
if columns != expected["columns"]:
    sys.exit(f"the columns are {columns}; want {expected['columns']}")
compared = {}
for read in (by_pyarrow, by_pandas, by_duckdb):
    rows = [plain(row) for row in read(path)]
    for i, (row, want) in enumerate(zip(rows, expected["rows"], strict=True)):
        for name, value, right in zip(columns, row, want, strict=True):
            if value != right or type(value) is not type(right):
                sys.exit(f"{read.__name__}: row {i}, {name}: {value!r:.300}; want {right!r:.300}")
    compared[read.__name__] = len(rows) * len(columns)
print(json.dumps(compared))
