"""The rounds over one set-up: two exports, a fault, and a look at what came of them."""

from __future__ import annotations

import random
import shutil
import sys
import tempfile
import time
import traceback
from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass, field
from itertools import groupby
from pathlib import Path

from tests.faults.strikes import REASONS, TOO_OFTEN, Round, Strike, deck, left_out
from tests.faults.team import Team, wait_until
from tests.faults.world import World, all_over, clear, jobs, untidy
from vi_portal.jobs.models import State


@dataclass
class Tally:
    """What came of all rounds."""

    rounds: int = 0
    kills: int = 0
    kills_at_work: int = 0
    ended: Counter[str] = field(default_factory=Counter)
    attempts: Counter[int] = field(default_factory=Counter)
    failures: list[int] = field(default_factory=list)
    #: Somebody stopped it before its last round.
    stopped: bool = False


def run(team: Team, world: World, *, seed: int, numbers: Iterable[int], names: list[str]) -> Tally:
    """Run the rounds `numbers`, with the faults in `names` alone if there are any."""
    tally, strikes = Tally(), deck(team)
    if names:
        strikes = list(dict.fromkeys(strike for strike in strikes if strike.__name__ in names))
    assert strikes, f"None of these faults can be here: {', '.join(names)}"
    for reason in left_out(team):
        print(f"  left out  {reason}")
    for kind in world.kinds:
        world.learn(team, kind)
        print(f"  {kind.name}: {kind.before:.2f} s to the first byte, {kind.writing:.2f} s to the end", flush=True)
    for number in numbers:
        try:
            _round(team, world, _strike(strikes, seed, number), seed=seed, number=number, tally=tally)
        except KeyboardInterrupt:
            print("stopped")
            tally.stopped = True
            break
        if tally.failures:
            break  # what is left of a portal that failed says nothing about the next round
    return tally


def _strike(strikes: list[Strike], seed: int, number: int) -> Strike:
    """Each fault comes once before any comes again."""
    turn, place = divmod(number, len(strikes))
    return random.Random(f"{seed} {turn}").sample(strikes, len(strikes))[place]


def _round(team: Team, world: World, strike: Strike, *, seed: int, number: int, tally: Tally) -> None:
    rng = random.Random(f"{seed} {team.setup.name} {number}")
    of_each = groupby(world.kinds, key=lambda kind: kind.format)
    one, other = (rng.choice(list(kinds)) for _, kinds in of_each)
    # One alone is shared out among the workers; of two, each has its own.
    told = Round(team, world, rng, tuple(rng.sample((one, other), rng.choice((1, 2, 2)))))
    began = time.monotonic()
    print(f"  {number:4}  {strike.__name__:48}", end="", flush=True)
    try:
        wait_until(team.is_whole, what="the portal is whole before the round")
        strike(told)
        _look(team, world, strike, asked=told.asked, tally=tally)
    except Exception:
        tally.failures.append(number)
        print("FAILED")
        traceback.print_exc()
        for job in jobs():
            print(f"    {job.format} {job.pk}: {job.state}, attempt {job.attempts}, {job.worker}, {job.failure}")
        print(f"    Left: {untidy(team)}. Struck: {'; '.join(told.struck) or 'at once'}.")
        print(f"    Its log: {_kept_log(team, number)}")
        print(f"    Again: make test-faults ARGS='--setup {team.setup.name} --seed {seed} --round {number}'")
    else:
        ended = ", ".join(f"{job.status.lower()} at attempt {job.attempts}" for job in jobs())
        print(f"{time.monotonic() - began:6.1f} s  {ended}", flush=True)
        clear(team)
    finally:
        sys.stdout.flush()
        tally.rounds += 1
        tally.kills += told.kills
        tally.kills_at_work += told.kills_at_work


def _kept_log(team: Team, number: int) -> Path:
    """A copy of what web server and workers said, which outlives the portal."""
    kept = Path(tempfile.gettempdir()) / f"vi-portal-faults-{team.setup.name}-{number}.log"
    return Path(shutil.copyfile(team.log, kept))


def _look(team: Team, world: World, strike: Strike, *, asked: int, tally: Tally) -> None:
    """Every export is finished once and verifies, or failed for the reason of this fault; and nothing is left."""
    wait_until(lambda: all_over(asked), what="every export is over")
    wait_until(lambda: not untidy(team), what="nothing is left but the archives of finished exports")
    for job in jobs():
        tally.attempts[job.attempts] += 1
        tally.ended[f"{job.format} {job.status.lower()}"] += 1
        if job.state == State.FINISHED:
            world.check(team, job)
        else:
            allowed = [TOO_OFTEN, *filter(None, [REASONS.get(strike)])]
            assert any(job.failure.startswith(reason) for reason in allowed), f"It failed: {job.failure!r}"
            assert not job.archive
