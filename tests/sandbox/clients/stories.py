"""An app and its user, with each of the tracking clients: what happens, and what must have arrived afterwards."""

import time
from dataclasses import dataclass, field

import nucleus_pandas as nu
from tests.sandbox.clients import apps
from tests.sandbox.clients.relay import Relay

APP = "maquette"
ANA = "ana@example.org"
OPENED = {"pages": 3, "scale": 1.5, "format": "A4 ☕", "shared": True}
PROPS = {"plan": "pro", "seats": 3, "trial": False}
PATIENCE = 60  # seconds
NUDGE = "NUDGE"


@dataclass(frozen=True)
class Kind:
    """A tracking client, and what it can do.

    ``start(tools, endpoint, home, machine)`` starts an app; with ``machine`` None on the first of its machines.
    ``unhandled`` are the names under which it reports errors that nobody caught. ``keeps_unsent``: events that were not
    sent when the app ends are sent after its next start. ``needs_nudge``: it reports when something happens, and never
    tries again by itself. ``spoils_user_id``: after a restart the client reports the
    user's id in quotation marks.
    """

    start: object
    unhandled: tuple = ()
    has_pages: bool = True
    has_props: bool = True
    keeps_unsent: bool = True
    needs_nudge: bool = False
    spoils_user_id: bool = False
    in_browser: bool = False


def node(script, **more):
    """A client in an app of Node.js."""

    def start(tools, endpoint, home, machine=None):
        return apps.javascript(script, tools["packages"], endpoint, APP, tools["folder"] / home, machine)

    return Kind(start, ("uncaughtException", "unhandledRejection"), **more)


def browser(page, *unhandled, **more):
    """A client in a page."""

    def start(tools, endpoint, home, machine=None):
        given = {"app": APP, "endpoint": endpoint, "timeout": 1000} | ({"device": machine} if machine else {})
        return apps.Page(tools["contexts"][home], tools["site"].address(page, **given))

    return Kind(start, unhandled, in_browser=True, **more)


def start_python(tools, endpoint, home, machine=None):
    """An app of Python."""
    return apps.python(tools["python"], endpoint, APP, tools["folder"] / home, machine)


KINDS = {
    "nucleus-nodejs": node("nucleus_nodejs.cjs", has_pages=False),
    "nucleus-analytics in Node.js": node("nucleus_analytics.cjs"),
    "electron-nucleus": node(
        "electron_nucleus.cjs", has_pages=False, has_props=False, keeps_unsent=False, needs_nudge=True
    ),
    "nucleus-analytics in Chromium": browser("nucleus_analytics.html", "windowError"),
    "astrolytics-desktop in Chromium": browser(
        "astrolytics_desktop.html", "windowError", "unhandledRejection", keeps_unsent=False, spoils_user_id=True
    ),
    "nucleus-python": Kind(start_python, has_pages=False, has_props=False),
}


class Scene:
    """An app's sandbox and the network between the two."""

    def __init__(self, folder):
        self.folder = folder
        self.relay = Relay()
        self.sandbox = None
        self.start_sandbox()

    def start_sandbox(self):
        """Start the sandbox again, on another port and with the same data."""
        if self.sandbox is not None:
            self.sandbox.stop()
        self.sandbox = nu.Sandbox(self.folder / "sandbox.db").start()
        self.relay.target = self.sandbox.port

    def await_event(self, event, times=1, nudged=None):
        """Wait until an event has arrived so often; have an app that needs it report something else meanwhile."""
        client = self.sandbox.client(APP)
        start = last = time.monotonic()
        while (nu.load_live_events(client)["event"] == event).sum() < times:
            now = time.monotonic()
            if now > start + PATIENCE:
                raise TimeoutError(f"{event} has not arrived within {PATIENCE} s")
            if nudged and now > last + 2:
                nudged.do("track", NUDGE)
                last = now
            time.sleep(0.05)

    def close(self):
        """End it."""
        self.relay.close()
        self.sandbox.stop()


@dataclass
class Told:
    """A finished story: the scene, and for each session the names of the app's own events, in order."""

    scene: Scene
    sessions: list = field(default_factory=list)


def tell(kind, tools):
    """Use an app on two machines, and lose the network, the sandbox and answers in between."""
    scene = Scene(tools["folder"])
    relay = scene.relay
    first = ["OPENED", "SIGNED_IN", "OFFLINE", "OFFLINE", "BACK", "ONCE", "AFTER"]

    def arrived(event):
        scene.await_event(event, nudged=app if kind.needs_nudge else None)

    app = kind.start(tools, relay.endpoint, "home")
    app.do("track", "OPENED", OPENED)
    app.do("caught", "disk full")
    if kind.has_pages:
        app.do("page", "/editor")
    for _, command in zip(kind.unhandled, ("uncaught", "rejected"), strict=False):
        app.do(command, "nobody expects this")
    arrived("OPENED")
    app.do("identify", ANA, PROPS)
    app.do("track", "SIGNED_IN")
    arrived("SIGNED_IN")

    relay.go_offline()
    app.do("track", "OFFLINE", {"n": 1})
    app.do("track", "OFFLINE", {"n": 2})
    scene.start_sandbox()
    app.do("track", "BACK")
    arrived("BACK")

    relay.loses_answers = True
    app.do("track", "ONCE")
    arrived("ONCE")
    relay.loses_answers = False
    app.do("track", "AFTER")
    arrived("AFTER")

    relay.go_offline()
    app.do("track", "UNSENT")
    if kind.keeps_unsent:
        first.append("UNSENT")
        time.sleep(1.5)  # nucleus-nodejs writes it down when it is to report next
    app.quit()
    relay.target = scene.sandbox.port
    app = kind.start(tools, relay.endpoint, "home")
    app.do("track", "AGAIN")
    arrived("AGAIN")
    app.quit()

    sign_in_elsewhere(kind.start(tools, relay.endpoint, "another home", "another-machine"), scene)
    return Told(scene, [first, ["AGAIN"], ["ELSEWHERE"]])


def tell_with_python(kind, tools):
    """The same with a client that reports only when the app starts, and once more a little later."""
    scene = Scene(tools["folder"])
    relay, arrived = scene.relay, scene.await_event

    app = kind.start(tools, relay.endpoint, "home")
    app.do("acknowledged")
    app.do("track", "OPENED", OPENED)
    app.do("caught", "disk full")
    app.do("identify", ANA)
    app.do("track", "SIGNED_IN")
    arrived("SIGNED_IN")
    app.do("acknowledged")
    relay.go_offline()
    app.do("track", "OFFLINE", {"n": 1})
    app.do("track", "OFFLINE", {"n": 2})
    app.quit()

    scene.start_sandbox()
    relay.loses_answers = True
    app = kind.start(tools, relay.endpoint, "home")
    arrived("OFFLINE", 2)
    app.quit()
    relay.loses_answers = False
    app = kind.start(tools, relay.endpoint, "home")
    app.do("acknowledged")
    app.do("track", "AGAIN")
    arrived("AGAIN")
    app.quit()

    app = kind.start(tools, relay.endpoint, "another home", "another-machine")
    app.do("acknowledged")
    sign_in_elsewhere(app, scene)
    return Told(scene, [["OPENED", "SIGNED_IN", "OFFLINE", "OFFLINE"], [], ["AGAIN"], ["ELSEWHERE"]])


def sign_in_elsewhere(app, scene):
    """Let the same user sign in on another machine."""
    app.do("identify", ANA, PROPS)
    app.do("track", "ELSEWHERE")
    scene.await_event("ELSEWHERE")
    app.quit()
