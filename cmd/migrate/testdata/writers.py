"""Writes to a collection at a steady rate with pymilvus, whatever becomes of the server, until standard input ends:

    writers.py ADDRESS COLLECTION ROWS JOURNAL

The collection has the keys 0 to ROWS - 1 at version 0. One thread inserts new keys, one upserts keys that are there, and one
deletes keys and brings some of them back. What is not acknowledged is tried again until it is, by an upsert, since it may have
been done. The journal is what is there in the end: the version of each key, as JSON.
"""
import json
import random
import sys
import threading
import time

import pymilvus

address, collection, rows, journal_path = sys.argv[1], sys.argv[2], int(sys.argv[3]), sys.argv[4]
host, port = address.split(":")
BATCH, PAUSE, DIM = 10, 0.1, 8
journal = dict.fromkeys(range(rows), 0)
lock, stop = threading.Lock(), threading.Event()
retries = 0


class Writer(threading.Thread):
    """One thread with a connection of its own, and keys of its own."""

    def __init__(self, name):
        super().__init__(name=name)
        self.random, self.version, self.failure = random.Random(name), 0, None

    def connect(self):
        pymilvus.connections.disconnect(self.name)
        pymilvus.connections.connect(alias=self.name, host=host, port=port, timeout=5)
        self.collection = pymilvus.Collection(collection, using=self.name)

    def until_acknowledged(self, first, again):
        global retries
        write = first
        while True:
            try:
                write()
                return
            except Exception as error:  # the server is away, or coming back
                write, last = again, error
                with lock:
                    retries += 1
            time.sleep(0.5)
            try:
                self.connect()
            except Exception as error:
                last = error
            if self.failure and time.monotonic() > self.failure:
                raise last

    def upsert(self, keys, insert=False):
        self.version += 1
        data = [keys, [self.version] * len(keys), [[self.random.random() for _ in range(DIM)] for _ in keys]]
        again = lambda: self.collection.upsert(data, timeout=10)
        self.until_acknowledged((lambda: self.collection.insert(data, timeout=10)) if insert else again, again)
        with lock:
            journal.update(dict.fromkeys(keys, self.version))

    def delete(self, keys):
        again = lambda: self.collection.delete(f"id in {keys}", timeout=10)
        self.until_acknowledged(again, again)
        with lock:
            for key in keys:
                journal.pop(key, None)

    def run(self):
        self.connect()
        n = 0
        while not stop.is_set():
            self.step(n)
            n += 1
            time.sleep(PAUSE)


class Inserts(Writer):
    def step(self, n):
        self.upsert(list(range(rows + n * BATCH, rows + (n + 1) * BATCH)), insert=True)


class Upserts(Writer):  # of even keys
    def step(self, n):
        self.upsert(sorted(2 * k for k in self.random.sample(range(rows // 2), BATCH)))


class Deletes(Writer):  # of odd keys; each second time what was deleted before comes back in part
    gone = []

    def step(self, n):
        if n % 2 == 0:
            self.gone = sorted(2 * k + 1 for k in self.random.sample(range(rows // 2), BATCH))
            self.delete(self.gone)
        else:
            self.upsert(self.gone[: BATCH // 2])


threads = [Inserts("inserts"), Upserts("upserts"), Deletes("deletes")]
for thread in threads:
    thread.start()
sys.stdin.read()
stop.set()
for thread in threads:
    thread.failure = time.monotonic() + 120
for thread in threads:
    thread.join()
with open(journal_path, "w") as file:
    json.dump(journal, file)
print(f"{sum(t.version for t in threads)} writes, {retries} calls failed, {len(journal)} keys in the end")
