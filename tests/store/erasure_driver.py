"""An erasure that kills its own process: `python erasure_driver.py STORE BASE_URL STEP`, with the id on stdin."""

import os
import signal
import sys
from pathlib import Path

import nucleus_pandas as nu
from tests.store.test_forget import STEPS


def main(path, base_url, step):
    user_id = sys.stdin.read()
    owner, name, after = STEPS[step]
    real = getattr(owner, name)

    def killed(*arguments, **named):
        if after:
            real(*arguments, **named)
        os.kill(os.getpid(), signal.SIGKILL)

    setattr(owner, name, killed)
    client = nu.Client(
        "demo", "demo-token", base_url=base_url, requests_per_second=None, cache=Path(path).with_name("cache")
    )
    nu.forget_user(client, user_id, store=nu.EventStore(path), confirm=user_id)


if __name__ == "__main__":
    main(*sys.argv[1:])
