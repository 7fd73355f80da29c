"""A funnel as the definitions put it, by trying everything: slow, and plainly right."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import groupby, permutations, product

HOUR = 1


@dataclass(frozen=True)
class Event:
    """Something that a user did; the time is in hours."""

    user: str
    time: int
    name: str
    session: str | None = None

    @property
    def system(self):
        return self.name.startswith("nucleus:")


@dataclass(frozen=True)
class Asked:
    """A question; steps are sets of names, exclusions (names, from step, to step)."""

    steps: tuple
    window: int | None
    order: str
    entry: str
    exclude: tuple
    on_exclude: str
    ties: str
    start: int | None
    end: int | None
    as_of: int
    include_pending: bool


def slow_funnel_users(events, asked):
    """(user, entered, depth, times, status) of everybody who entered."""
    found = {}
    for user in sorted({event.user for event in events}):
        standing = stands_for([event for event in events if event.user == user], asked)
        if standing is not None:
            found[user] = standing
    return found


def stands_for(events, asked):
    """The attempt that stands for a user: (entered, depth, times, status)."""
    # Two sessions can be entered at one instant: then by the order in which the events were received.
    attempts = sorted(all_attempts(events, asked), key=lambda attempt: (attempt["entered"], attempt["place"]))
    if asked.entry == "first":
        attempts = attempts[:1]
    old = [attempt for attempt in attempts if attempt["over"] <= asked.as_of - 48 * HOUR]
    eligible = attempts if asked.include_pending or not old else old
    if not eligible:
        return None
    best = max(eligible, key=lambda attempt: attempt["depth"])  # of several the first
    if best not in old and not asked.include_pending:
        status = "pending"
    elif best["spoiled"]:
        status = "excluded"
    elif best["depth"] == len(asked.steps):
        status = "converted"
    else:
        status = "dropped" if best in old else "pending"
    return best["entered"], best["depth"], best["times"][: best["depth"]], status


def all_attempts(events, asked):
    """The attempts of a user: one for each instant with an entry, in each session if that is the window."""
    if asked.window is not None:
        yield from attempts_in(events, events, asked, None)
        return
    for session in {event.session for event in events} - {None}:
        inside = [event for event in events if event.session == session]
        known = [event.time for event in inside if event.time <= asked.as_of]
        # A session is over when there was nothing in it for 30 minutes, as far as is known.
        yield from attempts_in(events, inside, asked, max(known, default=0) + 0.5 * HOUR)


def attempts_in(received, events, asked, over):
    for time in sorted({event.time for event in events}):
        if not (asked.start is None or time >= asked.start) or not (asked.end is None or time < asked.end):
            continue
        window_over = time + asked.window if over is None else over
        limit = min(window_over, asked.as_of)
        if time > asked.as_of:
            continue
        reached = best_chain([event for event in events if time <= event.time <= limit], time, asked)
        if reached:
            depth, spoiled = judge(events, reached, limit, asked)
            entries = asked.steps if asked.order == "any" else asked.steps[:1]
            place = min(
                received.index(event)
                for event in events
                if event.time == time and any(event.name in step for step in entries)
            )
            told = {"entered": time, "place": place, "over": window_over}
            yield told | {"depth": depth, "times": reached, "spoiled": spoiled}


def best_chain(events, entered, asked):
    """The times at which steps are made by an attempt that begins at an instant: as many as can be, as early as can be.

    Events of one instant satisfy either order, so every order of them is tried.
    """
    instants = [list(same) for _, same in groupby(sorted(events, key=lambda e: e.time), key=lambda e: e.time)]
    best = ()
    for orders in product(*(set(permutations(same)) for same in instants)):
        line = [event for order in orders for event in order]
        for place, event in enumerate(line):
            if event.time == entered:
                chain = CHAINS[asked.order](line[place:], asked.steps, asked.ties == "strict")
                best = max(best, chain, key=lambda times: (len(times), [-time for time in times]))
    return best


def ordered_chain(line, steps, later):
    if line[0].name not in steps[0]:
        return ()
    times = [line[0].time]
    for event in line[1:]:
        if len(times) < len(steps) and event.name in steps[len(times)] and (not later or event.time > times[-1]):
            times.append(event.time)
    return tuple(times)


def strict_chain(line, steps, later):
    if line[0].name not in steps[0]:
        return ()
    wanted = {name for step in steps for name in step}
    line = [event for event in line if not event.system or event.name in wanted]
    times = []
    for event, step in zip(line, steps, strict=False):
        if event.name not in step or (later and times and event.time == times[-1]):
            break
        times.append(event.time)
    return tuple(times)


def any_chain(line, steps, later):
    """Every way to let the first event, and then each other or not, be a step that is still to be made."""

    def ways(place, left, times):
        if place == len(line):
            yield tuple(times)
            return
        event = line[place]
        if place:
            yield from ways(place + 1, left, times)
        if not (later and times and event.time == times[-1]):
            for step in left:
                if event.name in steps[step]:
                    yield from ways(place + 1, left - {step}, [*times, event.time])

    found = list(ways(0, frozenset(range(len(steps))), []))
    deepest = max(map(len, found), default=0)
    return tuple(min(times[n] for times in found if len(times) > n) for n in range(deepest))


CHAINS = {"ordered": ordered_chain, "strict": strict_chain, "any": any_chain}


def judge(events, reached, limit, asked):
    """How many steps count, and whether an excluded event spoils the attempt."""
    spoilers = []
    for names, first, last in asked.exclude:
        if len(reached) < first:
            continue
        begin = reached[first - 1]
        for event in events:
            if event.name in names and event.time > begin:
                inside = event.time < reached[last - 1] if len(reached) >= last else event.time <= limit
                if inside:
                    spoilers.append(event.time)
    if not spoilers:
        return len(reached), False
    if asked.on_exclude == "drop":
        return 0, True
    return sum(time <= min(spoilers) for time in reached), True
