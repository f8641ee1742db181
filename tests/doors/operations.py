"""Every operation of the API's own document, and how to call each of them on things that exist.

The operations come from the document, so a new one is not forgotten: `Operation.call` fails for an address whose
parameters have no example here, and for a body that has none.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cache
from typing import Any
from urllib.parse import quote

from django.test import Client

from tests import cast
from vi_portal.routes import api

#: What an address names, by the words before it.
PARAMETER = re.compile(r"([^/{}]*)/\{(\w+)\}")

BODIES: dict[str, Any] = {
    "POST datasets": {"name": "Pipes", "type": "vqa"},
    "PATCH datasets/{dataset_id}": {"description": "All of them"},
    "PUT annotations/{annotation_id}": {"spec": {"contents": {"kind": "Caption", "contents": "A red valve, closed"}}},
    "PATCH annotations/{annotation_id}": {"spec": {"contents": {"kind": "Caption", "contents": "A red valve, open"}}},
    "POST assets/{asset_id}/name": {"filename": "renamed.jpg"},
    "POST assetFiles/{filename}/name": {"filename": "renamed.jpg"},
    "POST deleteManyAssetsSessions": {"spec": {"filter": {"filename": "line_07.jpg"}}},
    "POST assetIngestionSessions": {"spec": {"assets": [{"filename": "new.jpg", "size": 9, "mime": "image/jpeg"}]}},
    "POST annotationImportSessions": {"spec": {"failurePolicies": {"onBadFile": "Warn"}}},
    "POST annotationImportSessions/{session_id}/files": {"files": {"more.jsonl": {"sizeBytes": 7}}},
    "PATCH annotationImportSessions/{session_id}/status": {
        "status": {"conditions": [{"condition": "FilesInserted", "status": "FailedReach"}]}
    },
    "POST datasetExports": {"spec": {"format": "ViJsonl"}},
}
#: What is sent to slots, as it is.
FILES: dict[str, bytes] = {
    "PUT images/{slot_id}": cast.jpeg(),
    "PUT annotations/{file_id}": b'{"a": 1}\n',
}


@dataclass(frozen=True)
class Operation:
    """One method of one address. `is_link` where a signed link opens it, and no key."""

    method: str
    path: str
    is_link: bool
    has_body: bool

    def __str__(self) -> str:
        return f"{self.method} {self.path}"

    @property
    def changes(self) -> bool:
        return self.method != "GET" and not self.path.endswith(":generate")

    @property
    def exports(self) -> bool:
        return self.method == "POST" and self.path.endswith("/datasetExports")

    @property
    def parameters(self) -> list[str]:
        """What the address names, outermost first: `datasets/{dataset_id}`."""
        return [match[0] for match in PARAMETER.finditer(self.path)]

    @property
    def body(self) -> tuple[bytes, str]:
        """An example of what to send, and its content type."""
        for examples, content_type in ((FILES, "application/octet-stream"), (BODIES, "application/json")):
            for name, example in examples.items():
                method, _, end = name.partition(" ")
                if method == self.method and self.path.endswith(f"/{end}"):
                    return example if isinstance(example, bytes) else cast.as_json(example), content_type
        assert not self.has_body, f"There is no example of a body for {self} in {__name__}."
        return b"", "application/json"

    def address(self, ids: Mapping[str, str]) -> str:
        """The address of the things in `ids`, by parameter."""
        path = self.path
        for parameter in self.parameters:
            assert parameter in ids, f"There is no example of “{parameter}” for {self} in {__name__}."
            before, _, _ = parameter.partition("{")
            path = path.replace(parameter, before + quote(ids[parameter], safe=""), 1)
        return path

    def call(
        self, client: Client, ids: Mapping[str, str], *, query: str = "", body: bytes | None = None, **more: Any
    ) -> Any:
        """The answer to the example."""
        content, content_type = self.body
        address = self.address(ids) + (f"?{query}" if query else "")
        content = content if body is None else body
        return client.generic(self.method, address, content, more.pop("content_type", content_type), **more)


@cache
def operations() -> tuple[Operation, ...]:
    """All there are in the document."""
    return tuple(_documented())


def _documented() -> Iterator[Operation]:
    for path, methods in api.get_openapi_schema()["paths"].items():
        for method, described in methods.items():
            is_link = not described.get("security")
            yield Operation(method.upper(), path, is_link=is_link, has_body="requestBody" in described or is_link)
