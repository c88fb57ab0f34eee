"""localstripe, a server that speaks Stripe's API, at the port of 127.0.0.1 that the command line says."""

import sys

from aiohttp import web
from localstripe.server import app

web.run_app(app, host="127.0.0.1", port=int(sys.argv[1]))
