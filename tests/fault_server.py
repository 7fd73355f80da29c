"""A server on loopback that answers from a script, down to the last byte, and counts what it was asked."""

from __future__ import annotations

import contextlib
import gzip
import socket
import ssl
import struct
import threading
import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass

OK = b'{"data":{"installs":31}}'


@dataclass(frozen=True)
class Answer:
    """Bytes for one request; `drip` sends them one at a time and calls `drip` before each."""

    data: bytes
    close: bool = False
    reset: bool = False
    drip: Callable[[], None] | None = None
    silent: bool = False


def answer(
    body: bytes = OK,
    status: int = 200,
    headers: Iterable[tuple[str, str]] = (),
    *,
    length: int | None = None,
    framed: bool = True,
    **how: object,
) -> Answer:
    lines = [f"HTTP/1.1 {status} Whatever", *(f"{name}: {value}" for name, value in headers)]
    if framed:
        lines.append(f"Content-Length: {len(body) if length is None else length}")
    head = "\r\n".join(lines).encode("latin-1") + b"\r\n\r\n"
    return Answer(head + body, close=not framed or bool(how.pop("close", False)), **how)  # type: ignore[arg-type]


def chunked(raw: bytes, *, close: bool = False) -> Answer:
    """Give chunks as they are, good or bad."""
    return Answer(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n" + raw, close=close)


def encoded(body: bytes, coding: str = "gzip") -> Answer:
    return answer(body, headers=[("Content-Encoding", coding)])


def gzipped(body: bytes = OK) -> Answer:
    return encoded(gzip.compress(body))


#: The request arrives, and then the connection goes.
LOST = Answer(b"", close=True)
RESET = Answer(b"", reset=True)
#: The request arrives, and nothing happens until the other side gives up.
SILENCE = Answer(b"", silent=True)


class FaultServer:
    """Answers request number n with the n-th answer of `script`, and with the last one from then on."""

    def __init__(self, *script: Answer, tls: ssl.SSLContext | None = None) -> None:
        self.script = list(script)
        self.requests: list[bytes] = []
        self.connections = 0
        self.most_at_once = 0
        self.hold: threading.Event | None = None
        self._tls = tls
        self._at_once = 0
        self._lock = threading.Lock()
        self._open: set[socket.socket] = set()
        self._threads: list[threading.Thread] = []
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.port = self._listener.getsockname()[1]
        self.url = f"{'https' if tls else 'http'}://127.0.0.1:{self.port}"

    def __enter__(self) -> FaultServer:
        self._start(self._accept)
        return self

    def __exit__(self, *exc: object) -> None:
        with contextlib.suppress(OSError):
            self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()
        if self.hold:
            self.hold.set()
        with self._lock:
            sockets = list(self._open)
        for sock in sockets:
            with contextlib.suppress(OSError):
                sock.shutdown(socket.SHUT_RDWR)
        for thread in list(self._threads):
            thread.join(5)
            assert not thread.is_alive()

    def header(self, name: str, request: int = -1) -> str | None:
        """Give a header of a request that came."""
        for line in self.requests[request].decode("latin-1").split("\r\n")[1:]:
            key, _, value = line.partition(":")
            if key.lower() == name.lower():
                return value.strip()
        return None

    @property
    def lines(self) -> list[str]:
        """The request lines, in the order of arrival."""
        return [request.split(b"\r\n")[0].decode("latin-1") for request in self.requests]

    def arrived(self, number: int) -> bool:
        """Wait until so many requests have come; one whose sender gave up may still be on its way."""
        patience = time.monotonic() + 5
        while len(self.requests) < number and time.monotonic() < patience:
            time.sleep(0.001)
        return len(self.requests) == number

    @property
    def idle(self) -> bool:
        """Whether every connection is closed."""
        for thread in self._threads[1:]:
            thread.join(2)
        return not any(thread.is_alive() for thread in self._threads[1:])

    def _start(self, target: Callable[..., None], *args: object) -> None:
        thread = threading.Thread(target=target, args=args, daemon=True)
        self._threads.append(thread)
        thread.start()

    def _accept(self) -> None:
        while True:
            try:
                sock, _ = self._listener.accept()
            except OSError:
                return
            with self._lock:
                self.connections += 1
                self._open.add(sock)
            self._start(self._serve, sock)

    def _serve(self, sock: socket.socket) -> None:
        link = sock
        try:
            sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            if self._tls:
                link = self._tls.wrap_socket(sock, server_side=True)
                with self._lock:
                    self._open.add(link)
            while self._one(link):
                pass
        except OSError:
            pass
        finally:
            link.close()
            with self._lock:
                self._open -= {sock, link}

    def _one(self, link: socket.socket) -> bool:
        head = b""
        while not head.endswith(b"\r\n\r\n"):
            piece = link.recv(65536)
            if not piece:
                return False
            head += piece
        with self._lock:
            step = self.script[min(len(self.requests), len(self.script) - 1)]
            self.requests.append(head)
            self._at_once += 1
            self.most_at_once = max(self.most_at_once, self._at_once)
        if self.hold:
            self.hold.wait(5)
        with self._lock:
            self._at_once -= 1
        return self._play(link, step)

    def _play(self, link: socket.socket, step: Answer) -> bool:
        if step.silent:
            link.recv(1)
            return False
        if step.drip:
            for byte in step.data:
                step.drip()
                link.sendall(bytes([byte]))
        else:
            link.sendall(step.data)
        if step.reset:
            link.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        return not (step.close or step.reset)


class FakeTime:
    """A clock that only moves when somebody sleeps or tells it to."""

    def __init__(self) -> None:
        self.seconds = 1000.0
        self.sleeps: list[float] = []
        self._lock = threading.Lock()

    def clock(self) -> float:
        return self.seconds

    def sleep(self, seconds: float) -> None:
        with self._lock:
            self.sleeps.append(seconds)
            self.seconds += seconds

    def advance(self, seconds: float) -> None:
        with self._lock:
            self.seconds += seconds
