"""A network between an app and the sandbox that fails on request."""

import contextlib
import socket
import threading


class Relay:
    """Passes bytes on from a port of its own to another one.

    `target` is the port to pass on to, None while there is no network. While `loses_answers`, what an app sends comes
    through, but the first answer after the handshake is lost and the connection with it.
    """

    def __init__(self):
        self.target = None
        self.loses_answers = False
        self._open = set()
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.endpoint = f"127.0.0.1:{self._listener.getsockname()[1]}"
        threading.Thread(target=self._accept, daemon=True).start()

    def go_offline(self):
        """Cut every connection, and refuse new ones until `target` is set."""
        self.target = None
        for one in list(self._open):
            self._hang_up(one)

    def close(self):
        """Cut every connection and stop listening."""
        self._hang_up(self._listener)
        self.go_offline()

    def _accept(self):
        with contextlib.suppress(OSError):  # closed
            while True:
                app, _ = self._listener.accept()
                threading.Thread(target=self._connect, args=(app,), daemon=True).start()

    def _connect(self, app):
        port = self.target
        try:
            service = socket.create_connection(("127.0.0.1", port or 0))
        except OSError:
            app.close()
            return
        self._open |= {app, service}
        # The sandbox answers to its own name only.
        names = self.endpoint.encode(), f"127.0.0.1:{port}".encode()
        threading.Thread(target=self._pass_on, args=(app, service, False, *names), daemon=True).start()
        self._pass_on(service, app, True)

    def _pass_on(self, source, sink, answers, old=b"", new=b""):
        handshake = True
        with contextlib.suppress(OSError):  # cut
            while data := source.recv(65536):
                if answers and self.loses_answers and not handshake:
                    break
                sink.sendall(data.replace(old, new) if handshake and old else data)
                handshake = False
        self._hang_up(source)
        self._hang_up(sink)

    def _hang_up(self, one):
        self._open.discard(one)
        with contextlib.suppress(OSError):
            one.shutdown(socket.SHUT_RDWR)
        one.close()
