"""Where files are kept: below DATA_DIR, or on an S3-compatible store. Nothing of a store is loaded here."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from typing import Any

from django.core.exceptions import ImproperlyConfigured
from environs import ValidationError

#: Where each storage is on the store, below the prefix.
_FOLDERS = {"default": "media", "archives": "exports", "uploads": "uploads"}


@dataclass(frozen=True, slots=True)
class Store:
    """A bucket of a store, and how it is spoken to: the settings S3_*, empty where nothing was said."""

    bucket: str
    prefix: str
    endpoint: str
    public_endpoint: str
    region: str
    access_key_id: str
    secret_access_key: str = field(repr=False)
    addressing: str
    checksums: bool


def check_endpoint(address: str) -> None:
    """Raise `ValidationError` unless `address` is empty, or that of a store."""
    if address and not re.fullmatch(r"https?://[^/@\s]+/?", address):
        raise ValidationError("must be an address like https://s3.example.org, with nothing behind the host.")


def storages(store: Store, *, sent_by_nginx: bool, debug: bool) -> dict[str, dict[str, Any]]:
    """What Django's STORAGES wants. With no bucket, "default" is on disk, and there is no other but for static files.

    `sent_by_nginx` where archives are left to the nginx in front to send. Raises `ImproperlyConfigured` for what does
    not go together.
    """
    static = {
        "BACKEND": "django.contrib.staticfiles.storage.StaticFilesStorage"
        if debug
        else "whitenoise.storage.CompressedManifestStaticFilesStorage"
    }
    _check(store, sent_by_nginx=sent_by_nginx)
    if store.bucket:
        return {name: _on_store(store, folder) for name, folder in _FOLDERS.items()} | {"staticfiles": static}
    return {"default": {"BACKEND": "django.core.files.storage.FileSystemStorage"}, "staticfiles": static}


def _check(store: Store, *, sent_by_nginx: bool) -> None:
    if store.bucket and sent_by_nginx:
        raise ImproperlyConfigured(
            "Vi Portal cannot start: X_ACCEL_REDIRECT has nginx send files of DATA_DIR, and with S3_BUCKET "
            "the archives are not there. Leave one of them empty."
        )
    if store.bucket and bool(store.access_key_id) != bool(store.secret_access_key):
        raise ImproperlyConfigured(
            "Vi Portal cannot start: S3_ACCESS_KEY_ID and S3_SECRET_ACCESS_KEY go together; set both or neither."
        )
    if not store.bucket and (store.endpoint or store.access_key_id):
        raise ImproperlyConfigured("Vi Portal cannot start: S3_BUCKET must name the bucket of the other S3 settings.")


def _on_store(store: Store, folder: str) -> dict[str, Any]:
    return {
        "BACKEND": "vi_portal.s3.store.ObjectStore",
        "OPTIONS": {
            "bucket_name": store.bucket,
            "location": f"{store.prefix}/{folder}".lstrip("/"),
            "endpoint_url": store.endpoint or None,
            "public_endpoint": store.public_endpoint,
            "region_name": store.region,
            "access_key": store.access_key_id or None,
            "secret_key": store.secret_access_key or None,
            "addressing_style": store.addressing,
            "checksums": store.checksums,
            "file_overwrite": False,
        },
    }
