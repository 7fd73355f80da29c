"""Install the tracking clients into a temporary folder: the pinned versions, from the registries."""

import shutil
import subprocess
import sys
from pathlib import Path

HERE = Path(__file__).parent
QUIET = ("--no-audit", "--no-fund", "--ignore-scripts")
NETWORK = ("--prefer-offline", "--fetch-timeout=20000", "--fetch-retries=0")
# The client needs callbacks as in websocket-client before 0.58, and pickledb.load, which left with 1.0.
PYTHON = ("nucleus-python==0.3.0", "websocket-client==0.57.0", "pickledb==0.9.2")


class UnavailableError(Exception):
    """Why the clients cannot be installed here."""


def install_javascript(folder):
    """Install what package.json names; return the folder with the packages."""
    npm = shutil.which("npm")
    if npm is None or shutil.which("node") is None:
        raise UnavailableError("Node.js with npm is not installed")
    folder.mkdir(exist_ok=True)
    shutil.copy(HERE / "package.json", folder)
    _run([npm, "install", *QUIET, *NETWORK], folder, "npm cannot install the tracking clients")
    return folder / "node_modules"


def install_python(folder):
    """Install nucleus-python beside this Python's own packages; return the folder."""
    command = [sys.executable, "-m", "pip", "install", "-q", "--no-input", "--disable-pip-version-check", "--target"]
    _run([*command, str(folder), *PYTHON], None, "pip cannot install nucleus-python")
    return folder


def _run(command, folder, failure):
    try:
        done = subprocess.run(command, cwd=folder, capture_output=True, text=True, timeout=120, check=False)
    except subprocess.TimeoutExpired as error:
        raise UnavailableError(f"{failure}: no answer within {error.timeout:.0f} s") from None
    if done.returncode:
        told = (line for line in done.stderr.splitlines() if "error" in line.lower())
        raise UnavailableError(f"{failure}: {next(told, 'no reason given')}")
