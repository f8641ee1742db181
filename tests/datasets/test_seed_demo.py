"""The demo: made in seconds, exact in what it says, and left alone the second time."""

from __future__ import annotations

import io
from collections.abc import Iterator
from pathlib import Path
from random import Random

import pytest
from django.core.files.storage import default_storage
from django.core.management import call_command
from django.test import override_settings
from PIL import Image, ImageChops

from datasets.contents import PhraseGrounding, Vqa
from datasets.demo import brush, dials, seed
from datasets.demo.things import THINGS, Thing
from datasets.models import Annotation, Dataset
from vi_portal.accounts.models import Membership, User


@pytest.fixture(autouse=True)
def small_demo(db: None, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Few assets a dataset, and a place of its own for the password."""
    monkeypatch.setattr(seed, "ASSETS_PER_DATASET", 2)
    with override_settings(DATA_DIR=tmp_path):
        yield


def run(*args: str) -> str:
    out = io.StringIO()
    call_command("seed_demo", *args, stdout=out)
    return out.getvalue()


def state() -> list[object]:
    """Everything that a second run could change."""
    return [
        list(Dataset.objects.order_by("name").values_list("pk", "revision")),
        list(User.objects.order_by("username").values_list("username", "password")),
        Annotation.objects.count(),
        sorted(path for path in Path(default_storage.location).rglob("*")),  # type: ignore[attr-defined]
    ]


def test_two_datasets_are_made_and_the_second_run_changes_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(seed, "ASSETS_PER_DATASET", 20)
    printed = run()
    scenes, panels = Dataset.objects.order_by("-name")
    assert [(d.name, d.type, d.organization.name) for d in (scenes, panels)] == [
        ("Workshop scenes", "phrase-grounding", "Demo"),
        ("Gauge questions", "vqa", "Demo"),
    ]
    for dataset in (scenes, panels):
        assert dataset.assets.count() == 20
        assert dataset.assets.unannotated().count() == 2
        assert {"vue_été_03.jpg", "工場_12.jpg", "оборудование 5.jpg"} < {a.filename for a in dataset.assets.all()}
        for asset in dataset.assets.all():
            with asset.open_image() as file, Image.open(file) as image:
                assert image.size == (asset.width, asset.height)
    assert "Sign in as ana" in printed
    before, sign_in = state(), (tmp_path / "sign-in.txt").read_text()
    assert "already" in run()
    assert state() == before
    assert (tmp_path / "sign-in.txt").read_text() == sign_in


def test_ana_owns_it_and_ben_may_look(tmp_path: Path) -> None:
    run()
    sign_in = tmp_path / "sign-in.txt"
    assert sign_in.stat().st_mode & 0o777 == 0o600
    user, password = sign_in.read_text().splitlines()
    assert user == "user: ana"
    secret = password.removeprefix("password: ")
    assert len(secret) >= 12
    roles = dict(Membership.objects.values_list("user__username", "role"))
    assert roles == {"ana": "owner", "ben": "viewer"}
    assert all(_checks(username, secret) for username in roles)
    assert User.objects.get(username="ana").display_name == "Ana Torres"


def _checks(username: str, password: str) -> bool:
    return User.objects.get(username=username).check_password(password)


def test_a_password_may_be_chosen_and_changed(tmp_path: Path) -> None:
    for password in ("first sentence", "second sentence"):
        run("--password", password)
        assert _checks("ana", password)
        assert (tmp_path / "sign-in.txt").read_text() == f"user: ana\npassword: {password}\n"
    run()
    assert _checks("ana", "second sentence")


def test_an_interrupted_drawing_leaves_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    drawn = iter(range(1))

    def draw(random: Random) -> seed.Drawing:
        next(drawn)
        return Image.new("RGB", (10, 10)), []

    monkeypatch.setattr(seed, "_scene", draw)
    organization, _, _ = seed.seed_people()
    with pytest.raises(StopIteration):
        seed.seed_datasets(organization)
    assert not Dataset.objects.exists()
    assert not any(path.is_file() for path in Path(default_storage.location).rglob("*"))  # type: ignore[attr-defined]


def test_every_phrase_is_in_its_caption_and_every_box_in_its_image() -> None:
    for number in range(25):
        image, captions = seed._scene(Random(number))
        for contents in captions:
            assert isinstance(contents, PhraseGrounding)
            assert contents.grounded_phrases
            words = contents.caption.replace(",", "").split()
            for phrase in contents.grounded_phrases:
                assert phrase.char_span is not None
                start, end = phrase.char_span
                assert contents.caption[start:end] == phrase.phrase
                assert words[phrase.start_token_index : phrase.end_token_index + 1] == phrase.phrase.split()
                many = phrase.phrase.split()[0] in ("two", "three", "four")
                assert (len(phrase.bounds) > 1) is many
                for xmin, ymin, xmax, ymax in phrase.bounds:
                    assert 0 <= xmin < xmax <= image.width
                    assert 0 <= ymin < ymax <= image.height


@pytest.mark.parametrize("thing", THINGS, ids=lambda thing: thing.singular)
def test_a_box_is_exactly_what_was_painted(thing: Thing) -> None:
    blank = Image.new("RGB", (400, 400), (1, 254, 1))
    painted = blank.copy()
    box = brush.paste(painted, thing.paint(120, thing.own_color, Random(1)), 40.4, 30.6)
    assert box[:2] == (40, 31)
    difference = ImageChops.difference(blank, painted).getbbox()
    assert difference == box


def test_every_answer_is_true_of_what_else_is_said() -> None:
    for number in range(200):
        random = Random(number)
        thermometer = dict(dials.thermometer(random, "T1", 60).questions)
        degrees = int(thermometer["What temperature does thermometer T1 show, in °C?"])
        assert thermometer["Is thermometer T1 above 50 °C?"] == ("Yes" if degrees > 50 else "No")
        tank = dict(dials.tank(random, "V1", 60).questions)
        percent = int(tank["How full is tank V1, in percent?"])
        assert tank["Is tank V1 more than half full?"] == ("Yes" if percent > 50 else "No")


@pytest.mark.parametrize("number", range(12))
def test_the_drawn_level_is_the_one_that_is_answered(number: int) -> None:
    tank = dials.tank(Random(number), "V1", 300)
    percent = int(dict(tank.questions)["How full is tank V1, in percent?"])
    column = [tank.image.convert("RGB").getpixel((72, y)) for y in range(30, 246)]
    empty = sum(pixel == brush.rgb("#e9eef2") for pixel in column)
    assert 100 * (1 - empty / len(column)) == pytest.approx(percent, abs=2)


@pytest.mark.parametrize("number", range(12))
def test_as_many_lights_shine_as_are_counted(number: int) -> None:
    row = dials.lights(Random(number), "L1", 300)
    answers = dict(row.questions)
    total = int(answers["How many lights of row L1 are on?"])
    size = 300 * 0.74
    shining = 0
    for position in range(int(answers["How many lights does row L1 have?"])):
        pixel = row.image.convert("RGB").getpixel((round(size * (0.21 + position * 0.3)), round(size * 0.24)))
        assert isinstance(pixel, tuple)
        shining += max(pixel) > 180
    assert shining == total


def test_questions_are_about_instruments_that_are_there() -> None:
    for number in range(10):
        _, [contents] = seed._panel(Random(number))
        assert isinstance(contents, Vqa)
        assert [pair.order for pair in contents.interactions] == list(range(1, len(contents.interactions) + 1))
        questions = [pair.question for pair in contents.interactions]
        assert len(set(questions)) == len(questions) >= 2
        assert all(pair.question.endswith("?") and pair.answer for pair in contents.interactions)


def test_the_same_demo_is_drawn_everywhere() -> None:
    for draw in (seed._scene, seed._panel):
        (one, said), (other, said_again) = draw(Random("demo")), draw(Random("demo"))
        assert one.tobytes() == other.tobytes()
        assert said == said_again
