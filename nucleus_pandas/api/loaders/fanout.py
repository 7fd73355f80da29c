"""Many requests of one kind: over threads, with a bar, in a stable order. Ends early when the service refuses them."""

from __future__ import annotations

import importlib
import importlib.util
import sys
import threading
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor, as_completed
from dataclasses import dataclass, field
from typing import Any, Generic, TypeVar

from nucleus_pandas.api.client import Client
from nucleus_pandas.api.refusals import Refusals, may_concern_one
from nucleus_pandas.exceptions import NotFoundError, NucleusError, PayloadError, UnaskableError

T = TypeVar("T")


#: So many answers of another shape, and none of the right one, are no matter of single users.
_ALL_WRONG = 5


@dataclass
class Harvest(Generic[T]):
    """What came of the requests 0, 1, 2, …; those in none of the dicts were not sent, or given up.

    The service refused or failed to answer those in `refused`.
    """

    answers: dict[int, T] = field(default_factory=dict)
    refused: dict[int, NucleusError] = field(default_factory=dict)
    vanished: dict[int, Exception] = field(default_factory=dict)
    unaskable: dict[int, Exception] = field(default_factory=dict)
    unreadable: dict[int, Exception] = field(default_factory=dict)
    error: NucleusError | None = None

    @property
    def set_apart(self) -> dict[int, Exception]:
        """The requests that will not be answered another time either."""
        return self.vanished | self.unaskable | self.unreadable


def fetch_all(
    fetch: Callable[[int], T],
    count: int,
    client: Client,
    *,
    label: str = "",
    progress: bool = False,
    all_needed: bool = False,
) -> Harvest[T]:
    """Call `fetch` for 0 … `count` - 1 from several threads.

    Requests that are answered with 404 or with another shape, that no path can carry, or that the service refuses while
    it answers others (see `Refusals`) are set apart. Any other error ends the run: nothing further is sent, and the
    answers so far are kept. With `all_needed`, the first refusal ends it, too.
    """
    harvest: Harvest[T] = Harvest()
    refusals = Refusals(client)
    stop = threading.Event()
    threads: set[int] = set()

    def ask(index: int) -> T | None:
        threads.add(threading.get_ident())
        if stop.is_set():
            return None
        try:
            answer = fetch(index)
        except NotFoundError:
            refusals.answered()
            raise
        except PayloadError:
            raise
        except NucleusError as error:
            problem = error
        else:
            refusals.answered()
            return answer
        if stop.is_set():  # given up, most likely
            return None
        end: NucleusError | None = problem
        if may_concern_one(problem) and not all_needed:
            harvest.refused[index] = problem
            end = refusals.refused(problem)
        if end is None:
            return None
        stop.set()  # here, as the others would send more until the main thread has heard of it
        raise end

    pool = ThreadPoolExecutor(client.max_workers, thread_name_prefix="nucleus-pandas")
    try:
        futures = {pool.submit(ask, index): index for index in range(count)}
        with progress_bar(count, label, progress) as bar:
            for future in as_completed(futures):
                _put(future, futures.pop(future), harvest)
                if harvest.error is not None:
                    stop.set()
                    client.give_up(threads)
                bar.update()
    except BaseException:  # Ctrl-C, most likely
        stop.set()
        client.give_up(threads)
        raise
    finally:
        pool.shutdown(wait=False)
    harvest.answers = dict(sorted(harvest.answers.items()))
    harvest.refused = dict(sorted(harvest.refused.items()))
    return harvest


def _put(future: Future[T | None], index: int, harvest: Harvest[T]) -> None:
    try:
        answer = future.result()
    except NotFoundError as error:
        harvest.vanished[index] = error
    except UnaskableError as error:
        harvest.unaskable[index] = error
    except PayloadError as error:
        harvest.unreadable[index] = error
        if not harvest.answers and len(harvest.unreadable) >= _ALL_WRONG:
            harvest.error = harvest.error or error
    except NucleusError as error:
        harvest.error = harvest.error or error
    else:
        if answer is not None:
            harvest.answers[index] = answer


def progress_bar(total: int, label: str, progress: bool, *, delay: float = 0) -> Any:
    """A bar in a notebook or a terminal, none in a log; tqdm.auto complains where ipywidgets is not there.

    What is over before `delay` seconds has none.
    """
    module = importlib.import_module("tqdm.auto" if importlib.util.find_spec("ipywidgets") else "tqdm")
    in_notebook = "ipykernel" in sys.modules
    # None: only in a terminal.
    disable = True if not progress else False if in_notebook else None
    return module.tqdm(total=total, desc=label, leave=False, disable=disable, delay=delay)
