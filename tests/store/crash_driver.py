"""Children that a test kills: `python -m tests.store.crash_driver sync|forget_user STORE BASE_URL KILLS SECONDS`.

One process imports, its children work: a kill then costs a fork. Each child syncs, or forgets the next user of the
store; it is killed within so many seconds, unless it is done before. The last one is left to finish: a sync, in either
case. Prints how often a child was killed, and the status of the last one.
"""

import os
import random
import signal
import sys
import time
import warnings

import duckdb  # noqa: F401 - before the children are made

import nucleus_pandas as nu
from nucleus_pandas.store.sync import crawl
from tests.store.conftest import ALL


def child(action, path, base_url, user_id):
    warnings.simplefilter("ignore", nu.IncompleteDataWarning)
    client = nu.Client("demo", "demo-token", base_url=base_url, requests_per_second=None, cache=False, max_workers=4)
    if action == "sync":
        nu.sync(client, nu.EventStore(path), progress=False, **ALL)
    else:
        nu.forget_user(client, user_id, store=nu.EventStore(path), confirm=user_id)


def main(action, path, base_url, kills, seconds):
    crawl.BATCH, crawl._WORTH = 40, 20
    chance, killed = random.Random(20261124), 0
    victims = iter([] if action == "sync" else sys.stdin.read().split("\n"))
    while True:
        last = killed == kills
        user_id = None if last else next(victims, None)
        pid = os.fork()
        if not pid:
            child("sync" if last else action, path, base_url, user_id)
            os._exit(0)
        if last:
            break
        time.sleep(chance.random() * seconds)
        os.kill(pid, signal.SIGKILL)
        killed += os.waitpid(pid, 0)[1] != 0
    print(killed, os.waitpid(pid, 0)[1])


main(sys.argv[1], sys.argv[2], sys.argv[3], int(sys.argv[4]), float(sys.argv[5]))
