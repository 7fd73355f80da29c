"""The examples in the docstrings of everything public run, and give what they show."""

import doctest
import inspect

import pytest

import nucleus_pandas as nu

# An error or an address explains itself; everything else that is public shows how it is used.
PUBLIC = [
    name
    for name in nu.__all__
    if not inspect.ismodule(getattr(nu, name)) and not name.endswith(("Error", "Warning", "_URL"))
]


# They write a store, or erase somebody.
OF_THE_STORE = {"EventStore", "plan_sync", "sync", "forget_user", "export_user", "reconcile"}


@pytest.mark.parametrize("name", PUBLIC)
def test_the_example_gives_what_it_shows(request, monkeypatch, tmp_path, name):
    import matplotlib as mpl

    mpl.use("Agg")
    monkeypatch.chdir(tmp_path)
    app = request.getfixturevalue("own_app" if name in OF_THE_STORE else "shared_app")
    documented = inspect.getdoc(getattr(nu, name)) or ""
    monkeypatch.setattr(nu, "demo_client", lambda **settings: app)
    monkeypatch.setattr(app, "close", lambda: None)
    example = doctest.DocTestParser().get_doctest(documented, {"nu": nu}, name, None, None)
    assert example.examples, f"{name} has no example"
    assert doctest.DocTestRunner(optionflags=doctest.ELLIPSIS).run(example).failed == 0
