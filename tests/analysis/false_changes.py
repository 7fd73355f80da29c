"""How often a comparison calls a share of events a clear change where nothing changed.

``python -m tests.analysis.false_changes`` prints, for made-up users each of whom has habits of their own, per cent of
pairs of breakdowns with at least one clear change, and of those that would have one if events counted instead of users.
It takes about a minute. ``python -m tests.analysis.false_changes 30 400`` compares 30 values, in 400 pairs a row.
"""

import sys

import numpy as np
import pandas as pd

import nucleus_pandas as nu

CLEAR = "clear change"


def events(rng, users, values, habit, tail):
    """Rows of events: users differ in how many they have (`tail`) and in which they have (less with a high `habit`)."""
    counts = np.maximum(1, np.rint(rng.lognormal(2, tail, users))).astype(int)
    shares = rng.dirichlet(np.full(values, habit), users)
    value = np.concatenate([rng.choice(values, count, p=share) for count, share in zip(counts, shares, strict=True)])
    return pd.DataFrame({"user_id": np.repeat(np.arange(users), counts).astype(str), "value": value.astype(str)})


def pair(rng, users, values, habit, tail):
    """Whether a pair of breakdowns of the same kind of users has a clear change, with users and with events counted."""
    tables = [events(rng, users, values, habit, tail) for _ in "ab"]
    rows = [one.assign(user_id=np.arange(len(one)).astype(str)) for one in tables]
    return [
        CLEAR in set(nu.compare(*(nu.breakdown(one, top=values) for one in frames))["verdict"])
        for frames in (tables, rows)
    ]


def main(values=10, pairs=200):
    rng = np.random.default_rng(20261201)
    print(f"{values} values, {pairs} pairs a row: per cent with a clear change though nothing changed")
    print(f"{'users':>6}{'habit':>7}{'tail':>6}{'users counted':>15}{'events counted':>16}")
    for users in (15, 30, 100):
        for habit in (0.1, 1.0):
            for tail in (0.5, 1.2):
                found = np.array([pair(rng, users, values, habit, tail) for _ in range(pairs)])
                shares = "".join(
                    f"{100 * share:>{width}.1f}" for share, width in zip(found.mean(axis=0), (15, 16), strict=True)
                )
                print(f"{users:>6}{habit:>7}{tail:>6}{shares}", flush=True)


if __name__ == "__main__":
    main(*map(int, sys.argv[1:]))
