"""What one worker sees of a dataset, for others to see it likewise."""

from __future__ import annotations

from dataclasses import dataclass

from django.db import DataError, OperationalError, ProgrammingError, connections


class SnapshotGone(Exception):
    """The dataset cannot be seen as the other worker sees it."""


@dataclass(frozen=True, slots=True)
class Snapshot:
    """The dataset as one worker sees it.

    PostgreSQL can share what a transaction sees, by an `identifier`. Elsewhere, where that is empty, it is the same as
    long as the dataset's `revision` is, which every change of its assets and annotations moves on.
    """

    revision: int
    identifier: str

    @staticmethod
    def exported() -> str:
        """The identifier of what the transaction under way sees; good until it ends."""
        if connections["snapshot"].vendor != "postgresql":
            return ""
        with connections["snapshot"].cursor() as cursor:
            cursor.execute("SELECT pg_export_snapshot()")
            (identifier,) = cursor.fetchone()
        return str(identifier)

    def adopt(self) -> None:
        """See what is shared, in the transaction that just began. Raises `SnapshotGone`."""
        if self.identifier:
            try:
                with connections["snapshot"].cursor() as cursor:
                    cursor.execute("SET TRANSACTION SNAPSHOT %s", [self.identifier])
            except (DataError, ProgrammingError, OperationalError) as error:
                raise SnapshotGone("The snapshot is gone.") from error
