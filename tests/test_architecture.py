"""Importing the library brings in nothing heavy; which layer may import which is checked by import-linter."""

import subprocess
import sys


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
