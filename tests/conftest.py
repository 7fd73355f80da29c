"""What many tests share: made-up apps whose data span every change of the clocks in 2026, behind real sockets."""

import datetime as dt
import signal
import sys
import uuid
from collections.abc import Iterator

import hypothesis
import platformdirs
import pytest

from nucleus_pandas.demo import DemoClient
from nucleus_pandas.demo.build import build_app
from nucleus_pandas.demo.model import DemoApp
from nucleus_pandas.demo.service import DemoService

# How long an example takes says nothing on a busy machine.
hypothesis.settings.register_profile("steady", deadline=None)
hypothesis.settings.load_profile("steady")

AUTUMN = dt.datetime(2026, 11, 20, 12, tzinfo=dt.UTC)
SPRING = dt.datetime(2026, 5, 20, 12, tzinfo=dt.UTC)


@pytest.fixture(autouse=True, scope="session")
def interrupts_arrive() -> Iterator[None]:
    """Lets SIGINT interrupt tests and their children, also where the parent ignores it, such as below nohup."""
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    yield
    signal.signal(signal.SIGINT, before)


@pytest.fixture(autouse=True)
def no_figure_stays_open() -> Iterator[None]:
    """Closes what a test drew; a test that draws nothing need not bring in Matplotlib."""
    yield
    if "matplotlib.pyplot" in sys.modules:
        sys.modules["matplotlib.pyplot"].close("all")


@pytest.fixture(autouse=True)
def user_cache_folder(monkeypatch, tmp_path_factory):
    """Gives each test a user's cache folder of its own, which is made when it is used; other processes get it, too."""
    folder = tmp_path_factory.getbasetemp() / f"user-cache-{uuid.uuid4().hex}"
    monkeypatch.setenv("XDG_CACHE_HOME", str(folder))
    monkeypatch.setattr(platformdirs, "user_cache_dir", lambda name, **_: str(folder / name))
    return folder / "nucleus_pandas"


@pytest.fixture(scope="session")
def autumn_app() -> DemoApp:
    """Half a year that ends on 22 November 2026."""
    return build_app(end=dt.date(2026, 11, 22))


@pytest.fixture(scope="session")
def spring_app() -> DemoApp:
    """Half a year that ends on 24 May 2026."""
    return build_app(end=dt.date(2026, 5, 24))


@pytest.fixture(scope="session")
def shared_app(autumn_app: DemoApp) -> Iterator[DemoClient]:
    """A client for tests that only read; it is 20 November 2026, noon UTC."""
    with DemoClient(DemoService(autumn_app, as_of=AUTUMN)) as client:
        yield client


@pytest.fixture
def own_app() -> Iterator[DemoClient]:
    """A small app that a test may change or break."""
    with DemoClient(DemoService(build_app(scale=0.02, end=dt.date(2026, 11, 22)), as_of=AUTUMN)) as client:
        yield client


@pytest.fixture
def empty_app() -> Iterator[DemoClient]:
    """An app that nobody has used yet."""
    app = build_app(scale=0.02, end=dt.date(2026, 11, 22))
    nobody = DemoApp([], [], [], app.start, app.end, app.planted)
    with DemoClient(DemoService(nobody, as_of=AUTUMN)) as client:
        yield client
