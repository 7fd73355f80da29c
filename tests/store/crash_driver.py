"""Syncs in children that a test kills: `python crash_driver.py STORE BASE_URL KILLS SECONDS`.

One process imports, its children sync: a kill then costs a fork. Prints how often a child was killed before it ended.
"""

import os
import random
import signal
import sys
import time

import duckdb  # noqa: F401 - before the children are made

import nucleus_pandas as nu
from nucleus_pandas.store import crawl
from tests.store.conftest import ALL


def child(path, base_url):
    client = nu.Client("demo", "demo-token", base_url=base_url, requests_per_second=None, cache=False, max_workers=4)
    nu.sync(client, nu.EventStore(path), progress=False, **ALL)


def main(path, base_url, kills, seconds):
    crawl.BATCH, crawl._WORTH = 40, 20
    chance, killed = random.Random(20261124), 0
    while True:
        pid = os.fork()
        if not pid:
            child(path, base_url)
            os._exit(0)
        if killed == kills:
            break
        time.sleep(chance.random() * seconds)
        os.kill(pid, signal.SIGKILL)
        killed += os.waitpid(pid, 0)[1] != 0
    status = os.waitpid(pid, 0)[1]
    print(killed, status)


main(sys.argv[1], sys.argv[2], int(sys.argv[3]), float(sys.argv[4]))
