"""A small JSON server, and a service that runs one in a thread: they know HTTP and nothing of what is served."""

import json
import socket
import sys
import threading
from abc import ABC, abstractmethod
from collections.abc import Callable, MutableSequence
from datetime import datetime
from email.utils import formatdate
from http import HTTPStatus
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from socketserver import TCPServer
from types import TracebackType
from typing import Any, NoReturn, Self, TypeAlias

HOST = "127.0.0.1"

# method, raw target, Host, Authorization -> status and body (none: an empty answer)
Answerer: TypeAlias = Callable[[str, str, str | None, str | None], tuple[int, dict[str, Any] | None]]


class JsonServer(ThreadingHTTPServer):
    """Answers from threads that never hold up the program, and hangs up on idle clients when closed.

    Parameters
    ----------
    port : int
        Port to listen on; 0 picks a free port.
    answer : callable
        Makes the answers.
    now : callable
        What the ``Date`` header says.
    failures : sequence of Exception
        Takes what goes wrong in a thread, other than a client's hanging up.
    host : str
        Address to listen on.
    handler : type
        Reads the requests.
    """

    daemon_threads = True
    request_queue_size = 128

    def __init__(
        self,
        port: int,
        answer: Answerer,
        now: Callable[[], datetime],
        failures: MutableSequence[Exception],
        *,
        host: str = HOST,
        handler: "type[JsonHandler] | None" = None,
    ) -> None:
        self.address_family = socket.AF_INET6 if ":" in host else socket.AF_INET
        self.answer, self.now, self.failures = answer, now, failures
        self._open: set[socket.socket] = set()
        self._open_lock = threading.Lock()
        super().__init__((host, port), handler or JsonHandler)

    def server_bind(self) -> None:
        """Bind without asking for the host's full name, which HTTPServer does and which can take seconds."""
        TCPServer.server_bind(self)
        self.server_name, self.server_port = str(self.server_address[0]), self.server_address[1]

    def get_request(self) -> tuple[socket.socket, Any]:
        """Accept a connection and keep it in mind."""
        connection, address = super().get_request()
        with self._open_lock:
            self._open.add(connection)
        return connection, address

    def shutdown_request(self, request: Any) -> None:
        """Close a connection that has been served."""
        with self._open_lock:
            self._open.discard(request)
        super().shutdown_request(request)

    def server_close(self) -> None:
        """Close the listening socket, and wake the threads that wait for an idle client's next request."""
        super().server_close()
        with self._open_lock:
            idle = list(self._open)
        for connection in idle:
            try:
                connection.shutdown(socket.SHUT_RDWR)
            except OSError:
                continue  # the client was faster

    def handle_error(self, request: Any, client_address: Any) -> None:
        """Keep what went wrong; print nothing. Clients that hang up in the middle are everyday."""
        error = sys.exc_info()[1]
        if isinstance(error, Exception) and not isinstance(error, OSError):
            self.failures.append(error)


class JsonHandler(BaseHTTPRequestHandler):
    """Answers one connection, request after request."""

    server: JsonServer
    protocol_version = "HTTP/1.1"
    # With Nagle's algorithm and the client's delayed acknowledgement each answer would take 40 ms.
    disable_nagle_algorithm = True

    def reply(self) -> None:
        """Answer a request."""
        body_sent = self.headers.get("Content-Length", "0") != "0" or "Transfer-Encoding" in self.headers
        if body_sent:
            # Nothing here reads bodies, and the next request would begin in the middle of this one's.
            self.close_connection = True
        host, token = self.headers.get("Host"), self.headers.get("Authorization")
        self.send_json(*self.server.answer(self.command, self.path, host, token))

    do_GET = do_DELETE = do_POST = do_PUT = do_PATCH = reply  # noqa: N815 - http.server's names

    def send_json(self, status: int, answer: dict[str, Any] | None, *headers: str) -> None:
        """Send head and body in a single write."""
        body = b"" if answer is None else json.dumps(answer, ensure_ascii=False, separators=(",", ":")).encode()
        head = [
            f"HTTP/1.1 {status} {HTTPStatus(status).phrase}",
            f"Date: {formatdate(self.server.now().timestamp(), usegmt=True)}",
            *headers,
        ]
        if status == HTTPStatus.METHOD_NOT_ALLOWED and not any(header.startswith("Allow:") for header in headers):
            head.append("Allow: GET, DELETE")
        if answer is not None:
            head += ["Content-Type: application/json; charset=utf-8", f"Content-Length: {len(body)}"]
        if self.close_connection:
            head.append("Connection: close")
        self.wfile.write("\r\n".join([*head, "", ""]).encode("latin-1") + body)

    def send_error(self, code: int, message: str | None = None, explain: str | None = None) -> None:
        """Send what http.server refuses by itself (a garbled request, an unknown method) as JSON, and hang up."""
        self.close_connection = True
        self.send_json(code, {"error": message or HTTPStatus(code).phrase})

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - http.server's name
        """Log nothing: `DemoService.requests` does."""


class ThreadedService(ABC):
    """A service whose server runs in a thread that ends with the program.

    Attributes
    ----------
    port : int
        Port to listen on; 0 picks a free port. Once it has started, the one it got.
    """

    port: int
    _server: JsonServer | None = None
    _thread: threading.Thread | None = None
    _thread_name: str

    @abstractmethod
    def _listen(self) -> JsonServer:
        """Return a server that listens on the port."""

    def start(self) -> Self:
        """Listen, and answer from threads that end with the program."""
        if self._server is None:
            self._server = self._listen()
            self.port = self._server.server_port
            # The pace at which the loop looks whether it should end: stop() waits for it.
            serve = self._server.serve_forever
            self._thread = threading.Thread(target=serve, args=(0.02,), name=self._thread_name, daemon=True)
            self._thread.start()
        return self

    def stop(self) -> None:
        """Stop listening and hang up on everyone; stopping again does nothing."""
        server, thread, self._server, self._thread = self._server, self._thread, None, None
        if server and thread:
            server.shutdown()
            server.server_close()
            thread.join()

    def serve_forever(self) -> None:
        """Serve until interrupted: for the command line."""
        self.start()
        try:
            while self._thread and self._thread.is_alive():
                self._thread.join(0.5)
        finally:
            self.stop()

    def __reduce__(self) -> NoReturn:
        raise TypeError("A service holds a token and a socket, and is not pickled. Start one where it is needed.")

    def __enter__(self) -> Self:
        return self.start()

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()
