"""A warning points at the line of the user's code that led to it."""

import warnings

import pytest

from nucleus_pandas.core.warnings import warn, warn_incomplete
from nucleus_pandas.exceptions import CacheWarning, IncompleteDataWarning


def test_a_warning_points_at_the_caller():
    with pytest.warns(IncompleteDataWarning, match="gap") as caught:
        warn_incomplete("gap")
    assert caught[0].filename == __file__


def test_frames_of_the_library_and_of_what_it_sends_requests_with_are_skipped():
    names = {"__name__": "nucleus_pandas.api.client", "warn": warn, "category": CacheWarning}
    exec("def ask():\n    warn('damaged', category)", names)
    between = {"__name__": "requests_cache.session", "ask": names["ask"]}
    exec("def send():\n    ask()", between)
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        between["send"]()
    assert [one.filename for one in caught] == [__file__]
