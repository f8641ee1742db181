"""Images on their way in: what is stored, what is known of it, and what is refused."""

from __future__ import annotations

import errno
import hashlib
import io
import zlib
from collections.abc import Iterator
from pathlib import Path

import pytest
from django.core.files.base import ContentFile, File
from django.core.files.storage import default_storage
from django.core.files.uploadedfile import SimpleUploadedFile, TemporaryUploadedFile
from PIL import Image

from datasets import images
from datasets.decoding import ImageTooLarge, NotAnImage
from datasets.images import ensure_thumbnail, store_image
from datasets.models import Asset, Dataset, ImageFacts, NewAsset
from tests import cast


def encoded(format_: str, *, mode: str = "RGB", size: tuple[int, int] = (640, 480), **options: object) -> bytes:
    buffer = io.BytesIO()
    noise = Image.effect_noise(size, 60)
    image = noise.convert("I").point(lambda v: v * 256).convert(mode) if mode == "I;16" else noise.convert(mode)
    image.save(buffer, format_, **options)
    return buffer.getvalue()


def stored(dataset: Dataset, content: bytes, filename: str = "line_07.jpg", uid: str = "asset-7") -> ImageFacts:
    return store_image(io.BytesIO(content), dataset=dataset, uid=uid, filename=filename)


def saved(dataset: Dataset, facts: ImageFacts) -> Asset:
    [asset] = dataset.add_assets([NewAsset("line_07.jpg", facts)])
    return asset


def thumbnail(key: str) -> Image.Image:
    with default_storage.open(key) as file:
        return Image.open(io.BytesIO(file.read()))


def test_the_bytes_are_kept_as_they_are_and_measured(valves: Dataset) -> None:
    content = encoded("JPEG")
    facts = stored(valves, content, "Line 07.JPG")
    assert facts.file == f"{valves.organization_id}/{valves.pk}/asset-7.jpg"
    with default_storage.open(facts.file) as file:
        assert file.read() == content
    assert facts == ImageFacts(
        width=640,
        height=480,
        file=facts.file,
        size=len(content),
        sha256=hashlib.sha256(content).hexdigest(),
        crc32=zlib.crc32(content),
        mime_type="image/jpeg",
    )


def test_uploads_of_either_kind_are_stored_alike(valves: Dataset) -> None:
    content = encoded("PNG")
    large = TemporaryUploadedFile("line_07.png", "image/png", len(content), None)
    large.write(content)
    for number, upload in enumerate((SimpleUploadedFile("line_07.png", content), large)):
        facts = store_image(upload, dataset=valves, uid=f"asset-{number}", filename="line_07.png")
        assert (facts.size, facts.sha256) == (len(content), hashlib.sha256(content).hexdigest())
        with default_storage.open(facts.file) as file:
            assert file.read() == content


@pytest.mark.parametrize(
    ("format_", "mode", "mime_type"),
    [
        ("JPEG", "CMYK", "image/jpeg"),
        ("PNG", "RGBA", "image/png"),
        ("PNG", "I;16", "image/png"),
        ("PNG", "P", "image/png"),
        ("WEBP", "RGB", "image/webp"),
        ("GIF", "P", "image/gif"),
        ("BMP", "RGB", "image/bmp"),
        ("TIFF", "F", "image/tiff"),
        ("AVIF", "RGB", "image/avif"),
    ],
)
def test_the_decoder_says_what_it_is_whatever_the_name(
    valves: Dataset, format_: str, mode: str, mime_type: str
) -> None:
    facts = stored(valves, encoded(format_, mode=mode), "line_07.jpg")
    assert (facts.width, facts.height, facts.mime_type, facts.flaw) == (640, 480, mime_type, "")
    assert default_storage.exists(images.thumbnail_key(facts.file))


@pytest.mark.parametrize(
    ("filename", "extension"),
    [("a.PNG", ".png"), ("a.html", ".png"), ("a", ".png"), ("../../a.jpg/..", ".png"), ("a.png/../../evil", ".png")],
)
def test_the_key_is_safe_whatever_the_name(valves: Dataset, filename: str, extension: str) -> None:
    facts = stored(valves, encoded("PNG"), filename)
    assert facts.file == f"{valves.organization_id}/{valves.pk}/asset-7{extension}"


@pytest.mark.parametrize("format_", ["JPEG", "PNG", "WEBP"])
def test_exif_orientation_is_recorded_and_not_applied(valves: Dataset, format_: str) -> None:
    exif = Image.Exif()
    exif[0x0112] = 6
    facts = stored(valves, encoded(format_, exif=exif))
    assert (facts.width, facts.height, facts.exif_orientation) == (640, 480, 6)
    small = thumbnail(images.thumbnail_key(facts.file))
    assert small.size == (320, 240)
    assert 0x0112 not in small.getexif()


def test_a_decoder_that_turns_the_pixels_itself_is_believed(valves: Dataset) -> None:
    exif = Image.Exif()
    exif[0x0112] = 6
    facts = stored(valves, encoded("TIFF", exif=exif))
    assert (facts.width, facts.height, facts.exif_orientation) == (480, 640, 1)
    assert thumbnail(images.thumbnail_key(facts.file)).size == (240, 320)


def test_a_nonsensical_orientation_counts_as_none(valves: Dataset) -> None:
    exif = Image.Exif()
    exif[0x0112] = 77
    assert stored(valves, encoded("JPEG", exif=exif)).exif_orientation == 1


@pytest.mark.parametrize("format_", ["JPEG", "PNG", "GIF", "BMP", "TIFF"])
def test_a_truncated_image_is_kept_with_its_flaw(valves: Dataset, format_: str) -> None:
    content = encoded(format_)[:-2000]
    facts = stored(valves, content)
    assert (facts.width, facts.height, facts.size) == (640, 480, len(content))
    assert facts.flaw == "The file ends too early."
    with default_storage.open(facts.file) as file:
        assert file.read() == content
    assert ensure_thumbnail(saved(valves, facts)) is None
    assert not default_storage.exists(images.thumbnail_key(facts.file))


def test_a_damaged_image_is_kept_with_its_flaw(valves: Dataset) -> None:
    content = bytearray(encoded("PNG"))
    content[60:460] = b"\xff" * 400
    facts = stored(valves, bytes(content))
    assert facts.flaw == "The pixels are damaged and cannot be decoded."


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"hello",
        b"<svg xmlns='http://www.w3.org/2000/svg'/>",
        b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 10 10\n%%EndComments\n",
        b"%PDF-1.4",
        encoded("JPEG")[:100],
    ],
)
def test_what_is_no_image_is_refused_and_not_stored(valves: Dataset, content: bytes, tmp_path: Path) -> None:
    with pytest.raises(NotAnImage, match=r"“notes\.jpg” is not an image"):
        stored(valves, content, "notes.jpg")
    assert not list((tmp_path / "media").rglob("*.*"))


@pytest.mark.parametrize("size", [(20_001, 10_000), (60_000, 30_000)])
def test_a_bomb_is_refused_with_a_sentence(valves: Dataset, size: tuple[int, int]) -> None:
    header = bytearray(encoded("BMP", size=(1, 1)))
    header[18:26] = size[0].to_bytes(4, "little") + size[1].to_bytes(4, "little")
    with pytest.raises(ImageTooLarge, match=r"“bomb\.bmp” has more than 200 million pixels"):
        stored(valves, bytes(header), "bomb.bmp")


@pytest.mark.parametrize(
    ("size", "small"), [((640, 480), (320, 240)), ((480, 960), (160, 320)), ((50, 40), (50, 40)), ((4000, 1), (320, 1))]
)
def test_the_thumbnail_fits_into_320_px(valves: Dataset, size: tuple[int, int], small: tuple[int, int]) -> None:
    facts = stored(valves, encoded("PNG", size=size))
    picture = thumbnail(images.thumbnail_key(facts.file))
    assert (picture.format, picture.size) == ("JPEG", small)


def test_transparent_parts_are_white_in_the_thumbnail(valves: Dataset) -> None:
    buffer = io.BytesIO()
    Image.new("RGBA", (40, 40), (255, 0, 0, 0)).save(buffer, "PNG")
    facts = stored(valves, buffer.getvalue())
    assert thumbnail(images.thumbnail_key(facts.file)).getpixel((20, 20)) == (255, 255, 255)


def test_sixteen_bits_a_pixel_keep_their_shades_in_the_thumbnail(valves: Dataset) -> None:
    buffer = io.BytesIO()
    Image.new("I;16", (40, 40), 32_768).save(buffer, "PNG")
    facts = stored(valves, buffer.getvalue())
    pixel = thumbnail(images.thumbnail_key(facts.file)).getpixel((20, 20))
    assert isinstance(pixel, tuple)
    assert all(120 < value < 136 for value in pixel)


def test_a_missing_thumbnail_is_made_when_asked_for(valves: Dataset) -> None:
    asset = cast.make_asset(valves, image=cast.jpeg(900, 600), width=900, height=600)
    key = ensure_thumbnail(asset)
    assert key is not None
    assert thumbnail(key).size == (320, 213)
    made = default_storage.get_modified_time(key)
    assert ensure_thumbnail(asset) == key
    assert default_storage.get_modified_time(key) == made


def test_there_is_no_thumbnail_without_an_image(valves: Dataset) -> None:
    assert ensure_thumbnail(cast.make_asset(valves)) is None
    assert ensure_thumbnail(cast.make_asset(valves, "gone.jpg", file="gone.jpg")) is None
    key = default_storage.save("broken.jpg", ContentFile(b"hello"))
    assert ensure_thumbnail(cast.make_asset(valves, "broken.jpg", file=key)) is None


def test_discarding_leaves_nothing(valves: Dataset, tmp_path: Path) -> None:
    facts = stored(valves, encoded("JPEG"))
    images.discard_image(facts.file)
    assert not [path for path in (tmp_path / "media").rglob("*") if path.is_file()]


@pytest.mark.parametrize("written_before", [0, 1])
def test_a_full_disk_leaves_nothing_of_the_image(
    valves: Dataset, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, written_before: int
) -> None:
    """Whether it is full at the image or at its thumbnail."""
    left = iter([True] * written_before)
    real_chunks = File.chunks

    def chunks(file: File[bytes]) -> Iterator[bytes]:
        yield from real_chunks(file)
        if not next(left, False):
            raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(File, "chunks", chunks)
    with pytest.raises(OSError, match="No space"):
        stored(valves, encoded("JPEG"))
    assert not [path for path in tmp_path.rglob("*") if path.is_file()]
