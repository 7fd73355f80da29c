"""Whether an answer shows that a user is still there, and the errors of an erasure that is not confirmed."""

from __future__ import annotations

from typing import Any

from nucleus_pandas.api.endpoints import PATHS
from nucleus_pandas.api.parsing.values import ParseProblems, texts
from nucleus_pandas.exceptions import ServiceError


def shows_user(payload: Any, user_id: str) -> bool | None:
    """Whether an answer of ``users/:userId`` is about the user; None when it is about nobody or somebody else."""
    user = payload.get("user") if isinstance(payload, dict) else None
    return True if _ids(user) & _spellings(user_id) else None


def lists_user(payload: Any, user_id: str) -> bool | None:
    """Whether a list of users holds the user; None when the user is not on it, but it may be incomplete or is empty."""
    rows = payload.get("data") if isinstance(payload, dict) else None
    if not isinstance(rows, list):
        return None
    wanted, found = _spellings(user_id), [_ids(row) for row in rows]
    if any(ids & wanted for ids in found):
        return True
    total = payload.get("total")
    if type(total) is not int or not found or not all(found):
        return None
    # Pages of a list that grows overlap, so a user who came twice counts once.
    came = {str(row.get("_id") or row.get("userId")) for row in rows}
    return False if len(came) >= total else None


def not_confirmed(status: int, *, there: bool) -> ServiceError:
    """Make the error for a success that did not erase the user, or may not have."""
    outcome = "still has the user" if there else "whether the user is gone could not be confirmed"
    return ServiceError(
        f"The service answered the erasure with HTTP {status} (DELETE {PATHS['user']}), but {outcome}. Treat "
        "the user as not erased and try again later: the service may need time. If that fails, ask its support.",
        status=status,
        endpoint=PATHS["user"],
        retryable=True,
    )


def wrong_kind_of_id() -> ServiceError:
    """Make the error for a user who is on the list, but unknown by the id in the path."""
    return ServiceError(
        f"The service does not know the user by this id (HTTP 404, {PATHS['user']}), but its list of users "
        "still holds them, so nobody was erased. It seems to expect the other kind of id: set user_path of Client; "
        "nucleus_pandas.doctor(client) finds out which.",
        status=404,
        endpoint=PATHS["user"],
    )


def _ids(user: Any) -> set[str]:
    if not isinstance(user, dict):
        return set()
    return {spelling for name in ("_id", "userId") for spelling in _spellings(user.get(name))}


def _spellings(value: Any) -> set[str]:
    """An id as it is, and as the loaders give it."""
    spelled = {value, *texts([value], ParseProblems(PATHS["users"]))} if isinstance(value, str | int | float) else set()
    return {text for text in spelled if isinstance(text, str) and text}
