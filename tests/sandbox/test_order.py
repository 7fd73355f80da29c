"""However events arrive, in whatever order and however often, sessions are the same."""

import json

from hypothesis import given
from hypothesis import strategies as st

from nucleus_pandas.sandbox.collector import Collector, Limits
from nucleus_pandas.sandbox.storage import Storage

START = 1795176000000
MINUTE = 60_000
#: device, session id, minutes since the start
MOMENTS = st.tuples(st.sampled_from("ab"), st.integers(1, 2), st.integers(0, 200))


def expected_sessions(moments):
    """Walk through the minutes of each run with an init: 30 minutes without an event end a session."""
    found = []
    for run in {moment[:2] for moment in moments}:
        times = sorted(minute for *of, minute in moments if tuple(of) == run)
        begun = [times[0]]
        for minute in times[1:]:
            if minute - begun[-1] > 30:
                found.append((*run, begun[0], begun[-1], len(begun)))
                begun = []
            begun.append(minute)
        found.append((*run, begun[0], begun[-1], len(begun)))
    return sorted(found)


@given(moments=st.sets(MOMENTS, min_size=1), data=st.data())
def test_sessions_do_not_depend_on_the_order_of_arrival(moments, data):
    firsts = {run: min(minute for *of, minute in moments if tuple(of) == run) for run in {m[:2] for m in moments}}
    events = [
        {
            "type": "init" if firsts[device, session] == minute else "event",
            "name": "A",
            "id": number,
            "deviceId": device,
            "sessionId": session,
            "userId": "ana",
            "date": START + minute * MINUTE,
        }
        for number, (device, session, minute) in enumerate(sorted(moments))
    ]
    sent = data.draw(st.permutations(events)) + data.draw(st.lists(st.sampled_from(events), max_size=5))
    collector = Collector(Storage(None), Limits(), lambda: START + 1000 * MINUTE)
    for place in range(0, len(sent), 3):
        collector.receive("app", json.dumps({"data": sent[place : place + 3]}))
    sessions = collector.ask("app", lambda view, _: list(view.ledger.sessions))
    collector.close()
    assert expected_sessions(moments) == sorted(
        (
            session.session.device.device_id,
            int(session.session.session_id),
            (session.start_ms - START) // MINUTE,
            (session.end_ms - START) // MINUTE,
            len(session.events),
        )
        for session in sessions
    )
