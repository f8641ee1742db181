"""What a WSGI server loads: `gunicorn vi_portal.wsgi`."""

import os

from django.core.wsgi import get_wsgi_application

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "vi_portal.settings")
application = get_wsgi_application()
