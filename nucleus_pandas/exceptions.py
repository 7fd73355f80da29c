"""What can go wrong, and what can be missing.

Everything that is the service's or the store's doing derives from `NucleusError`; a bad argument is a plain
`ValueError` or `TypeError`. No message holds a token or the id of a person.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import pandas as pd


class NucleusError(Exception):
    """Trouble with the service, with the settings for it, or with a store.

    Attributes
    ----------
    status : int or None
        The HTTP status, if there was an answer.
    endpoint : str or None
        The endpoint as the reference writes it, such as ``users/:userId``: placeholders, never values.
    retry_after : float or None
        Seconds that the service asked to wait.
    request_id : str or None
        What the service calls the request, if it told: for its support.
    retryable : bool
        Whether the same call may succeed later, unchanged.
    partial, remaining : pandas.DataFrame or None
        For a load over many users or sessions that ended early: what came, as the loader would have
        returned it, and the rows of its argument that are still to be asked for, last those that the service
        refused. Pass `remaining` to the same loader to go on.
    """

    def __init__(
        self,
        message: str,
        *,
        status: int | None = None,
        endpoint: str | None = None,
        retry_after: float | None = None,
        request_id: str | None = None,
        retryable: bool = False,
        partial: pd.DataFrame | None = None,
        remaining: pd.DataFrame | None = None,
    ) -> None:
        super().__init__(message)
        self.status = status
        self.endpoint = endpoint
        self.retry_after = retry_after
        self.request_id = request_id
        self.retryable = retryable
        self.partial = partial
        self.remaining = remaining


class ConfigurationError(NucleusError, ValueError):
    """A setting is missing or cannot be right; nothing was sent."""


class AuthenticationError(NucleusError):
    """The service refused a request (401, 403), or answered with an error in place of data.

    Whether it refuses the token or this request alone, the message says as far as that is known.
    """


class NotFoundError(NucleusError):
    """The service does not know what was asked for (404)."""


class RateLimitError(NucleusError):
    """The service wants fewer requests (429), or a longer wait than a call makes; `retry_after` tells how long."""


class ServiceError(NucleusError):
    """The service answered with an error, or with a redirect."""


class NetworkError(NucleusError):
    """No whole answer arrived: no connection, a time-out, or a connection lost in the middle."""


class PayloadError(NucleusError):
    """An answer arrived, but not of the shape that the endpoint is known to have."""


class StoreError(NucleusError):
    """A store cannot be used as it is: not there, damaged, of another app, on a full disk; nothing in it was lost."""


class StoreLockedError(StoreError):
    """Another program, or another part of this one, has the store open and did not close it in time."""


class UnaskableError(ValueError):
    """An id that no path can carry, so that the service cannot be asked about it; nothing was sent."""


class IncompleteDataWarning(UserWarning):
    """The frame is usable, but something is known to be missing from it; the message says what."""


class CacheWarning(UserWarning):
    """The cache of answers is of no use, or was begun afresh, or could not be emptied; the message says why."""
