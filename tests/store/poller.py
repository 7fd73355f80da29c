"""Tries to read the files of a folder as another account, until its input ends: `python poller.py FOLDER`, as root.

The folder must be open to that account. Prints the name of each file or folder that it could read once. It polls, so
it proves nothing by finding nothing; that every file is created private is tested in `test_files`.
"""

import os
import select
import sys
from pathlib import Path


def readable(folder):
    """The names below a folder that this account can list or open."""
    for path in folder.iterdir():
        try:
            if path.is_dir():
                next(path.iterdir(), None)  # raises without permission
                yield from readable(path)
            else:
                path.open("rb").close()
            yield path.name
        except OSError:
            continue


def main(folder):
    os.setgroups([])
    os.setgid(65534)
    os.setuid(65534)
    print("polling", flush=True)
    seen = set()
    while not select.select([sys.stdin], [], [], 0)[0]:
        for name in readable(folder):
            if name not in seen:
                seen.add(name)
                print(name, flush=True)


main(Path(sys.argv[1]))
