"""django-oauth-toolkit, Debian's package, on a free loopback port: opaque tokens only, and introspection that tells little: no
issuer, no audience, and no subject where a client acts for itself. Prints READY and one JSON object once it accepts, and ends
with its standard input.
"""
import json
import sys
import tempfile
import threading
from wsgiref.simple_server import WSGIRequestHandler, make_server

import django
from django.conf import settings
from django.core.management import call_command
from django.core.wsgi import get_wsgi_application
from django.urls import include, path

folder = tempfile.TemporaryDirectory(prefix="tower-bearer-django-")
settings.configure(
    ALLOWED_HOSTS=["127.0.0.1"],
    SECRET_KEY="of a server that lives for one test",
    ROOT_URLCONF=__name__,
    DATABASES={"default": {"ENGINE": "django.db.backends.sqlite3", "NAME": f"{folder.name}/database"}},
    INSTALLED_APPS=["django.contrib.auth", "django.contrib.contenttypes", "oauth2_provider"],
    DEFAULT_AUTO_FIELD="django.db.models.AutoField",
    USE_TZ=True,
    OAUTH2_PROVIDER={"SCOPES": {"read": "read", "introspection": "ask about tokens"}, "ACCESS_TOKEN_EXPIRE_SECONDS": 300},
)
django.setup()
urlpatterns = [path("o/", include("oauth2_provider.urls", namespace="oauth2_provider"))]
call_command("migrate", verbosity=0, run_syncdb=True)

from oauth2_provider.models import Application  # noqa: E402 (the models need the settings)

for name in ["shop", "api"]:
    Application.objects.create(
        name=name, client_id=name, client_secret=f"{name}-secret",
        client_type=Application.CLIENT_CONFIDENTIAL, authorization_grant_type=Application.GRANT_CLIENT_CREDENTIALS)


class Quiet(WSGIRequestHandler):
    def log_message(self, *_):
        pass


server = make_server("127.0.0.1", 0, get_wsgi_application(), handler_class=Quiet)
threading.Thread(target=server.serve_forever, daemon=True).start()
print(f"READY {json.dumps({'issuer': f'http://127.0.0.1:{server.server_port}/o'})}", flush=True)
sys.stdin.read()
server.shutdown()
folder.cleanup()
