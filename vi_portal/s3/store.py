"""The storage backend: django-storages' S3, with one client for all threads, bounded patience and telling errors.

What it adds for the portal: whole files sent in parts, objects listed, unfinished uploads found, links signed.
"""

from __future__ import annotations

import mimetypes
import os
import threading
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import lru_cache
from io import BufferedReader
from typing import IO, Any

import boto3.session
from botocore.config import Config
from django.core.files.base import File
from django.utils import timezone
from storages.backends.s3 import S3Storage

from vi_portal.s3 import uploading
from vi_portal.s3.answers import failures_told
from vi_portal.s3.failures import StoreFailed
from vi_portal.s3.joining import Joining
from vi_portal.s3.patience import in_line, is_quick
from vi_portal.s3.reading import ObjectReader

#: How long an answer is waited for, in seconds, and how often it is asked for, with growing pauses between.
_PATIENT = {"connect_timeout": 5, "read_timeout": 30, "retries": {"mode": "standard", "total_max_attempts": 5}}
_HURRIED = {"connect_timeout": 2, "read_timeout": 8, "retries": {"mode": "standard", "total_max_attempts": 2}}
_BUFFER = 256 * 1024
_DELETED_AT_ONCE = 8
_STALE = timedelta(days=1)

#: Making a client takes a while, and whoever comes meanwhile would make another.
_making = threading.Lock()


@dataclass(frozen=True, slots=True)
class Listed:
    """An object, or an upload that was begun: its name in the storage and when it was made; the latter has an id."""

    name: str
    at: datetime
    upload_id: str = ""


class ObjectStore(S3Storage):  # type: ignore[misc]  # django-storages has no types
    """A bucket, or what is in it below a prefix, as a storage of Django.

    `public_endpoint` is where browsers reach the store, if that is not where the portal does. Every method raises
    `StoreFailed` where the store cannot be reached, refuses or fails.
    """

    def __init__(self, *, public_endpoint: str = "", checksums: bool = True, **options: Any) -> None:
        super().__init__(**options)
        self.public_endpoint = public_endpoint
        self.checksums = checksums

    # What Django asks of a storage

    def _open(self, name: str, mode: str = "rb") -> File[bytes]:
        """The object as a seekable file. Raises `FileNotFoundError`."""
        if mode != "rb":
            raise ValueError("Objects are opened for reading only. Save a file instead.")
        with in_line():
            return self._file(ObjectReader(self.client, bucket=self.bucket_name, key=self._key(name)), name)

    def _save(self, name: str, content: IO[bytes]) -> str:
        content.seek(0, os.SEEK_END)
        size = content.tell()
        content.seek(0)
        self.upload(name, content, size=size)
        return name

    def delete(self, name: str) -> None:
        with failures_told(name):
            self.client.delete_object(Bucket=self.bucket_name, Key=self._key(name))

    def exists(self, name: str) -> bool:
        try:
            self.size(name)
        except FileNotFoundError:
            return False
        return True

    def size(self, name: str) -> int:
        """The size in bytes. Raises `FileNotFoundError`."""
        with in_line(), failures_told(name):
            return int(self.client.head_object(Bucket=self.bucket_name, Key=self._key(name))["ContentLength"])

    # What the portal asks beyond that

    def check(self) -> None:
        """Raise `StoreFailed` unless the bucket is there and answers."""
        try:
            with failures_told():
                self.client.head_bucket(Bucket=self.bucket_name)
        except FileNotFoundError as error:
            told = "The file store has no such bucket. Make it, or correct S3_BUCKET."
            raise StoreFailed(told, lasting=True) from error

    def open_part(self, name: str, *, size: int) -> File[bytes]:
        """The object `name`, of which `size` is known, for who will read but a part of it. Nothing is asked yet."""
        return self._file(ObjectReader(self.client, bucket=self.bucket_name, key=self._key(name), size=size), name)

    def upload(
        self,
        name: str,
        content: IO[bytes],
        *,
        size: int,
        compare: bool = False,
        sent: Callable[[int], None] = lambda size: None,
    ) -> None:
        """Store `content`, which is `size` bytes long, under `name`: whole or not at all. `sent` may raise.

        With `compare`, the store is asked afterwards what it has. What is large is always compared.
        """
        kind = self._content_type(name)
        target = uploading.Target(self.client, self.bucket_name, self._key(name), kind, self.checksums)
        uploading.upload(target, content, size=size, compare=compare, sent=sent)

    def join(self, name: str) -> Joining:
        """An object that is to be put together from others of this storage under `name`."""
        where = {"bucket": self.bucket_name, "key": self._key(name)}
        return Joining(self.client, **where, content_type=self._content_type(name), key_of=self._key)

    def delete_all(self, names: Iterable[str]) -> None:
        """Delete every one of `names` that exists, several at a time."""
        with ThreadPoolExecutor(_DELETED_AT_ONCE, thread_name_prefix="delete") as deleters:
            for _ in deleters.map(self.delete, names):
                pass

    def listing(self, below: str = "") -> Iterator[Listed]:
        """Every object whose name begins with `below`."""
        for page in self._pages("list_objects_v2", below):
            for found in page.get("Contents", ()):
                yield Listed(self._name(found["Key"]), found["LastModified"])

    def unfinished_uploads(self, below: str = "") -> Iterator[Listed]:
        """Every multipart upload to a name that begins with `below` which was neither completed nor aborted."""
        for page in self._pages("list_multipart_uploads", below):
            for found in page.get("Uploads", ()):
                yield Listed(self._name(found["Key"]), found["Initiated"], found["UploadId"])

    def abort_stale_uploads(self) -> None:
        """Give up the uploads that were begun more than a day ago: nobody is still at them."""
        for upload in self.unfinished_uploads():
            if upload.at < timezone.now() - _STALE:
                self.abort(upload)

    def abort(self, upload: Listed) -> None:
        """Give up an unfinished upload."""
        key = self._key(upload.name)
        uploading.abort(self.client, bucket=self.bucket_name, key=key, upload_id=upload.upload_id)

    def link(self, name: str, *, disposition: str, content_type: str, seconds: int) -> str:
        """An address that gives the object to whoever has it, for so long, named as `disposition` says."""
        wanted = {
            "ResponseContentDisposition": disposition,
            "ResponseContentType": content_type,
            "ResponseCacheControl": "private, no-transform",
        }
        client = self._client_at(self.public_endpoint or self.endpoint_url)
        target = {"Bucket": self.bucket_name, "Key": self._key(name)}
        url: str = client.generate_presigned_url("get_object", Params=target | wanted, ExpiresIn=seconds)
        return url

    # How it is reached

    @property
    def client(self) -> Any:
        """One for all threads of this process: clients, unlike the parts of boto3 above them, may be shared."""
        return self._client_at(self.endpoint_url)

    def _client_at(self, endpoint: str | None) -> Any:
        who = self.access_key, self.secret_key, self.security_token
        with _making:
            return _client(os.getpid(), endpoint, self.region_name, who, self.addressing_style, is_quick())

    def _pages(self, operation: str, below: str) -> Iterator[dict[str, Any]]:
        prefix = f"{self.location}/" if self.location else ""
        with failures_told():
            yield from self.client.get_paginator(operation).paginate(Bucket=self.bucket_name, Prefix=f"{prefix}{below}")

    def _key(self, name: str) -> str:
        key: str = self._normalize_name(name)
        return key

    def _name(self, key: str) -> str:
        return key.removeprefix(f"{self.location}/") if self.location else key

    def _content_type(self, name: str) -> str:
        return mimetypes.guess_type(name)[0] or str(self.default_content_type)

    def _file(self, reader: ObjectReader, name: str) -> File[bytes]:
        return File(BufferedReader(reader, _BUFFER), name)


@lru_cache
def _client(
    program: int,
    endpoint: str | None,
    region: str,
    who: tuple[str | None, str | None, str | None],
    addressing: str,
    quick: bool,
) -> Any:
    """A client, made once in a `program`: a child must not talk over the connections of its parent."""
    key, secret, token = who
    session = boto3.session.Session(
        aws_access_key_id=key, aws_secret_access_key=secret, aws_session_token=token, region_name=region
    )
    config = Config(
        s3={"addressing_style": addressing},
        signature_version="s3v4",
        max_pool_connections=64,
        # Ours are sent along by hand, in a form that every store can read over.
        request_checksum_calculation="when_required",
        response_checksum_validation="when_required",
        **(_HURRIED if quick else _PATIENT),
    )
    return session.client("s3", endpoint_url=endpoint, config=config)
