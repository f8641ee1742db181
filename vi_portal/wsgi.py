"""What a WSGI server loads: `gunicorn vi_portal.wsgi`."""

import os

from django.core.wsgi import get_wsgi_application

from vi_portal.s3.patience import be_quick

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "vi_portal.settings")
application = get_wsgi_application()
be_quick()
