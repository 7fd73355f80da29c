"""What to say where nobody can be judged yet: a table without rates that explains itself to nobody."""

from __future__ import annotations

from nucleus_pandas.core.instants import instant_of
from nucleus_pandas.core.warnings import warn_incomplete


def warn_all_pending(rule: str, first: int, as_of: int, *, at_earliest: bool = False, advice: str = "") -> None:
    """Warn that all users are pending.

    Parameters
    ----------
    rule : str
        When a user can be judged.
    first : int
        When the first of them can be, in microseconds since 1970.
    as_of : int
        Until when the data are known.
    at_earliest : bool
        Whether `first` may be later.
    advice : str
        What else can be done.
    """
    when = "not before" if at_earliest else "by"
    warn_incomplete(
        f"No user can be counted yet: {rule} The first can be counted {when} {instant_of(first):%Y-%m-%d %H:%M} UTC, "
        f"and the data are known until {instant_of(as_of):%Y-%m-%d %H:%M} UTC.{advice}"
    )
