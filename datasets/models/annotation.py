"""An annotation: its canonical contents, and the texts that are derived from them."""

from __future__ import annotations

from typing import Any, ClassVar

from django.db import models
from django.db.models import F

from datasets import contents as contents_module
from datasets.contents import Contents
from datasets.models.uids import new_uid

#: What `Annotation.render` sets.
RENDERED_COLUMNS = ("contents", "contents_normalized", "labels", "flawed")


class IsJson(models.Func):
    """Whether a text column holds JSON: SQLite answers no, PostgreSQL refuses the row."""

    output_field = models.BooleanField()

    def as_sqlite(self, compiler: Any, connection: Any, **context: Any) -> Any:
        return super().as_sql(compiler, connection, template="JSON_VALID(%(expressions)s)", **context)

    def as_postgresql(self, compiler: Any, connection: Any, **context: Any) -> Any:
        template = "((%(expressions)s)::json IS NOT NULL)"
        return super().as_sql(compiler, connection, template=template, **context)


class Annotation(models.Model):
    """What somebody said about one asset.

    `contents` is the canonical JSON with boxes in pixels, as they came. The other texts are derived from it by
    `render`: `contents_normalized` (null where it would be the same), `labels` (what it is about, counted), and
    `flawed`, set when an export must repair a box before it can write this annotation.
    """

    asset = models.ForeignKey("Asset", models.CASCADE, related_name="annotations", db_index=False)
    uid = models.CharField(max_length=255, default=new_uid, editable=False)
    category = models.CharField(max_length=255, null=True, blank=True)
    contents = models.TextField(editable=False)
    contents_normalized = models.TextField(null=True, editable=False)
    labels = models.TextField(editable=False)
    flawed = models.BooleanField(default=False, editable=False)
    created_at = models.DateTimeField(auto_now_add=True)
    updated_at = models.DateTimeField(auto_now=True)

    class Meta:
        indexes: ClassVar = [models.Index(fields=["asset", "id"], name="annotation_stream")]
        constraints: ClassVar = [
            models.UniqueConstraint(fields=["asset", "uid"], name="annotation_uid_once"),
            models.CheckConstraint(condition=IsJson(F("contents")), name="annotation_contents_json"),
        ]

    def __str__(self) -> str:
        return self.uid

    @property
    def parsed(self) -> Contents:
        """The typed contents, boxes in pixels."""
        return contents_module.parse(self.contents)

    def render(self, contents: Contents, *, width: int, height: int) -> None:
        """Set the stored texts from `contents`; the row is not saved."""
        rendered = contents_module.render(contents, width=width, height=height)
        self.contents = rendered.pixels
        self.contents_normalized = rendered.normalized
        self.labels = rendered.labels
        self.flawed = rendered.flawed
