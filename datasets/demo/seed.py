"""The demo as rows and files: an organization, its people, and two datasets of drawn images."""

from __future__ import annotations

import io
from collections.abc import Callable, Sequence
from random import Random
from typing import TypeAlias

from django.db import transaction
from PIL import Image

from datasets.contents import Contents
from datasets.demo.captions import describe
from datasets.demo.panel import ask, draw_panel
from datasets.demo.scene import draw_scene
from datasets.images import discard_image, store_image
from datasets.models import Dataset, DatasetType, NewAnnotation, NewAsset, new_uid
from vi_portal.accounts.models import Membership, Organization, Role, User
from vi_portal.jobs.progress import Progress

ORGANIZATION = "Demo"
ASSETS_PER_DATASET = 60

#: One asset in so many is left without annotations.
_UNANNOTATED_EVERY = 10
_NAMES: dict[int, str] = {
    3: "vue_été_03.jpg",
    5: "оборудование 5.jpg",
    12: "工場_12.jpg",
    19: "Prüfstand № 19.png",
    27: "🔧 bench_27.jpg",
    34: "ورشة_34.jpg",
    41: "station 41 (copy).webp",
}

Drawing: TypeAlias = tuple[Image.Image, Sequence[Contents]]
Draw: TypeAlias = Callable[[Random], Drawing]


def seed_people() -> tuple[Organization, User, User]:
    """The organization, Ana who owns it, and Ben who may look. New users cannot sign in yet."""
    organization, _ = Organization.objects.get_or_create(name=ORGANIZATION)
    ana = _member(organization, "ana", Role.OWNER, first_name="Ana", last_name="Torres")
    ben = _member(organization, "ben", Role.VIEWER, first_name="Ben", last_name="Okafor")
    return organization, ana, ben


def seed_datasets(organization: Organization, progress: Progress | None = None) -> list[Dataset]:
    """Make the two datasets, as far as they are not there, and return those made."""
    progress = progress or Progress()
    wanted = (
        ("Workshop scenes", DatasetType.PHRASE_GROUNDING, _scene, "scene", "Things on walls, shelves and benches."),
        ("Gauge questions", DatasetType.VQA, _panel, "panel", "Control panels, and what can be read off them."),
    )
    made = []
    for number, (name, type_, draw, stem, description) in enumerate(wanted, 1):
        progress.enter(f"Drawing “{name}”", until=50 * number, total=ASSETS_PER_DATASET)
        if not organization.datasets.filter(name=name).exists():
            dataset = Dataset(organization=organization, name=name, type=type_, description=description)
            _fill(dataset, draw, stem, Random(name), progress)  # noqa: S311 (a drawing is no secret)
            made.append(dataset)
        progress.advance(ASSETS_PER_DATASET)
    return made


def _member(organization: Organization, username: str, role: Role, **names: str) -> User:
    user, is_new = User.objects.get_or_create(username=username, defaults=names)
    if is_new:
        user.set_unusable_password()
        user.save()
    Membership.objects.get_or_create(organization=organization, user=user, defaults={"role": role})
    return user


def _scene(random: Random) -> Drawing:
    scene = draw_scene(random)
    return scene.image, describe(scene, random)


def _panel(random: Random) -> Drawing:
    panel = draw_panel(random)
    return panel.image, [ask(panel, random)]


def _fill(dataset: Dataset, draw: Draw, stem: str, random: Random, progress: Progress) -> None:
    """Save `dataset` with all its assets and annotations, or nothing of it."""
    new_assets: list[NewAsset] = []
    drawn: list[Sequence[Contents]] = []
    try:
        for number in range(1, ASSETS_PER_DATASET + 1):
            image, contents = draw(random)
            filename = _NAMES.get(number, f"{stem}_{number:02}.jpg")
            uid = new_uid()
            facts = store_image(_encoded(image, filename), dataset=dataset, uid=uid, filename=filename)
            new_assets.append(NewAsset(filename, facts, uid))
            drawn.append([] if number % _UNANNOTATED_EVERY == 0 else contents)
            progress.advance()
        with transaction.atomic():
            dataset.save()
            assets = dataset.add_assets(new_assets)
            dataset.add_annotations(
                NewAnnotation(asset, each) for asset, contents in zip(assets, drawn, strict=True) for each in contents
            )
    except BaseException:
        for new in new_assets:
            discard_image(new.image.file)
        raise


def _encoded(image: Image.Image, filename: str) -> io.BytesIO:
    buffer = io.BytesIO()
    format_ = {"jpg": "JPEG", "png": "PNG", "webp": "WEBP"}[filename.rpartition(".")[2]]
    image.save(buffer, format_, quality=90)
    return buffer
