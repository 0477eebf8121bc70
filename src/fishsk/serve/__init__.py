"""A model as a service: JSON for programs, and a page for people on which an image is dropped."""

from fishsk.serve._answers import Answers
from fishsk.serve._app import make_app
from fishsk.serve._guard import TOKEN, check_token
from fishsk.serve._server import find_address, open_port, run_server, run_workers
