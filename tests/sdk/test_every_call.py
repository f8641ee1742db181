"""Every call of the vendor's client about organizations, datasets, assets and annotations, one after another.

They are made twice: with the bare id of a dataset, and with the full one that addresses have. The table is held against
the client's own classes, so that no call of theirs is forgotten.
"""

from __future__ import annotations

import inspect
import json
import uuid
from collections.abc import Callable
from pathlib import Path
from typing import Any

import httpx
import pytest
from vi.api.resources.annotation_import_sessions import AnnotationImportSession
from vi.api.resources.datasets import Annotation, Asset, Dataset
from vi.api.resources.datasets.annotations.types import AnnotationImportFailurePolicy, AnnotationImportSource
from vi.api.resources.datasets.annotations.uploader import AnnotationUploader
from vi.api.resources.organizations import Organization
from vi.api.types import PaginationParams
from vi.client.errors import ViError

from tests.sdk.conftest import Place
from tests.sdk.files import image, record, write_records

CLASSES = {
    "organizations": Organization,
    "datasets": Dataset,
    "assets": Asset,
    "annotations": Annotation,
    "annotation_import_sessions": AnnotationImportSession,
}
ALL_INSERTED = {
    "status": {"conditions": [{"condition": "FilesInserted", "status": "Reached", "lastTransitionTime": 1}]}
}


class World:
    """A dataset of three images and what the calls before have left of it."""

    def __init__(self, place: Place, folder: Path, *, full: bool) -> None:
        self.place, self.folder, self.client = place, folder, place.client()
        made = self.client.datasets.create(f"World {uuid.uuid4().hex[:8]}", description="Dials", metadata={"a": "b"})
        self.bare: str = made.dataset_id
        self.id = f"{place.organization}_{self.bare}" if full else self.bare
        images = [(f"i{number}.png", image(number)) for number in range(3)]
        self.sent = self.client.assets.upload(self.id, assets_bytes=images, wait_until_done=False)
        self.lines = write_records(folder / "a.jsonl", [record(f"i{number}.png", number) for number in range(3)])

    @property
    def assets(self) -> dict[str, str]:
        """The ids of the assets by their names, in the order of these."""
        page = PaginationParams(page_size=1000)
        found = {each.filename: each.asset_id for each in self.client.assets.list(self.id, page, contents=True)[:]}
        return dict(sorted(found.items()))

    @property
    def first(self) -> str:
        return next(iter(self.assets.values()))

    @property
    def parts(self) -> list[Any]:
        """What was said about the first asset."""
        return list(self.client.annotations.list(self.id, self.first, pagination={"page_size": 1}).all_items())

    @property
    def exports(self) -> list[str]:
        return [each.dataset_export_id for each in self.client.datasets.list_exports(self.id, 2).all_items()]

    @property
    def imports(self) -> list[str]:
        listed = self.client.annotation_import_sessions.list(self.id, page_size=1).all_items()
        return [each["annotationImportSessionId"] for each in listed]

    @property
    def deletions(self) -> list[str]:
        listed = self.client.datasets.list_bulk_asset_deletion_sessions(self.id, page_size=5)
        return [each["deleteManyAssetsSessionId"] for each in listed.items]

    def endings(self, result: Any) -> set[str]:
        """Of the files that were downloaded."""
        assert self.id in result.summary()
        return {path.suffix for path in Path(result.save_dir).rglob("*.*") if path.is_file()}

    def open_import(self) -> str:
        """An import session that waits for files."""
        uploader = AnnotationUploader(self.client._requester, self.client._auth)
        source, policies = AnnotationImportSource.UPLOADED_INDIVIDUAL_FILES, AnnotationImportFailurePolicy()
        opened = uploader._create_annotation_import_session(self.id, 60, policies, source, {"by": "ana"})
        return str(opened.annotation_import_session_id)

    def send_by_hand(self) -> bool:
        """A file into the import opened last."""
        line = json.dumps(record("i2.png", 9, id="by hand")).encode()
        announced = {"files": {"a.jsonl": {"sizeBytes": len(line), "crc32c": None, "kind": "Unknown"}}}
        told = self.client.annotation_import_sessions.add_files(self.id, self.open_import(), announced)
        slot = told["files"]["a.jsonl"]
        return bool(httpx.request(slot["method"], slot["url"], content=line, headers=slot["headers"]).is_success)


#: Each is true where the answer is what the client promises. Those below count on those above.
CALLS: dict[str, Callable[[World], Any]] = {
    "organizations.list": lambda w: [each.organization_id for each in w.client.organizations] == [w.place.organization],
    "organizations.get": lambda w: w.bare in w.client.organizations.get().datasets,
    "organizations.info": lambda w: w.client.organizations.info() is None,
    "organizations.list_collaborators": lambda w: len(w.client.organizations.list_collaborators().items) == 2,
    "datasets.list": lambda w: w.bare in [each.dataset_id for each in w.client.datasets(pagination={"page_size": 3})],
    "datasets.list_simple": lambda w: any(
        w.bare in each["datasetId"] for each in w.client.datasets.list_simple({"page_size": 2}).all_items()
    ),
    "datasets.create": lambda w: w.client.datasets.create(f"Other {w.id}", "vqa").type.value == "vqa",
    "datasets.get": lambda w: w.client.datasets.get(w.id).dataset_id == w.bare,
    "datasets.update": lambda w: w.client.datasets.update(w.id, {"description": "Gauges"}).description == "Gauges",
    "datasets.list_collaborators": lambda w: len(w.client.datasets.list_collaborators(w.id).items) == 2,
    "assets.wait_until_done": lambda w: (
        w.client.assets.wait_until_done(w.id, w.sent.session_ids[0]).status.progressCount.succeeded == 3
    ),
    "assets.upload": lambda w: (
        w.client.assets.upload(
            w.id, assets_bytes=[("i3.png", image(3))], failure_mode="FailAfterAll", show_progress=False
        ).success_rate
        == 100
    ),
    "assets.list": lambda w: list(w.assets) == ["i0.png", "i1.png", "i2.png", "i3.png"],
    "assets.get": lambda w: w.client.assets.get(w.id, w.first, contents=True).info() is None,
    "assets.count": lambda w: w.client.assets.count(w.id, strict_query=True) == 4,
    "assets.rename": lambda w: w.client.assets.rename(w.id, "i9.png", filename="i3.png")["filename"] == "i9.png",
    "annotations.upload": lambda w: (
        w.client.annotations.upload(w.id, w.lines, wait_until_done=False, show_progress=False).total_files == 1
    ),
    "annotations.wait_until_done": lambda w: (
        w.client.annotations.wait_until_done(w.id, w.imports[0]).status.annotations.status_count == {"Created": 3}
    ),
    "annotations.list": lambda w: len(w.parts) == 2,
    "annotations.get": lambda w: (
        w.client.annotations.get(w.id, w.first, w.parts[1].annotation_id).spec.contents == w.parts[1].spec.contents
    ),
    "annotations.replace": lambda w: (
        w.client.annotations.replace(
            w.id, w.first, w.parts[0].annotation_id, {"spec": {"contents": {"contents": "A red valve, shut"}}}
        ).spec.contents.contents
        == "A red valve, shut"
    ),
    "annotations.update": lambda w: (
        w.client.annotations.update(
            w.id, w.first, w.parts[1].annotation_id, {"spec": {"contents": {"target": [0, 2]}}}
        ).spec.contents.target
        == (0, 2)
    ),
    "annotation_import_sessions.add_files": lambda w: w.send_by_hand(),
    "annotation_import_sessions.list": lambda w: len(set(w.imports)) == 2,
    "annotation_import_sessions.get": lambda w: (
        w.client.annotation_import_sessions.get(w.id, w.imports[1])["metadata"]["attributes"] == {"by": "ana"}
    ),
    "annotation_import_sessions.update_status": lambda w: (
        w.client.annotation_import_sessions.update_status(w.id, w.imports[1], ALL_INSERTED)["status"]["files"][
            "pageCount"
        ]
        == 1
    ),
    "annotation_import_sessions.get_files_sample": lambda w: (
        w.client.annotation_import_sessions.get_files_sample(w.id, w.imports[1])["items"][0]["status"] == "Uploaded"
    ),
    "annotation_import_sessions.get_logs": lambda w: (
        w.client.annotations.wait_until_done(w.id, w.imports[1])
        and w.client.annotation_import_sessions.get_logs(w.id, w.imports[1]) == {"items": []}
    ),
    "datasets.get_aggregation_statistics": lambda w: (
        w.client.datasets.get_aggregation_statistics(w.id)["statistic"]["annotationTotal"] == 4
    ),
    "datasets.generate_aggregation_statistics": lambda w: (
        w.client.datasets.generate_aggregation_statistics(w.id) is None
    ),
    "datasets.create_export": lambda w: (
        w.client.datasets.create_export(w.id, {"format": "VI_JSONL", "options": {"split_ratio": 0.5}}).dataset_id
        == w.bare
    ),
    "datasets.list_exports": lambda w: len(w.exports) == 1,
    "datasets.get_export": lambda w: w.client.datasets.get_export(w.id, w.exports[0]).spec.options.split_ratio == 0.5,
    "datasets.wait_until_done": lambda w: (
        w.client.datasets.wait_until_done(w.client.datasets.get_export, w.id, w.exports[0]).status.download_url.url
    ),
    "datasets.download": lambda w: (
        w.endings(w.client.datasets.download(w.id, save_dir=w.folder / "d", show_progress=False)) >= {".png", ".jsonl"}
    ),
    "assets.download": lambda w: (
        sorted(
            path.name for path in w.client.assets.download(w.id, w.folder / "i", overwrite=True, http2=True).file_list
        )
        == ["i0.png", "i1.png", "i2.png", "i9.png"]
    ),
    "annotations.download": lambda w: (
        w.endings(w.client.annotations.download(w.id, w.exports[-1], save_dir=str(w.folder / "a"), overwrite=True))
        == {".jsonl", ".json"}
    ),
    "annotations.delete": lambda w: (
        w.client.annotations.delete(w.id, w.first, w.parts[0].annotation_id).deleted and w.parts == []
    ),
    "assets.delete": lambda w: w.client.assets.delete(w.id, w.first).deleted and len(w.assets) == 3,
    "datasets.bulk_delete_assets": lambda w: (
        w.client.datasets.bulk_delete_assets(w.id, "{'filename': 'i9.png'}").metadata.attributes == {"deleted": "1"}
    ),
    "datasets.list_bulk_asset_deletion_sessions": lambda w: len(w.deletions) == 1,
    "datasets.get_bulk_asset_deletion_session": lambda w: (
        w.client.datasets.get_bulk_asset_deletion_session(w.id, w.deletions[0]).spec.filter == "{'filename': 'i9.png'}"
    ),
    "datasets.delete": lambda w: w.client.datasets.delete(w.id).dataset_id.endswith(w.bare),
    "datasets.get_deletion_operation": lambda w: w.client.datasets.get_deletion_operation(w.id).user == "",
}
#: What has no meaning here, and is refused with a sentence.
REFUSED: dict[str, Callable[[Any], Any]] = {
    "organizations.update": lambda client: client.organizations.update({"name": "Borealis"}),
    "organizations.remove_collaborator": lambda client: client.organizations.remove_collaborator("ben"),
    "organizations.get_quota": lambda client: client.organizations.get_quota(),
}


@pytest.mark.parametrize("full", [False, True], ids=["bare id", "full id"])
def test_every_call_is_answered_as_the_client_promises(place: Place, tmp_path: Path, full: bool) -> None:
    world = World(place, tmp_path, full=full)
    for name, call in CALLS.items():
        assert call(world), name


def test_what_has_no_meaning_here_is_refused_with_a_sentence(place: Place) -> None:
    for call in REFUSED.values():
        with pytest.raises(ViError, match=r"This address|There is nothing at this address"):
            call(place.client())


def test_no_call_of_the_client_is_forgotten() -> None:
    public = {
        f"{name}.{method}"
        for name, described in CLASSES.items()
        for method, _ in inspect.getmembers(described, inspect.isfunction)
        if not method.startswith("_") and method not in ("help", "close")
    }
    assert public == CALLS.keys() | REFUSED.keys()
