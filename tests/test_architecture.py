"""The house: a room imports only from rooms to its left, and importing the library brings in nothing heavy."""

import ast
import subprocess
import sys
from pathlib import Path

import pytest

PACKAGE = Path(__file__).parents[1] / "nucleus_pandas"
ROOMS = [
    "exceptions",
    "core",
    "api",
    "store",
    "stats",
    "analysis",
    "plots",
    "report",
    "demo",
    "sandbox",
    "cli",
    "__main__",
]
# Inside api: the same rule for its files.
API_FILES = [
    *("endpoints", "wording", "numbers", "durations", "windows", "columns", "csvfile", "platforms", "shapes", "frames"),
    *("counts", "people"),
    *("authorization", "http_dates", "pacing", "payloads", "redaction", "verdicts", "wire", "transport", "adapter"),
    *("lifetimes", "cachefile", "cache", "addresses", "erasure"),
    *("client", "refusals", "fanout", "loaders", "loaders_people", "doctor"),
]


def imported(path):
    """The modules of this package that a file imports, wherever in it."""
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{path}: imports are absolute"
            yield node.module or ""
        elif isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)


def modules():
    return sorted(path for path in PACKAGE.rglob("*.py") if path.parent != PACKAGE or path.stem != "__init__")


def test_every_module_lies_in_a_room():
    assert {path.relative_to(PACKAGE).parts[0].removesuffix(".py") for path in modules()} <= set(ROOMS)


@pytest.mark.parametrize("path", modules(), ids=lambda path: str(path.relative_to(PACKAGE)))
def test_a_room_imports_only_from_rooms_to_its_left(path):
    own = path.relative_to(PACKAGE).parts[0].removesuffix(".py")
    for name in imported(path):
        parts = name.split(".")
        if parts[0] != "nucleus_pandas" or own in ("cli", "__main__"):
            continue
        room = parts[1]
        assert ROOMS.index(room) <= ROOMS.index(own), f"{own} imports {name}"
        if room == own == "api" and len(parts) > 2:
            assert API_FILES.index(parts[2]) < API_FILES.index(path.stem), f"api/{path.name} imports {name}"


def test_the_made_up_app_knows_nothing_of_the_library_it_checks():
    for path in (PACKAGE / "demo").glob("*.py"):
        if path.stem != "__init__":
            names = [name for name in imported(path) if name.startswith("nucleus_pandas")]
            assert all(name.startswith("nucleus_pandas.demo") for name in names), path.name


def test_importing_the_library_brings_in_nothing_that_is_not_needed_yet():
    heavy = ["matplotlib", "duckdb", "jinja2", "requests_cache", "sqlite3", "tqdm", "http.server", "websockets"]
    code = f"import sys, nucleus_pandas; print([name for name in {heavy} if name in sys.modules])"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


def test_a_client_without_a_cache_does_not_bring_in_requests_cache():
    code = "import sys, nucleus_pandas as nu; nu.Client('a', 't', cache=False); print('requests_cache' in sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "False"


def test_every_public_name_has_a_docstring():
    import nucleus_pandas as nu

    for name in nu.__all__:
        assert getattr(nu, name).__doc__, name
