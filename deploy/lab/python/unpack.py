"""Unpacks a wheel: unpack.py WHEEL DIR. Members that end in .lzma are decompressed; programs and libraries are made
executable."""
import lzma
import os
import shutil
import sys
import zipfile

wheel, target = sys.argv[1:]
with zipfile.ZipFile(wheel) as archive:
    for member in archive.namelist():
        if member.endswith("/"):
            continue
        path = os.path.join(target, member.removesuffix(".lzma"))
        os.makedirs(os.path.dirname(path), exist_ok=True)
        with archive.open(member) as packed, open(path, "wb") as out:
            shutil.copyfileobj(lzma.open(packed) if member.endswith(".lzma") else packed, out, 1 << 20)
        if any(folder in member for folder in ("/bin/", "/lib/", "etcdbin/")):
            os.chmod(path, 0o755)
