"""The rounds over one set-up: two exports, a fault, and a look at what came of them."""

from __future__ import annotations

import random
import shutil
import sys
import tempfile
import time
import traceback
from collections import Counter
from dataclasses import dataclass, field
from itertools import groupby
from pathlib import Path

from tests.faults.deck import KILLS, REASONS, deck, left_out
from tests.faults.strikes import Round, Strike
from tests.faults.team import Team, wait_until
from tests.faults.world import World, all_over, clear, jobs, untidy
from vi_portal.jobs.models import State


@dataclass
class Tally:
    """What came of all rounds."""

    rounds: int = 0
    kills: int = 0
    worker_kills: int = 0
    under_kills: Counter[str] = field(default_factory=Counter)
    ended: Counter[str] = field(default_factory=Counter)
    attempts: Counter[int] = field(default_factory=Counter)
    failures: list[int] = field(default_factory=list)
    #: Somebody stopped it before its last round.
    stopped: bool = False


@dataclass(frozen=True)
class Plan:
    """Which rounds are run: `rounds` of them, with the faults in `names` alone if there are any, then more of what
    kills workers until `worker_kills` were killed at work. Or `only` the one of this number."""

    seed: int
    rounds: int
    names: tuple[str, ...] = ()
    worker_kills: int = 0
    only: int | None = None

    def goes_on(self, number: int, tally: Tally) -> bool:
        if self.only is not None:
            return number == self.only
        return number < self.rounds or tally.worker_kills < self.worker_kills

    def strike(self, team: Team, number: int) -> Strike:
        """Each fault comes once before any comes again."""
        strikes = deck(team) if number < self.rounds else KILLS
        if self.names:
            strikes = list(dict.fromkeys(strike for strike in deck(team) if strike.__name__ in self.names))
        assert strikes, f"None of these faults can be here: {', '.join(self.names)}"
        turn, place = divmod(number, len(strikes))
        return random.Random(f"{self.seed} {turn}").sample(strikes, len(strikes))[place]

    def again(self, team: Team, number: int) -> str:
        """The command that repeats the round."""
        more = "".join(f" --fault {name}" for name in self.names)
        arguments = f"--setup {team.setup.name} --seed {self.seed} --rounds {self.rounds} --round {number}{more}"
        return f"make test-faults ARGS='{arguments}'"


def run(team: Team, world: World, plan: Plan) -> Tally:
    """Run what is planned; the first round that fails is the last."""
    tally = Tally()
    for reason in left_out(team):
        print(f"  left out  {reason}")
    for kind in world.kinds:
        world.learn(team, kind)
        print(f"  {kind.name}: {kind.before:.2f} s to the first byte, {kind.writing:.2f} s to the end", flush=True)
    number = plan.only or 0
    try:
        while plan.goes_on(number, tally) and not tally.failures:  # one that failed says nothing about the next
            _round(team, world, plan, number=number, tally=tally)
            number += 1
    except KeyboardInterrupt:
        print("stopped")
        tally.stopped = True
    return tally


def _round(team: Team, world: World, plan: Plan, *, number: int, tally: Tally) -> None:
    strike, rng = plan.strike(team, number), random.Random(f"{plan.seed} {team.setup.name} {number}")
    of_each = groupby(world.kinds, key=lambda kind: kind.format)
    one, other = (rng.choice(list(kinds)) for _, kinds in of_each)
    # One alone is shared out among the workers; of two, each has its own.
    told = Round(team, world, rng, tuple(rng.sample((one, other), rng.choice((1, 2, 2)))))
    began = time.monotonic()
    print(f"  {number:4}  {strike.__name__:48}", end="", flush=True)
    try:
        team.make_whole()
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
        print(f"    Again: {plan.again(team, number)}")
    else:
        ended = ", ".join(f"{job.status.lower()} at attempt {job.attempts}" for job in jobs())
        print(f"{time.monotonic() - began:6.1f} s  {ended}", flush=True)
        clear(team)
    finally:
        sys.stdout.flush()
        tally.rounds += 1
        tally.kills += told.kills
        tally.worker_kills += told.worker_kills
        tally.under_kills += told.under_kills


def _kept_log(team: Team, number: int) -> Path:
    """A copy of what web server and workers said, which outlives the portal."""
    kept = Path(tempfile.gettempdir()) / f"vi-portal-faults-{team.setup.name}-{number}.log"
    return Path(shutil.copyfile(team.log, kept))


def _look(team: Team, world: World, strike: Strike, *, asked: int, tally: Tally) -> None:
    """Every export is finished once and verifies, or failed for the reason of this fault; and nothing is left."""
    wait_until(lambda: all_over(asked), what="every export is over")
    wait_until(lambda: not untidy(team), what="nothing is left but the archives of finished exports")
    over = jobs()
    assert len(over) == asked, f"{asked} exports were asked for, and {len(over)} are there."
    for job in over:
        tally.attempts[job.attempts] += 1
        tally.ended[f"{job.format} {job.status.lower()}"] += 1
        if job.state == State.FINISHED:
            world.check(team, job)
        else:
            assert strike in REASONS, f"It failed, and of this fault none may: {job.failure!r}"
            assert job.failure.startswith(REASONS[strike]), f"It failed: {job.failure!r}"
            assert not job.archive
