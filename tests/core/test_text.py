"""Names and numbers in messages."""

import pytest

from nucleus_pandas.core.text import worded


@pytest.mark.parametrize(
    ("number", "expected"),
    [
        (0, "on 0 days, copies are left out"),
        (1, "on 1 day, a copy is left out"),
        (1234, "on 1,234 days, copies are left out"),
    ],
)
def test_words_agree_with_their_number(number, expected):
    assert worded("on {} [day|days], [a copy is|copies are] left out", number) == expected
