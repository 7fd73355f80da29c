"""Messages as the official tracking clients sent them (ids changed), for where the clients cannot be installed."""

import json

import pytest

from nucleus_pandas.sandbox.messages import parse_message

MACHINE = "0035969ec53f6e7f0fb40f08cc9ed4783aa99c2000cf1ebe4187c10dd0d8370f"
STACK = {"stack": "Error: disk full\n    at Timeout._onTimeout (/home/ana/app.js:5:105)", "message": "disk full"}
OF_NODE = {"osVersion": "6.8.0", "totalRam": 23.540584564208984, "version": "0.0.0", "arch": "x64"}
BROWSER = {"sessionId": 549345, "anonId": "UIuwAZLNIOif", "deviceId": "1800870535"}
DESKTOP = {**BROWSER, "sessionId": 97413113, "moduleVersion": "1.1.1", "client": "desktop"}
PYTHON = {"appId": "a", "userId": None, "machineId": "b1f5c5b7caf866bdaddd439b331f2640", "sessionId": 6639}

NODEJS = {"appId": "a", "userId": None, "machineId": MACHINE, "sessionId": 909989}
SENT = {
    "nucleus-nodejs": [
        {"type": "init", "name": None, "date": "2026-12-01T06:08:04.381Z", "id": 802513, "payload": {"version": None}}
        | NODEJS
        | OF_NODE
        | {"client": "nodejs", "platform": "Linux", "locale": "C", "moduleVersion": "3.0.9"},
        {"type": "error", "name": "mine", "date": "2026-12-01T06:08:05.913Z", "id": 335592, "payload": STACK} | NODEJS,
        {"type": "heartbeat", "machineId": MACHINE},
    ],
    "nucleus-analytics": [
        {"type": "init", "id": 875557, "date": 1796105376290, "payload": {}}
        | BROWSER
        | {"client": "js", "platform": "Linux", "osVersion": "x86_64", "locale": "fr-FR"},
        {"type": "nucleus:view", "name": "/x", "id": 243216, "date": 1796105379603, "payload": {"q": 1}} | BROWSER,
        {"type": "event", "name": "RELOADED", "id": 815261, "date": 1796105407129} | BROWSER | {"sessionId": "549345"},
        {"type": "heartbeat"} | BROWSER,
    ],
    "electron-nucleus": [
        {"appType": "electron", "event": event, "date": "2026-12-01T01:08:26.328Z", "appId": "a", "userId": None}
        | {"sessionId": 4685, "machineId": MACHINE, "platform": "linux", "language": None, "process": "main"}
        | OF_NODE
        | {"payload": payload, "moduleVersion": "1.13.1"}
        for event, payload in (("init", None), ("error:mine", STACK), ("nucleus:beacon", None))
    ],
    "astrolytics-desktop": [
        {"type": "init", "id": 398379, "date": 1796105436158, "payload": {}, "platform": "Linux", "locale": "fr-FR"}
        | DESKTOP,
        {"type": "$pageview", "name": "/a.html", "id": 719826, "date": 1796105436709} | DESKTOP,
        {"type": "heartbeat", "name": None, "id": 118291, "date": 1796105437671, "payload": None, "userId": None}
        | DESKTOP,
    ],
    "nucleus-python": [
        {"type": "init", "name": None, "date": "2026-12-01T01:08:47.119614", "id": 9788, "payload": None}
        | PYTHON
        | {"client": "python", "platform": "Linux", "osVersion": "6.8.0", "totalRam": 25, "version": "0.0.0"}
        | {"locale": "en_US", "arch": 64, "moduleVersion": "0.3"},
        {"event": "nucleus:heartbeat", "machineId": PYTHON["machineId"]},
    ],
}


@pytest.mark.parametrize("client", SENT)
def test_what_a_client_sends_is_understood(client):
    message = parse_message(json.dumps({"data": SENT[client]}))
    assert message.rejected == []
    init = message.incoming[0].event
    assert (init.type, init.platform.lower()) == ("init", "linux")
    assert len({one.event.device_id for one in message.incoming}) == 1
    assert len({one.event.session_id for one in message.incoming} - {None}) == 1


def test_an_architecture_that_is_a_number_does_not_cost_the_session():
    message = parse_message(json.dumps({"data": SENT["nucleus-python"]}))
    assert message.incoming[0].event.arch == "64"


def test_a_client_without_ids_recognises_its_own_confirmation():
    message = parse_message(json.dumps({"confirmation": "0.818798856769813", "data": SENT["electron-nucleus"]}))
    assert message.confirmation == "0.818798856769813"
    assert [one.event.type for one in message.incoming] == ["init", "error:mine", "userid"]


def test_an_empty_message_is_understood():
    assert parse_message('{"data": []}').incoming == []
