"""Apps that use the tracking clients: processes, and pages in Chromium. Both obey the same commands."""

import http.server
import json
import os
import subprocess
import sys
import threading
from functools import partial
from pathlib import Path
from urllib.parse import urlencode

HERE = Path(__file__).parent


class Process:
    """A script in a process of its own; what the client keeps on disk is below `home`."""

    def __init__(self, command, home, **environment):
        for cache in (".cache", "Library/Caches"):  # nucleus-python does not make it
            (home / cache).mkdir(parents=True, exist_ok=True)
        kept = {name: value for name, value in os.environ.items() if not name.startswith("XDG_")}
        own = dict.fromkeys(("HOME", "USERPROFILE", "APPDATA", "LOCALAPPDATA"), str(home))
        self._process = subprocess.Popen(
            command,
            # Two of the clients report the time of the clock on the wall as if it were UTC.
            env=kept | environment | own | {"TZ": "UTC"},
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            encoding="utf-8",
        )
        self._expect("ready")

    def do(self, command, *arguments):
        """Have the app carry out one command."""
        self._process.stdin.write(json.dumps([command, *arguments]) + "\n")
        self._process.stdin.flush()
        if command != "quit":
            self._expect("done")

    def quit(self):
        """End the app."""
        if self._process.poll() is None:
            self.do("quit")
        self._process.communicate(timeout=20)

    def _expect(self, answer):
        line = self._process.stdout.readline()
        if line.strip() != answer:
            self._process.kill()
            raise RuntimeError(f"the app said {line!r} and ended: {self._process.communicate()[1][-2000:]}")


class Page:
    """A page in Chromium; what the client keeps is in the browser's context."""

    def __init__(self, context, address):
        self._page = context.new_page()
        self._page.goto(address)

    def do(self, command, *arguments):
        """Have the app carry out one command."""
        self._page.evaluate(f"given => {{ app.{command}(...given); }}", list(arguments))

    def click(self):
        """Click the page's button, which reports CLICKED."""
        self._page.click("button")

    def quit(self):
        """Close the page."""
        self._page.close(run_before_unload=False)


class Site(http.server.ThreadingHTTPServer):
    """Serves the pages, and the clients that they load, on loopback."""

    def __init__(self, packages):
        super().__init__(("127.0.0.1", 0), partial(_Files, packages))
        threading.Thread(target=self.serve_forever, daemon=True).start()

    def address(self, page, **given):
        """Where a page is, with what it is given."""
        return f"http://127.0.0.1:{self.server_address[1]}/{page}?{urlencode(given)}"


class _Files(http.server.SimpleHTTPRequestHandler):
    def __init__(self, packages, *args):
        self.packages = packages
        super().__init__(*args)

    def translate_path(self, path):
        name = path.partition("?")[0].lstrip("/")
        return str((self.packages if "/" in name else HERE) / name)

    def log_message(self, *args):
        pass


def javascript(script, packages, endpoint, app_id, home, machine=None):
    """An app of Node.js."""
    command = ["node", str(HERE / script), endpoint, app_id, *([machine] if machine else [])]
    return Process(command, home, NODE_PATH=str(packages))


def python(packages, endpoint, app_id, home, machine=None):
    """An app of Python."""
    command = [sys.executable, str(HERE / "nucleus_python.py"), endpoint, app_id, *([machine] if machine else [])]
    return Process(command, home, PYTHONPATH=str(packages))
