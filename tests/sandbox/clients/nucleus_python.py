"""An app with nucleus-python: endpoint, app id and, for a second machine, its id. Commands are as in commands.cjs."""

import json
import sys
import time

import nucleus
import nucleus.client


def track(name, data=None):
    nucleus.track(name, data)


def caught(message):
    try:
        raise ValueError(message)
    except ValueError as error:
        nucleus.track_error(error)


def identify(user, props=None):
    nucleus.set_user_id(user)  # set_props calls dict.iteritems, which Python 3 does not have


def acknowledged():
    """Wait until nothing is left to send: an event during that is lost, as two threads change the client's queue."""
    while nucleus.current_client.queue:
        time.sleep(0.01)
    time.sleep(0.1)


endpoint, nucleus.app_id, *machine = sys.argv[1:]
if machine:
    nucleus.client.machine_id = machine[0]
nucleus.api_url = f"ws://{endpoint}"
nucleus.report_interval = 3  # the client reports at the start, and once more after this many seconds
nucleus.app_started()
print("ready", flush=True)
for line in sys.stdin:
    name, *given = json.loads(line)
    if name == "quit":
        break
    {"track": track, "caught": caught, "identify": identify, "acknowledged": acknowledged}[name](*given)
    print("done", flush=True)
