"""The network side of the sandbox: WebSocket, HTTP POST and the Data API on one port."""

from __future__ import annotations

import json
import logging
import socket
import threading
from collections.abc import Callable, MutableSequence
from datetime import datetime
from http import HTTPStatus
from typing import Any

from websockets.exceptions import PayloadTooBig
from websockets.frames import Frame, Opcode
from websockets.http11 import Request
from websockets.protocol import State
from websockets.server import ServerProtocol

from nucleus_pandas.core.text import OTHER
from nucleus_pandas.demo.routes import RefusedError, check_door, split_path
from nucleus_pandas.demo.server import Answerer, JsonHandler, JsonServer
from nucleus_pandas.exceptions import StoreError
from nucleus_pandas.sandbox.collector import APP_ID, Collector, Reply, TooMuchError
from nucleus_pandas.sandbox.messages import MessageError

_PIECE = 65_536
# Seconds without a byte before a request is given up, and before a WebSocket is asked whether it is still there.
_PATIENCE = 60
_LAST_WORDS = 1.0
_MESSAGE_FRAMES = (Opcode.TEXT, Opcode.BINARY, Opcode.CONT)
_TOO_LARGE = "The message is too large. Send fewer events at once."
_FOREIGN = "This website may not send events here. To let it, start the sandbox with --allow-origin."
_ALLOWED = "Allow: GET, POST, OPTIONS"
_FROM_ANY_PAGE = "Access-Control-Allow-Origin: *"
_PREFLIGHT = (
    _FROM_ANY_PAGE,
    "Access-Control-Allow-Methods: POST",
    "Access-Control-Allow-Headers: Content-Type",
    "Access-Control-Allow-Private-Network: true",
    "Access-Control-Max-Age: 86400",
)
# At its most talkative, websockets logs what is in a message.
_SILENT = logging.getLogger("nucleus_pandas.sandbox.websockets")
_SILENT.disabled = True


class SandboxServer(JsonServer):
    """Accepts tracking clients, and answers the Data API.

    Parameters
    ----------
    port, answer, now, failures, host
        As for `JsonServer`; `answer` is the Data API.
    collector : Collector
        Takes what tracking clients send.
    loopback : bool
        Whether it listens on this machine only, under this machine's names only.
    may_send : callable
        Whether the pages of an ``Origin`` can send events.
    """

    def __init__(
        self,
        port: int,
        answer: Answerer,
        now: Callable[[], datetime],
        failures: MutableSequence[Exception],
        *,
        host: str,
        collector: Collector,
        loopback: bool,
        may_send: Callable[[str], bool],
    ) -> None:
        self.collector, self.loopback, self.may_send = collector, loopback, may_send
        self._talks: set[_Talk] = set()
        super().__init__(port, answer, now, failures, host=host, handler=_Handler)

    def verify_request(self, request: Any, client_address: Any) -> bool:
        """Hang up on one connection too many."""
        with self._open_lock:
            welcome = len(self._open) <= self.collector.limits.connections
        if not welcome:
            self.collector.reject(OTHER, "Too many connections at once.")
        return welcome

    def receive(self, app_id: str, text: str | bytes) -> tuple[int, Reply]:
        """Return status and answer for a message."""
        try:
            return HTTPStatus.OK, self.collector.receive(app_id, text)
        except MessageError as error:
            return HTTPStatus.BAD_REQUEST, {"error": str(error)}
        except TooMuchError as error:
            return HTTPStatus.TOO_MANY_REQUESTS, {"error": str(error)}
        except Exception as error:  # the client keeps what is not acknowledged, and sends it again
            self.failures.append(error)
            reason = "could not be stored" if isinstance(error, StoreError) else "failed in the sandbox; this is a bug"
            return HTTPStatus.INTERNAL_SERVER_ERROR, {"error": f"The message {reason}."}

    def begin(self, talk: _Talk) -> None:
        """Keep in mind a WebSocket that is to be closed properly."""
        with self._open_lock:
            self._talks.add(talk)

    def end(self, talk: _Talk) -> None:
        """Forget a WebSocket that is closed."""
        with self._open_lock:
            self._talks.discard(talk)

    def server_close(self) -> None:
        """Say goodbye to WebSockets, then hang up on everyone."""
        with self._open_lock:
            talks = list(self._talks)
        for talk in talks:
            talk.say_goodbye()
        super().server_close()


class _Handler(JsonHandler):
    """Tells apart what comes over one port."""

    server: SandboxServer
    timeout = _PATIENCE

    def reply(self) -> None:
        """Answer a request for the Data API, or a message of a tracking client."""
        try:
            app_id = self._tracked_app()
        except RefusedError as refused:
            self._refuse(OTHER, refused.status, str(refused))
            return
        if app_id is None:
            super().reply()
        elif not self.server.may_send(self.headers.get("Origin", "null")):
            self._refuse(app_id, HTTPStatus.FORBIDDEN, _FOREIGN)
        elif self.headers.get("Upgrade", "").lower() == "websocket":
            self.close_connection = True
            _Talk(self.connection, self.server, app_id).run(self._head())
        elif self.command == "POST":
            self._take_post(app_id)
        elif self.command == "OPTIONS":
            self.send_json(HTTPStatus.NO_CONTENT, None, *_PREFLIGHT)
        else:
            self._refuse(app_id, HTTPStatus.METHOD_NOT_ALLOWED, "Send events with POST, or open a WebSocket.")

    do_GET = do_DELETE = do_POST = do_PUT = do_PATCH = do_OPTIONS = reply  # noqa: N815 - http.server's names

    def _tracked_app(self) -> str | None:
        """Return the app whose events the path takes, None where it is no such path."""
        segments, _ = split_path(self.path)
        match segments:
            case ["app", app_id, "track"] | ["app", app_id, "track", ""]:
                pass
            case [app_id, ""] | [app_id] if app_id:
                pass
            case _:
                return None
        if self.server.loopback:
            check_door(self.headers.get("Host"), self.server.server_port)
        if not APP_ID.fullmatch(app_id):
            raise RefusedError(HTTPStatus.NOT_FOUND, "An app id is made of up to 64 letters, digits and . _ -")
        return app_id

    def _take_post(self, app_id: str) -> None:
        """Take a message out of the body of a request."""
        length = self.headers.get("Content-Length", "")
        if not (length.isascii() and length.isdigit()) or "Transfer-Encoding" in self.headers:
            self._refuse(app_id, HTTPStatus.LENGTH_REQUIRED, "Send the message with its Content-Length.")
        elif len(length) > 12 or int(length) > self.server.collector.limits.message_bytes:
            self._refuse(app_id, HTTPStatus.REQUEST_ENTITY_TOO_LARGE, _TOO_LARGE)
        else:
            body = self.rfile.read(int(length))
            if len(body) == int(length):
                self.send_json(*self.server.receive(app_id, body), _FROM_ANY_PAGE)

    def _refuse(self, app_id: str, status: int, message: str) -> None:
        """Answer with an error, and hang up: there may be a body that nobody has read."""
        if self.command in ("POST", "OPTIONS") or "Upgrade" in self.headers:  # others, such as browsers, want pages
            self.server.collector.reject(app_id, message)
        self.close_connection = True
        more = [_ALLOWED] * (status == HTTPStatus.METHOD_NOT_ALLOWED)
        self.send_json(status, {"error": message}, *more, *[_FROM_ANY_PAGE] * (message != _FOREIGN))
        _drain(self.connection)

    def _head(self) -> bytes:
        """Return the request as it came, for websockets to read."""
        lines = [self.requestline, *(f"{name}: {value}" for name, value in self.headers.items()), "", ""]
        return "\r\n".join(lines).encode("latin-1", "replace")


class _Talk:
    """A WebSocket connection with a tracking client."""

    def __init__(self, connection: socket.socket, server: SandboxServer, app_id: str) -> None:
        self._connection, self._server, self._app_id = connection, server, app_id
        limit = server.collector.limits.message_bytes
        self._protocol = ServerProtocol(max_size=limit, logger=_SILENT)
        self._lock = threading.Lock()  # stop() says goodbye from another thread
        self._parts: list[bytes] = []

    def run(self, head: bytes) -> None:
        """Shake hands, then answer messages until either side closes."""
        with self._lock:
            self._protocol.receive_data(head)
            for request in self._protocol.events_received():
                if isinstance(request, Request):
                    self._protocol.send_response(self._protocol.accept(request))
            if self._protocol.state is not State.OPEN:  # counted before the client hears of it
                self._server.collector.reject(self._app_id, "The handshake of a WebSocket failed.")
            self._flush()
        self._server.begin(self)
        try:
            while self._protocol.state is State.OPEN:
                self._step()
            if self._protocol.close_sent is not None:
                _drain(self._connection)
        finally:
            self._server.end(self)

    def _step(self) -> None:
        """Wait for bytes, and answer the messages that they complete."""
        try:
            data = self._connection.recv(_PIECE)
        except TimeoutError:
            data = self._ask_whether_there()
        with self._lock:
            if data:
                self._protocol.receive_data(data)
            else:
                self._protocol.receive_eof()
            frames = self._protocol.events_received()
            if data and self._protocol.parser_exc is not None:
                large = isinstance(self._protocol.parser_exc, PayloadTooBig)
                self._server.collector.reject(self._app_id, _TOO_LARGE if large else "The bytes are not WebSocket.")
            self._flush()
        for frame in frames:
            if isinstance(frame, Frame) and frame.opcode in _MESSAGE_FRAMES:
                self._parts.append(bytes(frame.data))
                if frame.fin:
                    text, self._parts = b"".join(self._parts), []
                    self._send(self._server.receive(self._app_id, text)[1])

    def _ask_whether_there(self) -> bytes:
        """Send a ping and return what comes next; nothing from a client that is gone."""
        with self._lock:
            self._protocol.send_ping(b"")
            self._flush()
        try:
            return self._connection.recv(_PIECE)
        except TimeoutError:
            return b""

    def _send(self, reply: Reply) -> None:
        with self._lock:
            if self._protocol.state is State.OPEN:
                self._protocol.send_text(json.dumps(reply, separators=(",", ":")).encode())
                self._flush()

    def say_goodbye(self) -> None:
        """Close the connection from another thread."""
        # Whoever holds the lock for long sends to a client that does not read.
        if self._lock.acquire(timeout=_LAST_WORDS):
            try:
                if self._protocol.state is State.OPEN:
                    self._protocol.send_close(1001, "The sandbox stops.")
                    self._flush()
            except OSError:
                pass  # the client was faster
            finally:
                self._lock.release()

    def _flush(self) -> None:
        for data in self._protocol.data_to_send():
            if data:
                self._connection.sendall(data)
            else:
                self._connection.shutdown(socket.SHUT_WR)


def _drain(connection: socket.socket) -> None:
    """Read what a client still sends, for a moment: closing at once could take our answer away from it."""
    try:
        connection.shutdown(socket.SHUT_WR)
        connection.settimeout(_LAST_WORDS)
        for _ in range(256):
            if not connection.recv(_PIECE):
                return
    except OSError:
        return  # it has gone, or has nothing more to say
