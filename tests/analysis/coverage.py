"""How often the 95 % bounds of a rate hold the true rate when sessions belong to users.

``python -m tests.analysis.coverage`` prints a table: per cent of made-up apps whose bounds hold the true rate, for
bounds that count sessions and for bounds that count users. ``python -m tests.analysis.coverage 60 0.95 5000`` asks for
60 users, a true rate of 0.95 and 5,000 apps a row.
"""

import sys

import numpy as np

from nucleus_pandas.stats.clusters import UserSums, user_wilson
from nucleus_pandas.stats.intervals import wilson

SESSIONS = (1, 2, 5, 10, 20)
CORRELATIONS = (0.0, 0.1, 0.2, 0.3)
TAILS = ("even", "heavy")


def made_up(rng, apps, users, sessions, correlation, tail, rate):
    """Trials and hits of each user, a row an app; rates of users follow a beta distribution."""
    if sessions == 1:
        trials = np.ones((apps, users), dtype=np.int64)
    elif tail == "even":
        trials = 1 + rng.poisson(sessions - 1, (apps, users))
    else:  # lognormal: one user in a hundred has ten times as many sessions as the mean
        trials = np.maximum(1, np.rint(sessions * rng.lognormal(-0.72, 1.2, (apps, users)))).astype(np.int64)
    if correlation:
        spread = 1 / correlation - 1
        rate = rng.beta(rate * spread, (1 - rate) * spread, (apps, users))
    return trials, rng.binomial(trials, rate)


def sums_of(trials, hits):
    return UserSums(*(one.sum(axis=1) for one in (trials, hits, trials * trials, trials * hits, hits * hits)))


def coverage(sums, rate):
    """Per cent of apps whose bounds hold the rate: of sessions, and of users."""
    found = []
    for low, high in (wilson(sums.hits, sums.trials), user_wilson(sums)):
        found.append(100 * float(np.mean((low <= rate) & (rate <= high))))
    return found


def main(users=200, rate=0.9, apps=4000):
    rng = np.random.default_rng(20261201)
    print(f"{users} users, true rate {rate}, {apps:,} apps a row: per cent of 95 % bounds that hold the true rate")
    print(f"{'tail':6}{'sessions a user':>16}{'correlation':>13}{'by session':>12}{'by user':>9}")
    for tail in TAILS:
        for sessions in SESSIONS:
            for correlation in CORRELATIONS:
                if sessions == 1 and (correlation or tail == "heavy"):
                    continue
                sums = sums_of(*made_up(rng, apps, users, sessions, correlation, tail, rate))
                naive, clustered = coverage(sums, rate)
                print(f"{tail:6}{sessions:>16}{correlation:>13}{naive:>12.1f}{clustered:>9.1f}")


if __name__ == "__main__":
    main(*(kind(one) for kind, one in zip((int, float, int), sys.argv[1:], strict=False)))
