"""The one error of a file store that its callers must know. Cheap to import, where there is no such store."""

from __future__ import annotations

import errno


class StoreFailed(OSError):
    """The store could not be reached, refused the portal, or failed, every time it was asked; a sentence says which.

    It says nothing about the object that was asked for: that may be there. Where it is `lasting`, it will be no other
    way until somebody changes a setting.
    """

    def __init__(self, sentence: str, *, lasting: bool = False) -> None:
        super().__init__(errno.EIO, sentence)
        self.lasting = lasting

    def __str__(self) -> str:
        return str(self.strerror)

    @property
    def what(self) -> str:
        """What befell, without the advice that follows."""
        return str(self).partition(". ")[0].rstrip(".") + "."
