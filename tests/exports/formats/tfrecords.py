"""What the tests of TFRecord exports encode: records with valves, with questions and with pictures."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from typing import Any

from datasets.contents import Contents, GroundedPhrase, Interaction, PhraseGrounding, Vqa
from datasets.geometry import Box
from exports.records import AnnotationRecord, Options, Record, Run, dump_annotations

GOLDEN = Path(__file__).parent / "golden"


def options(*, labels: tuple[str, ...] = (), **changes: Any) -> Options:
    fields: dict[str, Any] = {
        "normalized": False,
        "include_images": False,
        "labels": labels,
    }
    return Options(**fields | changes)


def run_of(records: Iterable[Record], *, folder: str = "") -> Run:
    return Run(folder, 0, 1, records)


def record(number: int, *contents: Contents, **changes: Any) -> Record:
    name = f"line_{number:02}.jpg"
    annotations = tuple(
        AnnotationRecord(f"annotation-{number}-{n}", None if n % 2 else "défaut", parsed)
        for n, parsed in enumerate(contents)
    )
    texts = dump_annotations(annotations), annotations
    return Record(f"asset-{number}", name, name, 1000 + number, 800, *texts, "image/jpeg")._replace(**changes)


def phrase(text: str, *boxes: Box, **fields: Any) -> GroundedPhrase:
    places = {"start_token_index": 1, "end_token_index": 2, "char_span": (2, 2 + len(text))}
    return GroundedPhrase(phrase=text, bounds=list(boxes), **places | fields)  # type: ignore[arg-type]  # of several types


VALVES = [
    record(
        0,
        PhraseGrounding("A red valve", [phrase("red valve", (230.4, 324, 537.6, 594), (0, 0, 1000, 800))]),
        PhraseGrounding("No box, no place", [phrase("box", start_token_index=-1, end_token_index=-1, char_span=None)]),
        PhraseGrounding("Nothing grounded", []),
    ),
    record(
        1,
        PhraseGrounding("A 赤いバルブ 🔧", [phrase("赤いバルブ", (0.1, 0.2, 0.3, 0.4)), phrase("🔧", (5, 6, 7.5, 8))]),
        filename="名前_2.jpg",
        original_filename="../名前.jpg",
    ),
    record(2, PhraseGrounding("", [])),
]
QUESTIONS = [
    record(
        0,
        Vqa([Interaction(1, "Is it open?", "No"), Interaction(2, "Ist es groß?", "Ja ✓")]),
        Vqa([]),
        Vqa([Interaction(1, "And now?", "No")]),
    ),
    record(1, Vqa([Interaction(1, "", "")])),
]
LABELS = ("box", "red valve", "赤いバルブ", "🔧")
PICTURES = [
    VALVES[0]._replace(image=b"\xff\xd8 a jpeg \x00\xff"),
    VALVES[1]._replace(image=None),
    VALVES[2]._replace(image=b"\x89PNG", mime_type="image/png"),
]
