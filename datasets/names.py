"""File names that are safe in any archive on any system. Pure functions; no Django."""

from __future__ import annotations

import hashlib
import re
import unicodedata
from collections.abc import Iterable

MAX_MEMBER_BYTES = 180

_RESERVED = re.compile(r"^(con|prn|aux|nul|com[0-9¹²³]|lpt[0-9¹²³])(\.|$)", re.IGNORECASE)
_UNSAFE = re.compile(r'[<>:"|?*\x00-\x1f\x7f-\x9f\u200e\u200f\u202a-\u202e\u2066-\u2069\ud800-\udfff\ufffd]')


def member_name(filename: str) -> str:
    """A base name for `filename` that no file system refuses and no archive tool misreads.

    Folders, drive letters and control characters are dropped, names that Windows reserves get a leading
    underscore, the text is Unicode NFC, and a name too long is cut and marked with a hash of the whole, so two
    long names stay apart. The extension is kept.
    """
    name = normal(filename)
    name = re.split(r"[/\\]", name)[-1]
    name = re.sub(r"^[A-Za-z]:", "", name)
    name = _UNSAFE.sub("_", name).strip(" ").rstrip(". ")
    if not name.strip("._"):
        name = "asset"
    if _RESERVED.match(name):
        name = f"_{name}"
    return _shortened(name, mark=hashlib.sha256(filename.encode("utf-8", "replace")).hexdigest()[:8])


def candidates(filename: str, *, uid: str) -> list[str]:
    """The names for the asset `uid` in the order they are to be tried; the last is nobody else's."""
    name = member_name(filename)
    digest = hashlib.sha256(uid.encode()).hexdigest()[:32]
    marks = (uid.replace("-", "")[:8], digest)
    return [name, *(distinguished(name, mark=mark) for mark in marks)]


def distinguished(name: str, *, mark: str) -> str:
    """`name` with `~mark` before its extension, for an asset whose plain name is taken."""
    stem, extension = split_extension(name)
    return f"{stem}~{mark}{extension}"


def collision_key(name: str) -> str:
    """Equal for two names that a file system without case would take for one."""
    return normal(normal(name).casefold())


def normal(name: str) -> str:
    """`name` in Unicode NFC: equal for two names that look the same, though one came from another system."""
    return unicodedata.normalize("NFC", name)


def spellings(given: Iterable[str]) -> set[str]:
    """Every name of `given` as it is, and as systems may have stored it: in Unicode NFC and NFD."""
    return {form for name in given for form in (name, normal(name), unicodedata.normalize("NFD", name))}


def split_extension(name: str) -> tuple[str, str]:
    """`("line_07", ".jpg")`; the extension is empty where what follows the last dot is not one."""
    stem, dot, extension = name.rpartition(".")
    if not dot or not stem or not 0 < len(extension) <= 10:
        return name, ""
    return stem, dot + extension


def _shortened(name: str, *, mark: str) -> str:
    if len(name.encode()) <= MAX_MEMBER_BYTES:
        return name
    stem, extension = split_extension(name)
    room = MAX_MEMBER_BYTES - len(extension.encode()) - len(mark) - 1
    cut = stem.encode()[:room].decode("utf-8", "ignore").rstrip(". ")
    return f"{cut}~{mark}{extension}"
