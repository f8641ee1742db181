"""The ways to fetch an archive, each in programs of their own, and what it cost the web server."""

from __future__ import annotations

import hashlib
import json
import os
import random
import shutil
import subprocess
import sys
import time
import zlib
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from urllib.parse import urlsplit

from bench.offering import Archive, Server
from bench.relay import running_relay
from bench.watching import Memory

_KILLS, _CUTS = 8, 8


@dataclass(frozen=True)
class Row:
    """One way. `breaks` is how often it was broken off, `memory` the web server's: before, during, after, ever."""

    name: str
    seconds: float
    fetched: int
    breaks: int
    memory: tuple[int, int, int, int]
    same: bool


@dataclass(frozen=True)
class Fetching:
    server: Server
    archive: Archive
    folder: Path
    rng: random.Random

    def every_way(self, *, at_once: int) -> Iterator[Row]:
        """Each way, one after the other."""
        yield self._measured("curl", self._curl)
        yield self._measured("curl, killed and gone on with", self._curl_killed)
        yield self._measured("client, 8 parts at once", self._client)
        yield self._measured("client, killed and gone on with", self._client_killed)
        yield self._measured("client, its connections cut", self._client_cut)
        yield self._measured("annotations.download, unpacked", self._client_unpacking)
        yield self._measured(f"{at_once} curls at once", lambda: self._at_once(at_once, self._curl_command))
        yield self._measured(f"{at_once} clients at once", lambda: self._at_once(at_once, self._client_command))

    def _measured(self, name: str, fetch: Callable[[], int]) -> Row:
        """Do `fetch`, which returns how often it was broken off, and compare every file that it leaves."""
        self.folder.mkdir()
        with Memory(self.server.pid) as memory:
            began = time.perf_counter()
            breaks = fetch()
            seconds = time.perf_counter() - began
        copies = [path for path in sorted(self.folder.iterdir()) if path.suffix == ".zip"]
        unpacked = [path for path in self.folder.iterdir() if path.is_dir()]
        same = all([_sha256(copy) == self.archive.sha256 for copy in copies] + [_is_whole(each) for each in unpacked])
        shutil.rmtree(self.folder)
        held = (memory.before, memory.during, memory.after, memory.ever)
        fetched = self.archive.size * len(copies + unpacked)
        return Row(name, seconds, fetched, breaks, held, same and fetched > 0)

    # curl

    def _curl_command(self, file: Path, *more: str) -> list[str]:
        return [
            "curl",
            "--silent",
            "--show-error",
            "--fail",
            "--noproxy",
            "*",
            *more,
            "-o",
            str(file),
            self.server.link,
        ]

    def _curl(self) -> int:
        subprocess.run(self._curl_command(self.folder / "a.zip"), check=True)
        return 0

    def _curl_killed(self) -> int:
        """Slowed down to three seconds, so that it does not get away."""
        file = self.folder / "a.zip"
        command = self._curl_command(file, "-C", "-", "--limit-rate", str(self.archive.size // 3))
        moments = sorted(self.rng.sample(range(self.archive.size), _KILLS))
        is_whole = partial(_has_come_to, file, self.archive.size)  # then there is nothing to go on with
        return _killed(command, [partial(_has_come_to, file, moment) for moment in moments], is_whole=is_whole)

    # The client

    def _client_command(self, file: Path) -> list[str]:
        return [sys.executable, "-m", "bench.fetch", "file", self.server.link, str(file)]

    def _client(self) -> int:
        subprocess.run(self._client_command(self.folder / "a.zip"), check=True, env=_environment(self.folder))
        return 0

    def _client_killed(self) -> int:
        """At moments counted in parts, as the client's own record of what it has is written now and then."""
        file = self.folder / "a.zip"
        # It reserves the room for the whole file at first; its record comes with the first part.
        record = file.with_suffix(".zip.manifest")
        waits = [self.rng.uniform(0, 0.3) for _ in range(_KILLS)]

        def is_time(wait: float) -> Callable[[], bool]:
            return lambda: record.exists() and time.time() > record.stat().st_mtime + wait

        return _killed(self._client_command(file), [is_time(wait) for wait in waits], self.folder)

    def _client_cut(self) -> int:
        """The client tries a part three times, so a wire that breaks too often would be its end."""
        address = urlsplit(self.server.address)
        cuts = iter([self.rng.randrange(1_000, self.archive.size // 16) for _ in range(_CUTS)])
        with running_relay((str(address.hostname), address.port or 80), patience=lambda: next(cuts, None)) as relay:
            command = self._client_command(self.folder / "a.zip")
            command[-2] = self.server.link.replace(address.netloc, f"127.0.0.1:{relay.port}")
            subprocess.run(command, check=True, env=_environment(self.folder))
            return relay.cuts

    def _client_unpacking(self) -> int:
        more = {
            "DATATURE_VI_SECRET_KEY": self.archive.key,
            "DATATURE_VI_ORGANIZATION_ID": self.archive.organization,
            "DATATURE_VI_API_ENDPOINT": self.server.address,
            "DATASET": self.archive.dataset,
            "EXPORT": self.archive.export,
        }
        command = [sys.executable, "-m", "bench.fetch", "dataset", str(self.folder)]
        subprocess.run(command, check=True, env=_environment(self.folder) | more, capture_output=True)
        return 0

    def _at_once(self, count: int, command: Callable[[Path], list[str]]) -> int:
        files = [self.folder / f"{number}.zip" for number in range(count)]
        running = [subprocess.Popen(command(file), env=_environment(self.folder)) for file in files]
        ends = [process.wait() for process in running]
        if any(ends):
            raise RuntimeError("A download failed.")
        return 0


def _killed(
    command: list[str],
    moments: list[Callable[[], bool]],
    home: Path | None = None,
    is_whole: Callable[[], bool] = lambda: False,
) -> int:
    """Run `command` until it ends by itself or the file `is_whole`, and kill it at each of the moments that it lives to
    see; how often."""
    environment = _environment(home) if home else None
    kills = 0
    for is_time in [*moments, _never]:
        process = subprocess.Popen(command, env=environment)
        while process.poll() is None and not is_time():
            time.sleep(0.002)
        if process.poll() is None:
            process.kill()
            kills += 1
        if process.wait() == 0 or is_whole():
            return kills
    raise RuntimeError(f"{command[0]} ended with status {process.returncode}.")


def _never() -> bool:
    return False


def _environment(home: Path) -> dict[str, str]:
    return os.environ | {"NO_PROXY": "127.0.0.1", "VI_ENABLE_FILE": "false", "HOME": str(home)}


def _has_come_to(file: Path, size: int) -> bool:
    return _size(file) >= size


def _size(file: Path) -> int:
    return file.stat().st_size if file.exists() else 0


def _sha256(file: Path) -> str:
    with file.open("rb") as opened:
        return hashlib.file_digest(opened, "sha256").hexdigest()


def _is_whole(folder: Path) -> bool:
    """Whether every member is there as the receipt describes it."""
    receipt = json.loads((folder / "export.json").read_text())
    return all(_crc32(folder / member["name"]) == member["crc32"] for member in receipt["members"])


def _crc32(file: Path) -> str:
    found = 0
    with file.open("rb") as opened:
        while block := opened.read(1_000_000):
            found = zlib.crc32(block, found)
    return f"{found:08x}"
