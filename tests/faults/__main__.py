"""`python -m tests.faults`: the rounds over each set-up, one after the other, and what came of them."""

from __future__ import annotations

import argparse
import json
import logging
import os
import signal
import subprocess
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Mapping
from pathlib import Path
from typing import Any

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
    if asked.short or asked.fault:
        asked.kills = 0
    setups = [SETUPS[name] for name in asked.alone or asked.setup or SETUPS]
    if len(setups) == 1:
        return _run(setups[0], asked)
    # Django is set up once in a program, and each set-up has a database of its own.
    with tempfile.TemporaryDirectory(prefix="vi-portal-faults-") as folder:
        told = Path(folder) / "told.jsonl"
        command = [sys.executable, "-m", "tests.faults", *sys.argv[1:], "--told", str(told), "--alone"]
        codes = [subprocess.run([*command, setup.name], check=False).returncode for setup in setups]
        _sum_up([json.loads(line) for line in told.read_text().splitlines()] if told.exists() else [])
    return 1 if any(codes) else 0


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m tests.faults", description=sys.modules["tests.faults"].__doc__)
    parser.add_argument("--setup", action="append", choices=SETUPS, help="only this one; may be given again")
    parser.add_argument("--seed", type=int, default=1, help="draws faults and moments (1)")
    parser.add_argument("--rounds", type=int, default=24, help="rounds over each set-up (24)")
    parser.add_argument("--kills", type=int, default=30, help="go on until so many workers were killed at work (30)")
    parser.add_argument("--round", type=int, help="only this one")
    parser.add_argument("--fault", action="append", help="only this fault; may be given again")
    parser.add_argument("--short", action="store_true", help="the faults that matter most, in about a minute")
    # For the program that runs one of several set-ups: where it tells the others of it, and which.
    parser.add_argument("--told", type=Path, help=argparse.SUPPRESS)
    parser.add_argument("--alone", action="append", choices=SETUPS, help=argparse.SUPPRESS)
    return parser.parse_args()


def _run(setup: Setup, asked: argparse.Namespace) -> int:
    assets, annotations = 6_000, 3
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
    plan = rounds.Plan(asked.seed, asked.rounds, tuple(asked.fault or ()), asked.kills, asked.round)
    tally = rounds.run(team, world, plan)
    seconds = time.monotonic() - began
    print(f"{team.setup.name}: {tally.rounds} rounds in {seconds:.0f} s, {tally.kills} processes killed")
    print(f"  workers killed at work: {tally.worker_kills} ({_listed(tally.under_kills)})")
    print(f"  ended: {_listed(tally.ended)}")
    print(f"  attempts: {_listed(tally.attempts)}")
    if asked.told:
        with asked.told.open("a") as file:
            file.write(json.dumps(vars(tally) | {"seconds": seconds, "setup": team.setup.name}) + "\n")
    if tally.stopped:
        print("  stopped before it was through", flush=True)
        return 130
    print("  all as it should be" if not tally.failures else f"  FAILED in round {tally.failures}", flush=True)
    return bool(tally.failures)


def _sum_up(told: list[dict[str, Any]]) -> None:
    """What came of all set-ups together."""
    under = sum((Counter(each["under_kills"]) for each in told), Counter[str]())
    kills = sum(each["worker_kills"] for each in told)
    print(f"In all: {sum(each['rounds'] for each in told)} rounds in {sum(each['seconds'] for each in told):.0f} s")
    print(f"  workers killed at work: {kills} ({_listed(under)})")
    failed = [each["setup"] for each in told if each["failures"] or each["stopped"]]
    print(f"  FAILED or stopped: {', '.join(failed)}" if failed else "  all as it should be")


def _listed(counts: Mapping[Any, int]) -> str:
    return ", ".join(f"{what}: {number}" for what, number in sorted(counts.items())) or "none"


if __name__ == "__main__":
    sys.exit(main())
