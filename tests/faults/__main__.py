"""`python -m tests.faults`: the rounds over each set-up, one after the other, and what came of them."""

from __future__ import annotations

import argparse
import logging
import os
import signal
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from tests.faults.team import SETUPS, Setup, Team, wait_until
from tests.services.servers import NotInstalled

#: What the short form tries, once each: the faults that everything else rests on.
SHORT = ("the_worker_is_killed", "the_process_that_does_the_job_is_killed", "the_broker_loses_everything")


def main() -> int:
    asked = _arguments()
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    if asked.short:
        asked.setup, asked.fault = asked.setup or ["redis"], asked.fault or list(SHORT)
        asked.rounds = len(asked.fault)
    setups = [SETUPS[name] for name in asked.setup or SETUPS]
    if len(setups) == 1:
        return _run(setups[0], asked)
    # Django is set up once in a program, and each set-up has a database of its own.
    command = [sys.executable, "-m", "tests.faults", *sys.argv[1:], "--setup"]
    return max([subprocess.run([*command, setup.name], check=False).returncode for setup in setups])


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m tests.faults", description=sys.modules["tests.faults"].__doc__)
    parser.add_argument("--setup", action="append", choices=SETUPS, help="only this one; may be given again")
    parser.add_argument("--seed", type=int, default=1, help="draws faults and moments (1)")
    parser.add_argument("--rounds", type=int, default=40, help="rounds over each set-up (40)")
    parser.add_argument("--round", type=int, help="only this one")
    parser.add_argument("--fault", action="append", help="only this fault; may be given again")
    parser.add_argument("--short", action="store_true", help="the faults that matter most, in about a minute")
    return parser.parse_args()


def _run(setup: Setup, asked: argparse.Namespace) -> int:
    assets, annotations = (6_000, 3) if asked.short else (20_000, 3)
    with tempfile.TemporaryDirectory(prefix="vi-portal-faults-", ignore_cleanup_errors=True) as folder:
        Path(folder).chmod(0o755)  # PostgreSQL may run as somebody else
        try:
            team = Team(setup, Path(folder) / setup.name, records_a_shard=assets // 4)
        except NotInstalled as error:
            print(error, file=sys.stderr)
            return 2
        os.environ |= team.environment | {"DJANGO_SETTINGS_MODULE": "vi_portal.settings"}
        import django

        django.setup()
        logging.disable(logging.WARNING)
        try:
            return _run_rounds(team, asked, assets, annotations)
        finally:
            team.end()


def _run_rounds(team: Team, asked: argparse.Namespace, assets: int, annotations: int) -> int:
    from tests.faults import rounds
    from tests.faults.world import World

    began = time.monotonic()
    print(f"{team.setup.name}: seed {asked.seed}", flush=True)
    team.start()
    world = World.make(assets=assets, annotations=annotations, images=(True,) if asked.short else (False, True))
    wait_until(team.is_whole, what="the portal is whole")
    numbers = range(asked.rounds) if asked.round is None else [asked.round]
    tally = rounds.run(team, world, seed=asked.seed, numbers=numbers, names=asked.fault or [])
    print(
        f"{team.setup.name}: {tally.rounds} rounds in {time.monotonic() - began:.0f} s, {tally.kills} kills, "
        f"{tally.kills_at_work} of them while an export was under way"
    )
    print(f"  ended: {', '.join(f'{number} {what}' for what, number in sorted(tally.ended.items()))}")
    print(f"  attempts: {', '.join(f'{number} with {what}' for what, number in sorted(tally.attempts.items()))}")
    if tally.stopped:
        print("  stopped before it was through", flush=True)
        return 130
    print("  all as it should be" if not tally.failures else f"  FAILED in round {tally.failures}", flush=True)
    return bool(tally.failures)


if __name__ == "__main__":
    sys.exit(main())
