"""The base of every schema on the wire (camelCase, whatever Python calls the field), and blocks that several share."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime

from pydantic import BaseModel, ConfigDict, Field


def camel_case(name: str) -> str:
    """`crc32c` for `crc32c` and `sizeBytes` for `size_bytes`; digits begin no word."""
    first, *more = name.split("_")
    return first + "".join(map(str.capitalize, more))


class WireSchema(BaseModel):
    """Written and read in camelCase; Python may use its own names.

    Not ninja's own `Schema`: that one looks every field up as a template would, 2 ms for each asset of a list.
    """

    model_config = ConfigDict(alias_generator=camel_case, populate_by_name=True, extra="ignore")

    @classmethod
    def names(cls) -> list[str]:
        """What its fields are called on the wire."""
        return [field.alias or name for name, field in cls.model_fields.items()]


class Message(BaseModel):
    """The one shape of every error."""

    message: str


class Condition(WireSchema):
    """How one step of a long operation stands: `Waiting`, `Reached` or `FailedReach`."""

    condition: str
    status: str
    last_transition_time: int


class Conditions(WireSchema):
    conditions: list[Condition]


class ResourceMetadata(WireSchema):
    time_created: int
    last_updated: int
    generation: int = 1
    attributes: dict[str, str] = Field(default_factory=dict)


def milliseconds(moment: datetime | None) -> int:
    """`moment` in whole milliseconds since the epoch; 0 for none."""
    return 0 if moment is None else int(moment.timestamp() * 1000)


def finished(moment: datetime) -> Conditions:
    """The conditions of an operation that is over."""
    told = Condition(condition="Finished", status="Reached", last_transition_time=milliseconds(moment))
    return Conditions(conditions=[told])


def resource_metadata(
    *, created: datetime, updated: datetime, generation: int = 1, attributes: Mapping[str, str] | None = None
) -> ResourceMetadata:
    """The `metadata` block of a resource."""
    return ResourceMetadata(
        time_created=milliseconds(created),
        last_updated=milliseconds(updated),
        generation=generation,
        attributes=dict(attributes or {}),
    )
