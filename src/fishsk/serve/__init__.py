"""A page on this machine, on which an image is dropped and a model says what it sees."""

from fishsk.serve._answers import Answers
from fishsk.serve._app import make_app
from fishsk.serve._server import open_port, run_server

__all__ = ["Answers", "make_app", "open_port", "run_server"]
