"""The frame: settings and wiring, no business."""

from vi_portal.celery import app as celery_app

__all__ = ["celery_app"]
