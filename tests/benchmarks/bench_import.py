"""How long the import takes, beside that of pandas and requests, each in a fresh interpreter."""

import subprocess
import sys

import pytest


def run(code):
    subprocess.run([sys.executable, "-c", code], check=True)


@pytest.mark.benchmark(group="import")
@pytest.mark.parametrize("modules", ["pandas, requests", "nucleus_pandas"])
def test_import(benchmark, modules):
    benchmark.pedantic(run, args=(f"import {modules}",), rounds=15, warmup_rounds=2)
