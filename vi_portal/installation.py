"""What an installation has of its own: a folder, and in it the key that was made when it first started."""

from __future__ import annotations

import secrets
from contextlib import suppress
from pathlib import Path


def folder(path: Path) -> Path:
    """`path` as a folder that exists, for DATA_DIR. Raises `ValueError` where it cannot be made."""
    try:
        path.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise ValueError(f"DATA_DIR must be a folder that can be written: {error}") from error
    return path


def local_secret_key(path: Path) -> str:
    """The key of this installation, made on first use and readable by its owner alone. Raises `OSError`."""
    if not path.exists():
        aside = path.with_name(f".{path.name}-{secrets.token_hex(8)}")
        aside.touch(mode=0o600)
        aside.write_text(secrets.token_urlsafe(64))
        with suppress(FileExistsError):  # web and worker may start at the same moment; one key wins
            path.hardlink_to(aside)
        aside.unlink()
    return path.read_text().strip()
