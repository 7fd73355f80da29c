"""What the README promises: its commands, its code, its table of loaders."""

import os
import re
from pathlib import Path

import nucleus_pandas as nu

ROOT = Path(__file__).parents[1]
README = (ROOT / "README.md").read_text(encoding="utf-8")


def test_the_gate_runs_the_test_command_of_the_readme():
    (pattern,) = re.findall(r'grep -m1 -E "([^"]+)" README\.md', (ROOT / ".ci" / "run").read_text(encoding="utf-8"))
    commands = re.findall(pattern, README, re.MULTILINE)
    assert len(commands) == 1
    assert os.access(ROOT / ".ci" / "run", os.X_OK)


def test_the_code_of_the_readme_runs(own_app, monkeypatch, tmp_path):
    import matplotlib as mpl

    mpl.use("Agg")
    monkeypatch.setattr(nu, "demo_client", lambda: own_app)
    monkeypatch.chdir(tmp_path)
    names: dict[str, object] = {}
    for code in re.findall(r"```python\n(.*?)```", README, re.DOTALL):
        exec(compile(code, "README.md", "exec"), names)
    assert len(names["log"]) > 0
    assert len(names["daily"]) == 61


def test_readme_and_docs_name_everything_public_but_the_exceptions():
    pages = README + "".join(page.read_text(encoding="utf-8") for page in (ROOT / "docs").glob("*.md"))
    public = {name: getattr(nu, name) for name in nu.__all__}
    exceptions = {name for name, value in public.items() if isinstance(value, type) and issubclass(value, Exception)}
    named = {name for name in public if re.search(rf"(?:`|nu\.){name}\b", pages)}
    assert named >= {name for name, value in public.items() if callable(value)} - exceptions


def test_every_file_that_the_readme_points_at_is_there():
    links = re.findall(r"\]\((?!http)([^)]+)\)", README)
    assert len(links) > 2
    assert all((ROOT / link).exists() for link in links)
