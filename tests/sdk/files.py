"""Files to put in with the vendor's client: images, and annotations of them."""

from __future__ import annotations

import io
import json
from pathlib import Path
from typing import Any

from PIL import Image


def image(number: int, *, size: tuple[int, int] = (64, 48), format: str = "PNG") -> bytes:  # noqa: A002
    buffer = io.BytesIO()
    Image.new("RGB", size, (number % 256, number // 256, 77)).save(buffer, format)
    return buffer.getvalue()


def write_images(folder: Path, count: int) -> dict[str, bytes]:
    folder.mkdir()
    written = {f"image_{n:04}.png": image(n) for n in range(count)}
    for name, content in written.items():
        (folder / name).write_bytes(content)
    return written


def record(name: str, number: int, *, id: str = "") -> dict[str, Any]:  # noqa: A002
    phrase = {"phrase": "red valve", "startTokenIndex": 1, "endTokenIndex": 2, "bounds": [[0.25, 0.25, 0.5, 0.75]]}
    return {
        "id": id or f"a{number}",
        "asset": {"type": "Image", "filename": name, "width": 64, "height": 48},
        "contents": {"type": "PhraseGrounding", "caption": f"A red valve {number}", "groundedPhrases": [phrase]},
    }


def write_records(path: Path, records: list[dict[str, Any]]) -> Path:
    path.write_text("".join(f"{json.dumps(each)}\n" for each in records))
    return path
