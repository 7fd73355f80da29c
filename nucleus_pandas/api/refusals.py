"""Whether a refused request concerns itself alone, or everything that is asked with the same token."""

from __future__ import annotations

import threading

from nucleus_pandas.api.client import Client
from nucleus_pandas.api.endpoints import PATHS
from nucleus_pandas.exceptions import (
    AuthenticationError,
    NetworkError,
    NotFoundError,
    NucleusError,
    PayloadError,
    RateLimitError,
    ServiceError,
)

#: So many different requests that are refused in a row may have a reason in common.
IN_A_ROW = 3


def may_concern_one(error: Exception) -> bool:
    """Whether an error may concern the one request alone, as when a single user is refused or never answered."""
    if isinstance(error, RateLimitError):
        return error.status is not None  # else it is this client that has too much to do
    return isinstance(error, AuthenticationError | ServiceError | NetworkError)


class Refusals:
    """Decides when refused requests end a run; safe to share between threads.

    A refused request is set aside, and the run goes on. When `IN_A_ROW` different requests are refused with no answer
    in between, a probe is sent: one cheap request. If it is answered, neither the token nor the service is to blame;
    the run goes on, and the next probe takes twice as many refusals. If not, the run ends. It also ends when the last
    of them is a 429, as more requests would only make it worse.

    `refused` sends the probe itself and may take as long as any request: do not hold a lock while calling it.
    """

    def __init__(self, client: Client) -> None:
        self._client = client
        self._lock = threading.Lock()
        self._limit = IN_A_ROW
        self._in_a_row = 0
        self._end: NucleusError | None = None

    def answered(self) -> None:
        """Note that a request was answered, if only with 404."""
        with self._lock:
            self._in_a_row, self._limit = 0, IN_A_ROW

    def refused(self, error: NucleusError) -> NucleusError | None:
        """Note that a request was refused; gives the error that ends the run, or None to go on."""
        with self._lock:  # held during the probe: requests that are refused meanwhile wait for its result
            self._in_a_row += 1
            if self._end is None and self._in_a_row >= self._limit:
                self._end = error if isinstance(error, RateLimitError) else self._probe()
                if self._end is None:
                    self._in_a_row, self._limit = 0, 2 * self._limit
            return self._end

    def _probe(self) -> NucleusError | None:
        """The error of the quick glance, if it gives one."""
        try:
            self._client.get("quick_glance", cached=False)
        except AuthenticationError as error:
            status, request_id = error.status, error.request_id
        except (NotFoundError, PayloadError):
            return None  # an answer, if not one that was wanted
        except NucleusError as error:
            text = (
                f"{self._in_a_row:,} requests in a row were refused or failed, and then {PATHS['quick_glance']}, too. "
            )
            return type(error)(
                f"{text}{error}",
                status=error.status,
                endpoint=error.endpoint,
                retry_after=error.retry_after,
                request_id=error.request_id,
                retryable=error.retryable,
            )
        else:
            return None
        return AuthenticationError(
            f"The service refused {self._in_a_row:,} requests in a row and then {PATHS['quick_glance']}, too (HTTP "
            f"{status}): it does not accept the token for this app. Check NUCLEUS_TOKEN and NUCLEUS_APP_ID, which must "
            "come from the same account.",
            status=status,
            endpoint=PATHS["quick_glance"],
            request_id=request_id,
        )
