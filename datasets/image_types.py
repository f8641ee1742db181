"""Types of images and the file extensions they go by. Pure; no Django.

It is the table of the vendor's client, which takes for images what has one of these extensions: in what it sends, and
in the archives it loads. So it has types in it that no decoder here reads.
"""

from __future__ import annotations

#: The extensions of each type, in lower case, the usual one first.
_EXTENSIONS_OF = {
    "image/avif": (".avif",),
    "image/bmp": (".bmp",),
    "image/gif": (".gif",),
    "image/heic": (".heic",),
    "image/heif": (".heif",),
    "image/jp2": (".jp2", ".j2k"),
    "image/jpeg": (".jpg", ".jpeg", ".jfif"),
    "image/png": (".png",),
    "image/tiff": (".tiff", ".tif"),
    "image/webp": (".webp",),
}
#: The type of an image, by its extension in lower case.
TYPES = {extension: mime_type for mime_type, extensions in _EXTENSIONS_OF.items() for extension in extensions}
#: What may hold an image, as far as a name can tell; the decoder has the last word.
EXTENSIONS = frozenset(TYPES)


def usual_extension(mime_type: str) -> str:
    """What files of this type end in; those of a type not known here, in that of a JPEG."""
    return _EXTENSIONS_OF.get(mime_type, _EXTENSIONS_OF["image/jpeg"])[0]
