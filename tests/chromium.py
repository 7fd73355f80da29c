"""The Chromium to test in."""

import shutil
from pathlib import Path

GET = "python -m pip install -e '.[test,browser]' && python -m playwright install chromium (or that of your system)"


def launch(started):
    """Start the one that Playwright fetched, or one of the system; None if there is none."""
    names = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable", "msedge")
    own = started.chromium.executable_path
    path = own if Path(own).exists() else next(filter(None, map(shutil.which, names)), None)
    # The pages are those of these tests, and the sandbox does not start for root, or in most containers.
    return path and started.chromium.launch(executable_path=path, args=["--no-sandbox"])
