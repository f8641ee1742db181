"""The bytes of stored images on their way into an export: from disk when they are pulled, from a store ahead of that.

A store takes its time to answer, whatever the size; so the next few small images are fetched while one is written.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from typing import Protocol, TypeVar

from django.core.files.storage import default_storage

from vi_portal.s3 import store_of
from vi_portal.s3.failures import StoreFailed

#: Why an image is left out whose bytes are not those that were stored.
CHANGED_IMAGE = "the stored file is not the one that was uploaded"

_READ = 1024 * 1024
#: Larger images are not fetched ahead; so this many times `_AHEAD` is the memory it takes, at most.
_LARGEST_AHEAD = 2 * 1024 * 1024
_AHEAD = 12


class ImageUnreadable(Exception):
    """The image's bytes cannot be had; the message says why."""


class StoredImage(Protocol):
    """What is to be known of an image: its storage key, empty where there is none, and its size in bytes."""

    @property
    def file(self) -> str: ...
    @property
    def size(self) -> int: ...


Image = TypeVar("Image", bound=StoredImage)
#: Gives the bytes once; each chunk is overwritten by the next. May raise `ImageUnreadable` and `StoreFailed`.
Content = Callable[[], Iterator[memoryview]]


def with_contents(images: Iterable[Image]) -> Iterator[tuple[Image, Content]]:
    """Each of `images` with what gives its bytes."""
    if store_of("default") is None:
        return ((image, _from_disk(image)) for image in images)
    return _fetched_ahead(images)


def nothing() -> Iterator[memoryview]:
    """The content of an image that nobody will pull."""
    return iter(())


def _from_disk(image: StoredImage) -> Content:
    return lambda: _chunks(image)


def _fetched_ahead(images: Iterable[Image]) -> Iterator[tuple[Image, Content]]:
    waiting = deque[tuple[Image, Content]]()
    with ThreadPoolExecutor(_AHEAD, thread_name_prefix="images") as fetchers:
        try:
            for image in images:
                small = image.file and image.size <= _LARGEST_AHEAD
                waiting.append((image, _promised(fetchers.submit(_whole, image)) if small else _from_disk(image)))
                if len(waiting) > _AHEAD:
                    yield waiting.popleft()
            while waiting:
                yield waiting.popleft()
        finally:
            fetchers.shutdown(wait=False, cancel_futures=True)


def _promised(whole: Future[bytes]) -> Content:
    def content() -> Iterator[memoryview]:
        yield memoryview(whole.result())

    return content


def _whole(image: StoredImage) -> bytes:
    return b"".join(map(bytes, _chunks(image)))


def _chunks(image: StoredImage) -> Iterator[memoryview]:
    buffer = memoryview(bytearray(min(_READ, max(image.size + 1, 1))))
    try:
        with default_storage.open(image.file) as file:
            while count := file.readinto(buffer):
                yield buffer[:count]
    except StoreFailed:
        raise  # It says nothing about the image, and would be true of the next one as well.
    except OSError as error:
        raise ImageUnreadable("the stored file cannot be read") from error
