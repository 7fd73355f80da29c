"""What the pages of docs/ promise: their code, their commands, their plan."""

import argparse
import datetime as dt
import re
import shlex
import tomllib
from pathlib import Path

import pytest
import requests

import nucleus_pandas as nu
from nucleus_pandas.analysis.tracking_plan import read_plan
from nucleus_pandas.cli.main import _parser

ROOT = Path(__file__).parents[1]
DOCS = ROOT / "docs"
PACKAGE = ROOT / "nucleus_pandas"
PAGES = sorted(DOCS.glob("*.md"))
TOP = [ROOT / name for name in ("README.md", "CONTRIBUTING.md", "SECURITY.md")]


def blocks(page, language):
    return re.findall(rf"```{language}\n(.*?)```", (DOCS / page).read_text(encoding="utf-8"), re.DOTALL)


def anchors(page):
    """The anchors of a page, as GitHub makes them of headings."""
    headings = re.findall(r"^#+ (.+)$", page.read_text(encoding="utf-8"), re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-") for heading in headings}


@pytest.mark.parametrize("page", [*PAGES, *TOP], ids=lambda page: page.name)
def test_every_page_and_anchor_that_a_page_links_to_exists(page):
    links = re.findall(r"\]\((?!http)([^)#]*)(?:#([^)]+))?\)", page.read_text(encoding="utf-8"))
    for name, anchor in links:
        target = page.parent / name if name else page
        assert target.exists(), name
        assert not anchor or anchor in anchors(target), anchor


def test_every_definition_that_the_code_cites_exists():
    known = anchors(DOCS / "definitions.md")
    code = "".join(path.read_text(encoding="utf-8") for path in PACKAGE.rglob("*.py"))
    cited = set(re.findall(r"docs/definitions\.md#([\w-]+)", code))
    assert len(cited) > 5
    assert cited <= known
    assert "of the definitions" not in code


def test_the_folders_that_pages_name_exist():
    for page in (DOCS / "architecture.md", ROOT / "CONTRIBUTING.md"):
        named = re.findall(r"`((?:\w+/)+(?:\w+\.py)?)`", page.read_text(encoding="utf-8"))
        assert len(named) > 10
        assert not [name for name in named if not ((PACKAGE / name).exists() or (ROOT / name).exists())]


def test_pre_commit_runs_the_linters_of_the_gate():
    hooks = re.findall(r"entry: (\S+)", (ROOT / ".pre-commit-config.yaml").read_text(encoding="utf-8"))
    gate = (ROOT / ".ci" / "run").read_text(encoding="utf-8")
    assert set(hooks) == set(re.findall(r"\.venv/bin/(ruff|codespell|lint-imports|mypy)", gate))


@pytest.mark.parametrize("page", ["sandbox.md", "testing-your-tracking.md", "user-guide.md"])
def test_commands_in_a_page_can_be_parsed(page, monkeypatch):
    def refuse(self, message):
        raise AssertionError(message)

    monkeypatch.setattr(argparse.ArgumentParser, "error", refuse)
    commands = re.findall(r"nucleus-pandas ([a-z-]+ ?[^`>&|\n]*)", (DOCS / page).read_text(encoding="utf-8"))
    assert commands
    for command in commands:
        if command != "sync":  # named in a sentence
            _parser().parse_args(shlex.split(command))


def test_the_plan_of_the_page_is_one():
    plans = blocks("testing-your-tracking.md", "toml")
    assert len(plans) == 1
    assert list(read_plan(tomllib.loads(plans[0])).events) == ["PROJECT_CREATED", "EXPORT_PDF"]


def test_the_end_to_end_test_of_the_page_is_short():
    code = [block for language in ("toml", "js", "yaml") for block in blocks("testing-your-tracking.md", language)]
    assert sum(len(block.splitlines()) for block in code) < 80


def test_the_code_of_the_page_draws_the_funnel_of_what_arrived(monkeypatch, tmp_path):
    pytest.importorskip("websockets")
    import matplotlib as mpl

    mpl.use("Agg")
    monkeypatch.chdir(tmp_path)
    (code,) = [block for block in blocks("sandbox.md", "py") if "nu.funnel" in block]
    with nu.Sandbox() as sandbox:
        for name, value in (("APP_ID", "my-app"), ("TOKEN", sandbox.token), ("BASE_URL", sandbox.base_url)):
            monkeypatch.setenv(f"NUCLEUS_{name}", value)
        for user, clicks in (("ana", ["OPEN", "EDIT", "EXPORT"]), ("bob", ["OPEN"])):
            same = {"sessionId": 1234, "deviceId": user, "userId": user}
            events = [{"type": "init", **same}, *({"name": name, **same} for name in clicks)]
            for seconds, event in enumerate(events):  # a minute ago: the funnel looks at what was there before the sync
                event["date"] = (sandbox.now() - dt.timedelta(seconds=60 - seconds)).isoformat()
            url = f"{sandbox.endpoint.replace('ws', 'http', 1)}/app/my-app/track"
            requests.post(url, json={"data": events}, timeout=10).raise_for_status()
        names: dict[str, object] = {}
        exec(compile(code, "funnel.py", "exec"), names)
    assert names["steps"]["users"].tolist() == [2, 2, 1, 1]
    assert (tmp_path / "funnel.png").stat().st_size > 0
