"""What a store answers when it does not do what was asked, as errors that name no credential."""

from __future__ import annotations

import errno
from collections.abc import Iterator
from contextlib import contextmanager

from botocore.exceptions import BotoCoreError, ClientError, NoCredentialsError, PartialCredentialsError
from urllib3.exceptions import HTTPError

from vi_portal.s3.failures import StoreFailed

#: What a store says of something that is not there. A missing bucket is not among them: that is a wrong setting.
_ABSENT = frozenset({"404", "NoSuchKey", "NotFound", "NoSuchUpload"})


@contextmanager
def failures_told(key: str = "") -> Iterator[None]:
    """Raise `FileNotFoundError` for an object that is not there, and `StoreFailed` for all else that befalls."""
    try:
        yield
    except ClientError as error:
        code = str(error.response.get("Error", {}).get("Code", ""))
        status = error.response.get("ResponseMetadata", {}).get("HTTPStatusCode")
        if code in _ABSENT:
            raise FileNotFoundError(errno.ENOENT, "There is no such object in the file store", key) from error
        if status in (401, 403):
            told = f"The file store refuses the portal ({code}). Tell your administrator."
            raise StoreFailed(told, lasting=True) from error
        raise StoreFailed(f"The file store fails ({code or status}). Retry, or tell your administrator.") from error
    except (NoCredentialsError, PartialCredentialsError) as error:
        told = "The portal has no credentials for the file store. Tell your administrator."
        raise StoreFailed(told, lasting=True) from error
    except (BotoCoreError, HTTPError) as error:  # the latter where an answer breaks off that nobody reads bit by bit
        kind = type(error).__name__
        raise StoreFailed(f"The file store does not answer ({kind}). Retry, or tell your administrator.") from error
