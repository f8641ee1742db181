"""The main job in a real browser: open a dataset, export, watch the history, download, read."""

from __future__ import annotations

import json
import re
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest
from playwright.sync_api import Locator, Page, Route, expect

from tests.e2e.portal import BCCD, Portal

FINISHED = re.compile("Finished")


def open_dataset(page: Page, name: str) -> None:
    page.goto("/")
    page.get_by_role("main").get_by_role("link").filter(has=page.get_by_text(name, exact=True)).click()
    expect(page.get_by_role("heading", level=1)).to_have_text(name)


def open_annotations(page: Page, dataset: str) -> None:
    open_dataset(page, dataset)
    page.get_by_role("navigation", name="Dataset").get_by_role("link", name="Annotations").click()
    expect(page.get_by_role("heading", name="Annotation Job History")).to_be_visible()
    page.wait_for_load_state()  # a link that is followed before the scripts are there leads to a page, not to a dialog


def newest(page: Page) -> Locator:
    return page.locator("tbody.job").first


def start_export(page: Page, **choices: str | bool) -> None:
    """Open the dialog, choose, and send it off: format, images, normalized, ratio, seed."""
    page.wait_for_load_state()
    page.get_by_role("main").get_by_role("link", name="Export", exact=True).click()
    dialog = page.get_by_role("dialog")
    expect(dialog).to_be_visible()
    if "format" in choices:
        dialog.get_by_role("radio", name=re.compile(str(choices["format"]))).check()
    for name, label in (("images", "Include images"), ("normalized", "Normalized")):
        if name in choices:
            dialog.get_by_role("checkbox", name=re.compile(label)).set_checked(bool(choices[name]))
    if "ratio" in choices:
        dialog.get_by_role("checkbox", name=re.compile("Test split ratio")).check()
        dialog.get_by_role("textbox", name=re.compile("for validation|ratio", re.IGNORECASE)).fill(
            str(choices["ratio"])
        )
    if "seed" in choices:
        dialog.get_by_role("textbox", name=re.compile("Seed")).fill(str(choices["seed"]))
    dialog.get_by_role("button", name="Export", exact=True).click()


def download(page: Page, folder: Path) -> Path:
    with page.expect_download() as waiting:
        newest(page).get_by_role("link", name=re.compile("Download")).click()
    path = folder / waiting.value.suggested_filename
    waiting.value.save_as(path)
    return path


def source_boxes() -> dict[str, list[list[float]]]:
    """Every box of the source that has an area, in px, by file name."""
    found = {}
    for line in (BCCD / "phrase_grounding.jsonl").read_text().splitlines():
        record = json.loads(line)
        boxes = [box for phrase in record["contents"]["groundedPhrases"] for box in phrase["bounds"]]
        sound = [[x1 * 640, y1 * 480, x2 * 640, y2 * 480] for x1, y1, x2, y2 in boxes if x1 < x2 and y1 < y2]
        found[record["asset"]["filename"]] = sorted(sound)
    return found


def assert_same_boxes(exported: dict[str, list[list[float]]]) -> None:
    source = source_boxes()
    assert exported.keys() == source.keys()
    for name, boxes in exported.items():
        assert len(boxes) == len(source[name])
        for box, expected in zip(sorted(boxes), source[name], strict=True):
            assert box == pytest.approx(expected, abs=0.5)


def test_export_vi_jsonl_with_images_split_and_normalized(page: Page, tmp_path: Path) -> None:
    open_annotations(page, "BCCD")
    address = page.url
    start_export(page, images=True, normalized=True, ratio="0.2")
    expect(page.get_by_role("dialog")).to_be_hidden()
    expect(newest(page)).to_contain_text(re.compile("In Progress|Finished"))
    expect(newest(page)).to_contain_text(FINISHED)
    assert page.url == address
    expect(newest(page)).to_contain_text("291 train, 73 validation")
    expect(page.locator("#job-history")).not_to_have_attribute("hx-trigger", re.compile("."))

    path = download(page, tmp_path)
    assert subprocess.run(["unzip", "-tqq", path], check=False).returncode == 0
    with zipfile.ZipFile(path) as archive:
        train = archive.read("train/annotations.jsonl").decode().splitlines()
        validation = archive.read("validation/annotations.jsonl").decode().splitlines()
        receipt = json.loads(archive.read("export.json"))
        images = {Path(name).name: archive.read(name) for name in archive.namelist() if "/images/" in name}
    assert (len(train), len(validation)) == (291, 73)
    records = [json.loads(line) for line in train + validation]
    assert all({"asset_id", "filename", "annotations"} <= record.keys() for record in records)
    assert_same_boxes(
        {
            record["filename"]: [
                [x1 * 640, y1 * 480, x2 * 640, y2 * 480]
                for annotation in record["annotations"]
                for phrase in annotation["contents"]["groundedPhrases"]
                for x1, y1, x2, y2 in phrase["bounds"]
            ]
            for record in records
        }
    )
    assert images == {image.name: image.read_bytes() for image in (BCCD / "images").iterdir()}
    assert receipt["totals"]["assets"] == {"asked": 364, "written": 364, "skipped": 0}
    assert receipt["totals"]["boxes"] == {"asked": 4888, "written": 4886, "skipped": 2}
    flat = [warning["filename"] for warning in receipt["warnings"] if warning["what"] == "boxes: degenerate"]
    assert sorted(flat) == ["BloodImage_00338.jpg", "BloodImage_00343.jpg"]


def test_export_tfrecord_and_read_it_with_the_reader_in_the_zip(page: Page, tmp_path: Path) -> None:
    open_annotations(page, "BCCD")
    start_export(page, format="TFRecord")
    expect(newest(page)).to_contain_text("TFRecord")
    expect(newest(page)).to_contain_text(FINISHED, timeout=60_000)
    with zipfile.ZipFile(download(page, tmp_path)) as archive:
        archive.extractall(tmp_path / "unzipped")
    script = """
import json, sys
from read_tfrecord import load
found = {}
for example in load("."):
    columns = [example[f"image/object/bbox/{side}"].numpy().tolist() for side in ("xmin", "ymin", "xmax", "ymax")]
    found[example["image/filename"].numpy().decode()] = list(zip(*columns))
print(json.dumps(found))
"""
    run = subprocess.run(
        [sys.executable, "-c", script], cwd=tmp_path / "unzipped", capture_output=True, text=True, check=True
    )
    found = json.loads(run.stdout)
    assert len(found) == 364
    assert_same_boxes({name: [list(box) for box in boxes] for name, boxes in found.items()})


def test_wrong_ratios_are_refused_in_the_dialog(page: Page) -> None:
    open_annotations(page, "BCCD questions")
    start_export(page, ratio="0,2")
    dialog = page.get_by_role("dialog")
    expect(dialog).to_contain_text("“0,2” is not a ratio")
    field = dialog.get_by_role("textbox", name=re.compile("for validation|ratio", re.IGNORECASE))
    for wrong in ("1.2", "nan", "1e400", "-0.1"):
        field.fill(wrong)
        dialog.get_by_role("button", name="Export", exact=True).click()
        expect(dialog).to_contain_text(f"“{wrong}” is not a ratio")
    expect(page.get_by_text("No exports yet")).to_be_attached()


def test_the_preview_follows_the_options(page: Page) -> None:
    open_annotations(page, "BCCD")
    page.get_by_role("main").get_by_role("link", name="Export", exact=True).click()
    dialog = page.get_by_role("dialog")
    expect(dialog).to_contain_text("364")
    expect(dialog).to_contain_text("BloodImage_00000.jpg")
    dialog.get_by_role("checkbox", name=re.compile("Test split ratio")).check()
    field = dialog.get_by_role("textbox", name=re.compile("for validation|ratio", re.IGNORECASE))
    field.fill("0.5")
    expect(dialog).to_contain_text("182")
    field.fill("0.25")
    expect(dialog).to_contain_text("273")
    page.keyboard.press("Escape")
    expect(dialog).to_be_hidden()


def test_a_filter_is_carried_from_the_assets_page(page: Page, tmp_path: Path) -> None:
    open_dataset(page, "BCCD")
    page.get_by_role("navigation", name="Dataset").get_by_role("link", name="Assets").click()
    page.get_by_role("searchbox").fill("Image_0000")
    expect(page.get_by_role("main")).to_contain_text(re.compile(r"\b10\b"))
    page.get_by_role("link", name=re.compile("Export these")).click()
    expect(page.get_by_role("main")).to_contain_text("the file name contains “Image_0000”")
    start_export(page)
    expect(newest(page)).to_contain_text("only assets where the file name contains “Image_0000”")
    expect(newest(page)).to_contain_text(FINISHED)
    with zipfile.ZipFile(download(page, tmp_path)) as archive:
        assert len(archive.read("annotations.jsonl").splitlines()) == 10


def test_what_is_typed_before_the_scripts_are_there_is_searched_for(page: Page) -> None:
    open_dataset(page, "BCCD")
    held: list[Route] = []
    page.route("**/htmx*.js", lambda route: held.append(route))
    assets = page.get_by_role("navigation", name="Dataset").get_by_role("link", name="Assets").get_attribute("href")
    with page.expect_request("**/htmx*.js"):
        page.goto(str(assets), wait_until="commit")
    page.get_by_role("searchbox").fill("Image_0000")
    expect(page.get_by_role("main")).to_contain_text("364 assets")
    held[0].continue_()
    expect(page.get_by_role("main")).to_contain_text(re.compile(r"\b10\b"))


def test_the_main_job_without_javascript(plain_page: Page) -> None:
    page = plain_page
    open_annotations(page, "BCCD questions")
    page.get_by_role("main").get_by_role("link", name="Export", exact=True).click()
    page.get_by_role("button", name="Export", exact=True).click()
    expect(page.get_by_role("heading", name="Annotation Job History")).to_be_visible()
    for _ in range(100):
        if FINISHED.search(newest(page).inner_text()):
            break
        page.reload()
    expect(newest(page).get_by_role("link", name=re.compile("Download"))).to_be_visible()
    with page.expect_download() as waiting:
        newest(page).get_by_role("link", name=re.compile("Download")).click()
    assert waiting.value.suggested_filename.endswith(".zip")


def test_an_export_by_keyboard_alone(page: Page) -> None:
    open_annotations(page, "Gauge questions")
    page.get_by_role("main").get_by_role("link", name="Export", exact=True).focus()
    page.keyboard.press("Enter")
    expect(page.get_by_role("dialog")).to_be_visible()
    assert page.evaluate("document.activeElement.closest('dialog') !== null")
    for _ in range(40):
        page.keyboard.press("Tab")
        focused = page.evaluate("[document.activeElement.tagName, document.activeElement.innerText.trim()]")
        if focused == ["BUTTON", "Export"]:
            break
    page.keyboard.press("Enter")
    expect(page.get_by_role("dialog")).to_be_hidden()
    expect(newest(page)).to_contain_text(FINISHED)


def test_hovering_a_phrase_lights_up_its_boxes(page: Page) -> None:
    open_dataset(page, "BCCD")
    page.get_by_role("navigation", name="Dataset").get_by_role("link", name="Assets").click()
    page.get_by_role("link", name=re.compile("BloodImage_00000")).first.click()
    picture = page.locator("figure, .stage, .picture").filter(has=page.locator("svg rect")).first
    before = picture.screenshot()
    page.get_by_role("main").get_by_text("white blood cells").filter(visible=True).first.hover()
    for _ in range(50):
        if picture.screenshot() != before:
            return
    raise AssertionError("The picture stayed as it was.")


@pytest.mark.parametrize("width", [360, 768, 1600])
@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_no_page_is_wider_than_the_window(page: Page, width: int, scheme: str) -> None:
    page.emulate_media(color_scheme="dark" if scheme == "dark" else "light")
    page.set_viewport_size({"width": width, "height": 800})
    open_dataset(page, "BCCD")
    dataset = page.url
    for path in ("", "assets/", "annotations/", "annotations/export/"):
        page.goto(dataset + path)
        assert page.evaluate("document.documentElement.scrollWidth") <= width, path


def test_the_web_process_never_loaded_tensorflow(page: Page, portal: Portal) -> None:
    """Runs last: by now TFRecords were previewed and exported."""
    open_annotations(page, "BCCD")
    page.get_by_role("main").get_by_role("link", name="Export", exact=True).click()
    page.get_by_role("dialog").get_by_role("radio", name=re.compile("TFRecord")).check()
    expect(page.get_by_role("dialog")).to_contain_text("image/object/bbox/xmin")
    web = portal.children("gunicorn")
    assert web
    for pid in web:
        assert "tensorflow" not in Path(f"/proc/{pid}/maps").read_text()
