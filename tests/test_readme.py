"""What the README and the user guide promise: their commands, their code, what they name."""

import os
import re
from pathlib import Path

import pytest

import nucleus_pandas as nu

ROOT = Path(__file__).parents[1]
README = (ROOT / "README.md").read_text(encoding="utf-8")


def test_the_gate_runs_the_test_command_of_the_readme():
    (pattern,) = re.findall(r'grep -m1 -E "([^"]+)" README\.md', (ROOT / ".ci" / "run").read_text(encoding="utf-8"))
    commands = re.findall(pattern, README, re.MULTILINE)
    assert len(commands) == 1
    assert os.access(ROOT / ".ci" / "run", os.X_OK)


@pytest.mark.parametrize(("page", "made"), [("README.md", ["daily", "steps"]), ("docs/user-guide.md", ["log", "kept"])])
def test_the_code_of_the_page_runs(own_app, monkeypatch, tmp_path, page, made):
    import matplotlib as mpl

    mpl.use("Agg")
    monkeypatch.setattr(nu, "demo_client", lambda: own_app)
    monkeypatch.chdir(tmp_path)
    names: dict[str, object] = {}
    for code in re.findall(r"```python\n(.*?)```", (ROOT / page).read_text(encoding="utf-8"), re.DOTALL):
        exec(compile(code, page, "exec"), names)
    assert all(len(names[name]) > 0 for name in made)
    assert len(names["daily"]) == 61


def test_the_readme_is_short():
    assert len(README.splitlines()) < 150


def test_the_user_guide_lists_its_sections_in_order_and_has_every_loader():
    guide = (ROOT / "docs" / "user-guide.md").read_text(encoding="utf-8")
    assert re.findall(r"^- \[(.+\?)\]\(#", guide, re.MULTILINE) == re.findall(r"^## (.+)$", guide, re.MULTILINE)
    loaders = {name for name in nu.__all__ if name.startswith("load_")}
    assert set(re.findall(r"`(load_\w+)\(client", guide)) == loaders


def test_readme_and_docs_name_everything_public_but_the_exceptions():
    pages = README + "".join(page.read_text(encoding="utf-8") for page in (ROOT / "docs").glob("*.md"))
    public = {name: getattr(nu, name) for name in nu.__all__}
    exceptions = {name for name, value in public.items() if isinstance(value, type) and issubclass(value, Exception)}
    named = {name for name in public if re.search(rf"(?:`|nu\.){name}\b", pages)}
    assert named >= {name for name, value in public.items() if callable(value)} - exceptions
