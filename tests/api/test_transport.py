from __future__ import annotations

import base64
import datetime as dt
import gzip
import http.client
import itertools
import json
import logging
import os
import re
import shutil
import socket
import ssl
import subprocess
import threading
import traceback
import tracemalloc
from email.utils import formatdate

import pytest

from nucleus_pandas.api.http.api_request import ApiRequest, token_of
from nucleus_pandas.api.http.transport import Transport
from nucleus_pandas.exceptions import (
    AuthenticationError,
    ConfigurationError,
    NetworkError,
    NotFoundError,
    NucleusError,
    PayloadError,
    RateLimitError,
    ServiceError,
)
from tests.fault_server import (
    LOST,
    OK,
    RESET,
    SILENCE,
    Answer,
    FakeTime,
    FaultServer,
    answer,
    chunked,
    encoded,
    gzipped,
)

TOKEN = "tok-Zq7+/x=9"
PERSON = "ana@example.org"
PATH = "/apps/5f3e/users/ana%40example.org?device=k%2B9%2Fq%3D"
ENDPOINT = "users/:userId"
EVENTS = ("events", (), {})
#: Its errors are shown with what the service said, unlike those of a user.
SHOWN = ("attribute", (PERSON, "plan"))
ASKED = dt.datetime(2026, 11, 20, 12, tzinfo=dt.UTC)


@pytest.fixture
def serve():
    started = []

    def start(*script, **settings):
        server = FaultServer(*script, **settings).__enter__()
        started.append(server)
        return server

    yield start
    for server in started:
        server.__exit__()


@pytest.fixture
def time():
    return FakeTime()


@pytest.fixture
def make(time):
    made = []

    def build(**settings):
        defaults = {
            "clock": time.clock,
            "sleep": time.sleep,
            "random": lambda: 0.5,
            "now": lambda: 1_700_000_000.0,
            "requests_per_second": None,
        }
        made.append(Transport(**(defaults | settings)))
        return made[-1]

    yield build
    for transport in made:
        transport.close()


def to(server, method="GET", endpoint="user", segments=(PERSON,), params=None):
    return ApiRequest(
        method,
        f"{server.url}/apps/5f3e",
        endpoint,
        segments,
        {"device": "k+9/q="} if params is None else params,
        auth=token_of(TOKEN),
        asked=ASKED,
    )


def get(transport, server, method="GET", *where):
    return transport.send(to(server, method, *where))


def delete(transport, server):
    return get(transport, server, "DELETE")


def fail(kind, transport, server, method="GET", *where):
    with pytest.raises(NucleusError) as caught:
        get(transport, server, method, *where)
    assert type(caught.value) is kind
    return caught.value


def free_port():
    with socket.socket() as sock:
        sock.bind(("127.0.0.1", 0))
        return sock.getsockname()[1]


class TestWhole:
    def test_an_answer_comes_back_parsed_and_as_it_was_sent(self, serve, make):
        reply = get(make(), serve(answer()))
        assert (reply.status, reply.body, reply.payload) == (200, OK, {"data": {"installs": 31}})
        assert (reply.attempts, reply.as_of, reply.dated) == (1, ASKED, False)

    def test_an_answer_is_as_of_the_service_s_date(self, serve, make):
        reply = get(make(), serve(answer(headers=[("Date", "Fri, 20 Nov 2026 11:00:00 GMT")])))
        assert (reply.as_of, reply.dated) == (ASKED - dt.timedelta(hours=1), True)

    def test_the_address_is_sent_with_every_segment_quoted_by_itself(self, serve, make):
        server = serve(answer())
        segments = ("../a//b ?%2e~caf\u00e9", "..%2F")
        get(make(), server, "GET", "session_events", segments, {"device": "", "x": "~+ /"})
        path = "/apps/5f3e/users/..%2Fa%2F%2Fb%20%3F%252e~caf%C3%A9/session/..%252F?device=&x=~%2B+%2F"
        assert server.lines == [f"GET {path} HTTP/1.1"]

    def test_only_gzip_is_asked_for(self, serve, make):
        server = serve(gzipped())
        assert get(make(), server).payload == json.loads(OK)
        assert server.header("Accept-Encoding") == "gzip"

    def test_calls_share_a_connection(self, serve, make):
        server, transport = serve(answer(), gzipped(), answer(b"{}", 404), answer()), make()
        get(transport, server)
        get(transport, server)
        fail(NotFoundError, transport, server)
        get(transport, server)
        assert (len(server.requests), server.connections) == (4, 1)

    @pytest.mark.parametrize(
        "broken",
        [
            pytest.param(answer(OK[:9], length=len(OK), close=True), id="shorter than Content-Length"),
            pytest.param(Answer(b"HTTP/1.1 200 OK\r\nContent-Length: 24\r\n\r\n{", reset=True), id="reset in the body"),
            pytest.param(LOST, id="no answer"),
            pytest.param(RESET, id="reset"),
            pytest.param(Answer(b"HTTP/1.1 200 OK\r\nContent-Le", close=True), id="cut in the headers"),
            pytest.param(Answer(b"220 mail.example.org ESMTP\r\n\r\n", close=True), id="not HTTP"),
            pytest.param(chunked(b'5\r\n{"a":', close=True), id="cut in a chunk"),
            pytest.param(chunked(b"18\r\n" + OK + b"\r\n", close=True), id="no last chunk"),
            pytest.param(chunked(b"zz\r\n" + OK + b"\r\n0\r\n\r\n"), id="chunk size is no number"),
            pytest.param(chunked(b"-5\r\n" + OK + b"\r\n0\r\n\r\n"), id="chunk size is negative"),
            pytest.param(encoded(gzip.compress(OK)[:-9]), id="gzip cut in the data"),
            pytest.param(encoded(gzip.compress(OK)[:-8]), id="gzip without its checksum"),
            pytest.param(encoded(gzip.compress(OK)[:-1]), id="gzip short of one byte"),
            pytest.param(encoded(b""), id="gzip of no bytes"),
            pytest.param(encoded(gzip.compress(OK)[:-8] + bytes(8)), id="gzip with a wrong checksum"),
            pytest.param(encoded(gzip.compress(OK) + b"junk"), id="gzip with something after it"),
            pytest.param(encoded(gzip.compress(OK) + b"\0"), id="gzip with one byte after it"),
            pytest.param(encoded(OK), id="gzip that is none"),
            pytest.param(answer(OK[:-1], framed=False), id="cut where only the end of the connection ends it"),
            pytest.param(answer(OK[:-3]), id="JSON cut by somebody who set the length anew"),
            pytest.param(answer(b""), id="empty"),
            pytest.param(answer('{"a":"é'.encode()[:-1]), id="cut in a letter"),
            pytest.param(answer(headers=[("Content-Length", "7")]), id="two different lengths"),
        ],
    )
    def test_a_broken_answer_is_asked_for_again(self, serve, make, broken):
        server = serve(broken, answer())
        reply = get(make(), server)
        assert reply.payload == json.loads(OK)
        assert (reply.attempts, len(server.requests)) == (2, 2)

    @pytest.mark.parametrize("broken", [LOST, encoded(gzip.compress(OK)[:-8]), chunked(b"5\r\n{", close=True)])
    def test_an_answer_that_stays_broken_is_a_network_error_after_five_requests(self, serve, make, broken):
        server = serve(broken)
        error = fail(NetworkError, make(), server)
        assert len(server.requests) == 5
        assert error.retryable
        assert "5 attempts" in str(error)

    def test_json_that_stays_cut_is_a_payload_error_after_five_requests(self, serve, make):
        server = serve(answer(OK[:-1]))
        assert fail(PayloadError, make(), server).retryable
        assert len(server.requests) == 5

    @pytest.mark.parametrize(
        "whole",
        [
            pytest.param(
                chunked(b"8\r\n" + OK[:8] + b"\r\n10;x=y\r\n" + OK[8:] + b"\r\n0\r\nTrailer: x\r\n\r\n"),
                id="chunks",
            ),
            pytest.param(encoded(gzip.compress(OK[:9]) + gzip.compress(OK[9:])), id="two gzip members"),
            pytest.param(encoded(gzip.compress(OK), "X-GZip"), id="the old name of gzip"),
            pytest.param(encoded(OK, "identity"), id="identity"),
            pytest.param(answer(framed=False), id="until the connection ends"),
            pytest.param(Answer(b"HTTP/1.1 100 Continue\r\n\r\n" + answer().data), id="after 100 Continue"),
        ],
    )
    def test_every_honest_way_to_send_a_body_is_understood(self, serve, make, whole):
        server = serve(whole)
        assert get(make(), server).body == OK
        assert len(server.requests) == 1

    @pytest.mark.parametrize("coding", ["br", "deflate"])
    def test_a_compression_that_was_not_asked_for_is_named_as_such(self, serve, make, coding):
        server = serve(encoded(b"whatever", coding))
        assert "compressed" in str(fail(PayloadError, make(), server))
        assert len(server.requests) == 1

    @pytest.mark.parametrize("status", [202, 204, 206])
    def test_a_2xx_that_promises_no_whole_answer_is_an_error(self, serve, make, status):
        server = serve(answer(b"" if status == 204 else OK, status))
        assert fail(ServiceError, make(), server).status == status
        assert len(server.requests) == 1


class TestTime:
    def test_silence_ends_with_the_read_timeout(self, serve, make):
        server = serve(SILENCE, answer())
        assert get(make(timeout=(5, 0.2)), server).attempts == 2

    def test_a_server_that_stays_silent_is_a_network_error(self, serve, make):
        server = serve(SILENCE)
        assert "silent for 0.02 s" in str(fail(NetworkError, make(timeout=(5, 0.02)), server))
        assert server.arrived(5)

    @pytest.mark.parametrize(
        "dripping",
        [
            answer(b'{"data":"' + b"x" * 500 + b'"}').data,
            b"HTTP/1.1 200 OK\r\nX-Long: " + b"x" * 500,
            b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n1;" + b"x" * 500,
            b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n" + b"X-Trailer: x\r\n" * 50,
        ],
        ids=["body", "headers", "chunk size", "trailers"],
    )
    def test_a_server_that_drips_meets_the_deadline(self, serve, make, time, dripping):
        server = serve(Answer(dripping, drip=lambda: time.advance(2)))
        error = fail(NetworkError, make(), server)
        assert "deadline of 120 s" in str(error)
        assert (len(server.requests), time.sleeps) == (1, [])

    def test_the_deadline_counts_sleeps_and_all_attempts(self, serve, make, time):
        late = Answer(b"x", close=True, drip=lambda: time.advance(55))
        server = serve(late)
        error = fail(NetworkError, make(), server)
        assert (len(server.requests), len(time.sleeps)) == (3, 2)
        assert error.retryable

    def test_no_sleep_reaches_beyond_the_deadline(self, serve, make, time):
        server = serve(answer(status=503))
        assert "leaves no time" in str(fail(ServiceError, make(deadline=1.2), server))
        assert (len(server.requests), time.sleeps) == (2, [0.5])

    def test_nobody_listening_is_reported_after_five_tries(self, make, time):
        class Nobody:
            url = f"http://127.0.0.1:{free_port()}"

        error = fail(NetworkError, make(), Nobody)
        assert "No connection to 127.0.0.1" in str(error)
        assert "base_url of Client, or NUCLEUS_BASE_URL" in str(error)
        assert len(time.sleeps) == 4

    def test_an_unknown_host_is_reported_as_such(self, make, monkeypatch):
        def unknown(*args, **kwargs):
            raise socket.gaierror(-2, "Name or service not known")

        monkeypatch.setattr(socket, "getaddrinfo", unknown)

        class Nowhere:
            url = "http://nucleus.invalid"

        assert "The host nucleus.invalid is not known" in str(fail(NetworkError, make(), Nowhere))


class TestSize:
    def test_a_body_of_exactly_the_cap_passes(self, serve, make):
        assert get(make(max_body_bytes=len(OK)), serve(gzipped())).body == OK

    def test_a_gzip_bomb_ends_at_the_cap_with_memory_to_match(self, serve, make):
        bomb = gzip.compress(bytes(64 << 20), compresslevel=9)
        server, transport = serve(encoded(bomb)), make(max_body_bytes=4 << 20)
        assert len(bomb) < 100_000
        tracemalloc.start()
        try:
            error = fail(PayloadError, transport, server)
            peak = tracemalloc.get_traced_memory()[1]
        finally:
            tracemalloc.stop()
        assert "larger than 4 MiB unpacked" in str(error)
        assert peak < 8 << 20
        assert len(server.requests) == 1

    def test_a_length_above_the_cap_is_refused_before_reading(self, serve, make):
        server = serve(answer(b"{", length=1 << 40))
        assert "32 MiB on the wire" in str(fail(PayloadError, make(), server))
        assert len(server.requests) == 1

    @pytest.mark.parametrize(
        "endless",
        [
            answer(b"x" * 200_000, framed=False),
            chunked(b"400\r\n" + b"x" * 1024 + b"\r\n" + b"400\r\n" + b"y" * 1024 + b"\r\n" * 3, close=True),
            chunked(b"0\r\n" + b"X-Trailer: x\r\n" * 500, close=True),
        ],
        ids=["until the connection ends", "chunks", "trailers"],
    )
    def test_what_has_no_length_is_counted_while_it_comes(self, serve, make, endless):
        server = serve(endless)
        assert "on the wire" in str(fail(PayloadError, make(max_wire_bytes=2000), server))
        assert len(server.requests) == 1

    @pytest.mark.parametrize(
        ("where", "words"),
        [
            (("users", (), {}), "Raise max_wire_bytes of Client, for example to 4,000 bytes"),
            (("user",), "Raise max_wire_bytes of Client"),
            (EVENTS, "Ask for a shorter interval, or raise max_wire_bytes of Client"),
        ],
    )
    def test_advice_on_a_size_limit_is_what_applies_to_the_endpoint(self, serve, make, where, words):
        server = serve(answer(b"x" * 3000))
        error = fail(PayloadError, make(max_wire_bytes=2000), server, "GET", *where)
        assert words in str(error)

    def test_advice_on_the_unpacked_size_names_its_setting(self, serve, make):
        assert "max_body_bytes" in str(fail(PayloadError, make(max_body_bytes=5), serve(gzipped())))

    def test_gzip_bombs_at_the_same_time_take_the_memory_of_one(self, serve, make):
        server = serve(encoded(gzip.compress(bytes(64 << 20), compresslevel=9)))
        server.hold = threading.Event()
        transports = [make(max_body_bytes=40 << 20) for _ in range(2)]
        threads = [threading.Thread(target=fail, args=(PayloadError, transports[n % 2], server)) for n in range(4)]
        tracemalloc.start()
        try:
            for thread in threads:
                thread.start()
            assert server.arrived(4)
            server.hold.set()
            for thread in threads:
                thread.join()
            peak = tracemalloc.get_traced_memory()[1]
        finally:
            tracemalloc.stop()
        # 40 MiB for the one that goes on and 8 for each that waits, and what a growing buffer takes for a moment.
        assert peak < 80 << 20
        assert len(server.requests) == 4

    def test_large_answers_at_the_same_time_all_arrive(self, serve, make):
        body = json.dumps({"data": "x" * (9 << 20)}).encode()
        server, transport = serve(gzipped(body)), make()
        server.hold = threading.Event()
        lengths = []
        threads = [threading.Thread(target=lambda: lengths.append(len(get(transport, server).body))) for _ in range(4)]
        for thread in threads:
            thread.start()
        assert server.arrived(4)
        server.hold.set()
        for thread in threads:
            thread.join()
        assert lengths == [len(body)] * 4

    @pytest.mark.parametrize("method", ["GET", "DELETE"])
    @pytest.mark.parametrize(
        "headers",
        [[(f"X-{n}", "x") for n in range(200)], [("X", "x" * 70_000)]],
        ids=["many", "long"],
    )
    def test_a_flood_of_headers_is_named_and_asked_for_once(self, serve, make, method, headers):
        server = serve(answer(headers=headers))
        error = fail(PayloadError, make(), server, method)
        assert "more than 100 headers, or longer ones" in str(error)
        assert ("It may have been done all the same" in str(error)) == (method == "DELETE")
        assert len(server.requests) == 1

    def test_the_connection_of_an_answer_that_was_left_unread_is_not_used_again(self, serve, make):
        server, transport = serve(answer(b"x" * 100_000), answer()), make(max_body_bytes=1000)
        fail(PayloadError, transport, server)
        assert get(transport, server).body == OK
        assert server.connections == 2


class TestRetryAfter:
    @pytest.mark.parametrize("status", [429, 503])
    @pytest.mark.parametrize(
        ("header", "slept"),
        [
            ("7", 7.0),
            ("0.25", 0.25),
            (" 60 ", 60.0),
            (formatdate(1_700_000_009, usegmt=True), 9.0),
        ],
    )
    def test_a_wait_of_up_to_a_minute_is_kept(self, serve, make, time, status, header, slept):
        server = serve(answer(status=status, headers=[("Retry-After", header)]), answer())
        assert get(make(), server).attempts == 2
        assert time.sleeps == [slept]

    def test_a_date_is_measured_from_the_clock_of_the_service(self, serve, make, time):
        headers = [
            ("Retry-After", formatdate(500_000_030, usegmt=True)),
            ("Date", formatdate(500_000_000, usegmt=True)),
        ]
        server = serve(answer(status=429, headers=headers), answer())
        get(make(), server)
        assert time.sleeps == [30.0]

    @pytest.mark.parametrize("status", [429, 503])
    @pytest.mark.parametrize("header", ["61", "3600", "99999999999", formatdate(1_700_003_600, usegmt=True)])
    def test_a_longer_wait_is_left_to_the_caller(self, serve, make, time, status, header):
        server = serve(answer(status=status, headers=[("Retry-After", header)]))
        error = fail(RateLimitError, make(), server)
        assert error.retry_after >= 61
        assert (error.status, error.retryable) == (status, True)
        assert (len(server.requests), time.sleeps) == (1, [])

    def test_a_wait_beyond_the_deadline_is_left_to_the_caller(self, serve, make, time):
        server = serve(answer(status=429, headers=[("Retry-After", "30")]))
        assert fail(RateLimitError, make(deadline=20), server).retry_after == 30
        assert (len(server.requests), time.sleeps) == (1, [])

    @pytest.mark.parametrize(
        "header",
        [
            "soon",
            "-5",
            "",
            "0",
            "NaN",
            "inf",
            "1e3",
            "5 s",
            "1_0",
            "٣",
            "Mon, 99 Foo 2023",
            "Wed, 21 Oct 2015 07:28:00 GMT",
        ],
    )
    def test_junk_and_the_past_mean_back_off(self, serve, make, time, header):
        server = serve(
            Answer(answer(status=429).data.replace(b"\r\n", b"\r\nRetry-After: " + header.encode() + b"\r\n", 1)),
            answer(),
        )
        assert get(make(), server).attempts == 2
        assert time.sleeps == [0.5]

    def test_429_without_the_header_is_tried_again(self, serve, make, time):
        server = serve(answer(status=429), answer())
        assert get(make(), server).attempts == 2

    def test_429_that_stays_is_a_rate_limit_error(self, serve, make):
        server = serve(answer(status=429, headers=[("Retry-After", "2")]))
        error = fail(RateLimitError, make(), server)
        assert (error.status, error.retry_after, error.retryable) == (429, 2.0, True)
        assert len(server.requests) == 5


class TestRetries:
    def test_the_waits_double_under_full_jitter(self, serve, make, time):
        jitter = itertools.cycle([0.0, 0.25, 0.5, 1.0])
        fail(ServiceError, make(random=lambda: next(jitter)), serve(answer(status=500)))
        assert time.sleeps == [0.0, 0.5, 2.0, 8.0]

    @pytest.mark.parametrize("status", [408, 425, 429, 500, 502, 503, 504, 520, 524])
    @pytest.mark.parametrize("method", ["GET", "DELETE"])
    def test_a_passing_trouble_is_tried_again(self, serve, make, status, method):
        server = serve(answer(status=status), answer(b"{}"))
        assert get(make(), server, method).attempts == 2

    @pytest.mark.parametrize("status", [400, 401, 403, 404, 405, 409, 410, 413, 422, 451, 501, 505, 511])
    @pytest.mark.parametrize("method", ["GET", "DELETE"])
    def test_an_answer_that_would_be_the_same_is_not(self, serve, make, status, method):
        server = serve(answer(status=status, headers=[("Retry-After", "1")]))
        with pytest.raises(NucleusError) as caught:
            get(make(), server, method)
        assert (caught.value.status, caught.value.retryable, caught.value.retry_after) == (status, False, 1.0)
        assert len(server.requests) == 1


class TestRedirects:
    @pytest.mark.parametrize("status", [300, 301, 302, 303, 307, 308])
    @pytest.mark.parametrize("method", ["GET", "DELETE"])
    def test_a_redirect_is_an_error_and_nothing_is_sent_there(self, serve, make, status, method):
        there = serve(answer())
        here = serve(answer(b"", status, [("Location", f"{there.url}/login?next={PERSON}")]))
        error = fail(ServiceError, make(), here, method)
        assert f"http://127.0.0.1:{there.port} " in str(error)
        assert "login" not in str(error)
        assert PERSON not in str(error)
        assert (error.status, len(here.requests), len(there.requests)) == (status, 1, 0)

    @pytest.mark.parametrize(
        ("location", "named"),
        [
            ("https://u:p@sso.example.org:8443/x?y#z", "to https://sso.example.org:8443 ("),
            ("//sso.example.org/x", "to //sso.example.org ("),
            ("/login", "another path of its own"),
            ("", "nowhere"),
            ("http://[", "cannot be read"),
            ("http://a:b:c/", "cannot be read"),
            ("javascript://evil/x", "cannot be read"),
            ("http://<b>/", "cannot be read"),
            (f"https://{PERSON.replace('@', '.')}/", "to https://ana.example.org ("),
            ("https://k+9.example.org", "cannot be read"),
        ],
    )
    def test_only_scheme_and_host_are_named(self, serve, make, location, named):
        assert named in str(fail(ServiceError, make(), serve(answer(b"", 302, [("Location", location)]))))

    def test_204_is_success(self, serve, make):
        server = serve(Answer(b"HTTP/1.1 204 No Content\r\nContent-Encoding: gzip\r\n\r\n"))
        reply = delete(make(), server)
        assert (reply.status, reply.body, reply.already_gone, reply.attempts) == (204, b"", False, 1)

    def test_204_leaves_the_connection_for_the_next(self, serve, make):
        server, transport = serve(Answer(b"HTTP/1.1 204 No Content\r\n\r\n")), make()
        delete(transport, server)
        delete(transport, server)
        assert (len(server.requests), server.connections) == (2, 1)

    @pytest.mark.parametrize(
        "first",
        [LOST, RESET, SILENCE, answer(status=500), answer(status=504), answer(OK[:5], length=24, close=True)],
    )
    def test_404_after_an_answer_that_was_lost_is_success(self, serve, make, first):
        server = serve(first, answer(status=404))
        reply = get(make(timeout=(5, 0.2)), server, "DELETE")
        assert (reply.status, reply.already_gone, reply.attempts) == (204, True, 2)
        assert [line.split()[0] for line in server.lines] == ["DELETE", "DELETE"]

    def test_404_at_the_first_try_is_not_found(self, serve, make):
        server = serve(answer(status=404))
        assert fail(NotFoundError, make(), server, "DELETE").status == 404
        assert len(server.requests) == 1

    def test_404_after_429_is_not_found_as_nothing_was_done_before(self, serve, make):
        server = serve(answer(status=429), answer(status=404))
        fail(NotFoundError, make(), server, "DELETE")
        assert len(server.requests) == 2

    def test_404_to_a_get_tried_again_stays_not_found(self, serve, make):
        server = serve(LOST, answer(status=404))
        fail(NotFoundError, make(), server)
        assert len(server.requests) == 2

    def test_a_web_page_is_no_sign_that_anybody_was_erased(self, serve, make):
        server = serve(answer(b"<html>Please log in</html>"))
        assert "web page" in str(fail(PayloadError, make(), server, "DELETE"))
        assert len(server.requests) == 1


class TestEnvironment:
    def test_proxies_and_netrc_of_the_environment_are_not_looked_at(self, serve, make, monkeypatch, tmp_path):
        proxy = serve(answer())
        for name in ("HTTP_PROXY", "http_proxy", "ALL_PROXY", "all_proxy"):
            monkeypatch.setenv(name, proxy.url)
        (tmp_path / ".netrc").write_text("machine 127.0.0.1 login eve password hunter2\n")
        monkeypatch.setenv("NETRC", str(tmp_path / ".netrc"))
        server = serve(answer())
        get(make(), server)
        assert server.header("Authorization") == TOKEN
        assert (len(server.requests), proxy.connections) == (1, 0)

    def test_a_proxy_that_is_given_gets_the_whole_address(self, serve, make):
        proxy = serve(answer())

        class Service:
            url = "http://nucleus.invalid"

        address = proxy.url.replace("//", "//me:p%40ss@")
        get(make(proxies={"http": address}), Service)
        assert proxy.lines == [f"GET http://nucleus.invalid{PATH} HTTP/1.1"]
        assert proxy.header("Host") == "nucleus.invalid"
        assert proxy.header("Proxy-Authorization") == "Basic " + base64.b64encode(b"me:p@ss").decode()

    def test_a_proxy_for_https_sees_the_host_and_nothing_else(self, serve, make):
        proxy = serve(answer(status=502, close=True))

        class Service:
            url = "https://nucleus.invalid"

        assert "proxy" in str(fail(NetworkError, make(proxies={"https": proxy.url}), Service))
        assert {line.rpartition(" ")[0] for line in proxy.lines} == {"CONNECT nucleus.invalid:443"}
        assert len(proxy.requests) == 5
        assert TOKEN.encode() not in b"".join(proxy.requests)

    @pytest.mark.parametrize(
        "proxies", [{"all": "http://p:1"}, {"http": "p:1"}, {"http": "socks5://p:1"}, {"http": "http://p:x"}]
    )
    def test_proxies_that_cannot_be_right_are_refused(self, make, proxies):
        with pytest.raises(ConfigurationError, match="prox"):
            make(proxies=proxies)

    @pytest.mark.parametrize(
        "setting", [{"deadline": 0}, {"max_workers": 0}, {"timeout": (5, -1)}, {"requests_per_second": 0}]
    )
    def test_settings_that_stop_everything_are_refused(self, make, setting):
        with pytest.raises(ConfigurationError, match="above 0"):
            make(**setting)

    def test_cookies_are_not_sent_back(self, serve, make):
        server, transport = serve(answer(headers=[("Set-Cookie", "sid=1; Path=/")])), make()
        get(transport, server)
        get(transport, server)
        assert server.header("Cookie") is None

    def test_close_closes_the_connections_and_ends_the_client(self, serve, make):
        server, transport = serve(answer()), make()
        get(transport, server)
        transport.close()
        assert server.idle
        with pytest.raises(ConfigurationError, match="closed"):
            get(transport, server)


@pytest.fixture(scope="module")
def certificate(tmp_path_factory):
    folder = tmp_path_factory.mktemp("tls")
    files = [str(folder / "cert.pem"), str(folder / "key.pem")]
    command = "openssl req -x509 -newkey rsa:2048 -nodes -subj /CN=x -addext subjectAltName=IP:127.0.0.1"
    subprocess.run([*command.split(), "-out", files[0], "-keyout", files[1]], check=True, capture_output=True)
    return files


@pytest.mark.skipif(not shutil.which("openssl"), reason="makes its certificate with openssl")
class TestCertificates:
    @pytest.fixture
    def server(self, serve, certificate):
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(*certificate)
        return serve(answer(), tls=context)

    def test_an_unknown_certificate_is_refused_once_and_no_request_is_sent(self, server, make):
        error = fail(NetworkError, make(), server)
        assert "certificate" in str(error)
        assert (server.connections, len(server.requests), error.retryable) == (1, 0, False)

    def test_a_certificate_that_verify_names_is_trusted(self, server, make, certificate):
        transport = make(verify=certificate[0])
        get(transport, server)
        assert get(transport, server).attempts == 1
        assert server.connections == 1

    @pytest.mark.filterwarnings("ignore::urllib3.exceptions.InsecureRequestWarning")
    @pytest.mark.parametrize("verified", [True, False])
    def test_no_keys_are_written_to_sslkeylogfile(self, server, make, certificate, monkeypatch, tmp_path, verified):
        monkeypatch.setenv("SSLKEYLOGFILE", str(tmp_path / "keys.log"))
        get(make(verify=certificate[0] if verified else False), server)
        assert not list(tmp_path.iterdir())

    def test_no_keys_are_written_when_a_proxy_stands_in_between(self, serve, make, certificate, monkeypatch, tmp_path):
        monkeypatch.setenv("SSLKEYLOGFILE", str(tmp_path / "keys.log"))
        proxy = serve(answer(status=200), answer(status=502))
        fail(
            NetworkError,
            make(verify=certificate[0], proxies={"https": proxy.url}, deadline=2),
            type("S", (), {"url": "https://x"}),
        )
        assert not list(tmp_path.iterdir())

    def test_a_certificate_of_another_host_is_refused(self, server, make, certificate):
        server.url = server.url.replace("127.0.0.1", "localhost")
        assert "certificate" in str(fail(NetworkError, make(verify=certificate[0]), server))

    def test_a_file_that_is_missing_is_reported_at_once(self, make):
        with pytest.raises(ConfigurationError, match="verify"):
            make(verify="/nowhere/ca.pem")


class TestManyThreads:
    def test_no_more_than_max_workers_requests_are_under_way(self, serve, make):
        server, transport = serve(answer()), make(max_workers=3)
        server.hold = threading.Event()
        threads = [threading.Thread(target=get, args=(transport, server)) for _ in range(12)]
        for thread in threads:
            thread.start()
        assert server.arrived(3)
        server.hold.set()
        for thread in threads:
            thread.join()
        assert (server.most_at_once, len(server.requests)) == (3, 12)
        assert server.connections <= 3

    def test_threads_share_one_pace(self, serve, make, time):
        server, transport = serve(answer()), make(requests_per_second=5)
        threads = [threading.Thread(target=get, args=(transport, server)) for _ in range(25)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert len(server.requests) == 25
        assert time.seconds - 1000 >= 4.0 - 1e-6

    def test_a_429_halves_the_pace_of_all(self, serve, make, time):
        server, transport = serve(answer(status=429), answer()), make(requests_per_second=4)
        get(transport, server)
        time.sleeps.clear()
        get(transport, server)
        assert time.sleeps == [pytest.approx(0.5, rel=0.05)]

    def test_a_call_whose_turn_would_come_too_late_is_not_sent(self, serve, make):
        server, transport = serve(answer()), make(requests_per_second=0.01, deadline=50)
        get(transport, server)
        error = fail(RateLimitError, transport, server)
        assert "no turn came within 50 s" in str(error)
        assert (len(server.requests), error.retryable) == (1, True)


def leaks(error):
    """Everything somebody could print of an error: its chain, and the variables of the library's frames."""
    shown = []
    pending, seen = [error], set()
    while pending:
        one = pending.pop()
        if one is None or id(one) in seen:
            continue
        seen.add(id(one))
        shown += [str(one), repr(one), repr(vars(one))]
        pending += [one.__cause__, one.__context__]
        frames = traceback.StackSummary.extract(traceback.walk_tb(one.__traceback__), capture_locals=True)
        shown += [repr(frame.locals) for frame in frames if f"{os.sep}test_" not in frame.filename]
    return "\n".join(shown)


def assert_clean(text):
    for secret in (
        TOKEN,
        "tok-Zq7%2B%2Fx%3D9",
        PERSON,
        "ana%40example",
        "k%2B9%2Fq%3D",
        "k+9/q=",
    ):
        assert secret.lower() not in text.lower()


class TestSecrets:
    @pytest.mark.parametrize(
        "script",
        [
            [LOST],
            [SILENCE],
            [answer(status=401)],
            [answer(status=500, body=f"no {PERSON} at {PATH} for {TOKEN}".encode())],
            [answer(b"nonsense")],
            [answer(b"<html>")],
            [answer(b"", 302, [("Location", f"https://{PERSON}/{TOKEN}")])],
            [answer(b"x" * 9_000_000)],
            [encoded(b"x", "br")],
            [answer(headers=[("Bad Header", "x")], status=500)],
        ],
    )
    def test_no_error_holds_the_token_or_an_id_nor_do_the_frames_it_passed(self, serve, make, script):
        transport = make(timeout=(5, 0.02), max_body_bytes=1 << 20)
        with pytest.raises(NucleusError) as caught:
            get(transport, serve(*script))
        assert_clean(leaks(caught.value))
        assert caught.value.__context__ is None
        assert caught.value.endpoint == ENDPOINT

    def test_no_log_record_holds_the_token_or_an_id(self, serve, make, caplog):
        broken_header = Answer(b"HTTP/1.1 200 OK\r\nContent-Length: 24\r\nno colon here\r\n\r\n" + OK)
        server = serve(LOST, answer(status=503), broken_header)
        with caplog.at_level(logging.DEBUG):
            get(make(), server)
        assert len(server.requests) == 3
        assert "GET /users/:userId" in caplog.text
        assert_clean(caplog.text + repr([vars(record) for record in caplog.records]))

    def test_debugging_of_http_client_prints_nothing(self, serve, make, monkeypatch, capsys):
        monkeypatch.setattr(http.client.HTTPConnection, "debuglevel", 2)
        get(make(), serve(answer()))
        assert capsys.readouterr().out == ""

    def test_replies_and_transports_show_nobody(self, serve, make):
        transport = make()
        reply = get(transport, serve(answer(f'{{"user":"{PERSON}"}}'.encode())))
        assert_clean(repr(reply) + str(transport) + repr(vars(transport)))

    @pytest.mark.parametrize(
        "echo",
        [
            TOKEN,
            TOKEN.upper(),
            "tok-Zq7%2b%2fx%3d9",
            json.dumps({"token": TOKEN}).replace("/", "\\/"),
            "Basic " + base64.b64encode(f"me:{TOKEN}".encode()).decode(),
            base64.b64encode(TOKEN.encode()).decode(),
            base64.urlsafe_b64encode(f"x{TOKEN}".encode()).decode(),
            f"tok-Zq7<b></b>{TOKEN}",
            "tok-\x00Zq7+/x=\x1b9",
            f"Cannot GET {PATH}",
            f"no user {PERSON}",
            "x" * 65_530 + TOKEN + "y" * 100_000,
        ],
    )
    def test_an_error_body_that_echoes_a_secret_is_shown_without_it(self, serve, make, echo):
        error = fail(ServiceError, make(), serve(answer(f"[{echo}]".encode(), 400)), "GET", *SHOWN)
        assert "It said: [" in str(error)
        assert_clean(str(error))
        whole = base64.b64encode(TOKEN.encode()).decode()[:12]
        assert whole not in str(error)

    def test_long_words_of_an_error_body_stay_readable(self, serve, make):
        words = "internationalization of EXPORT_PDF_AS_DRAFT: unhandledRejection at analytics/events"
        assert words in str(fail(ServiceError, make(), serve(answer(words.encode(), 400)), "GET", *EVENTS))

    @pytest.mark.parametrize("run", ["ab" * 4000 + "1", "Ab_" * 2700 + "+", "ABC" * 2700 + "1", "a_" * 4000])
    def test_a_long_run_of_letters_in_an_error_body_takes_no_time(self, serve, make, run):
        assert "[hidden]" in str(fail(ServiceError, make(), serve(answer(run.encode(), 400)), "GET", *EVENTS))

    def test_an_error_body_that_breaks_off_in_a_secret_does_not_show_its_half(self, serve, make):
        server = serve(answer(b"unknown token " * 9 + TOKEN[:-2].encode(), 400, length=500, close=True))
        error = fail(ServiceError, make(), server, "GET", *SHOWN)
        assert "unknown" in str(error)
        assert TOKEN[:7] not in str(error)

    def test_of_an_error_body_at_most_200_clean_characters_are_shown(self, serve, make):
        page = b"<html><style>p{}</style><p>Down\x1b[31m for\r\n\x07 \xe2\x80\xaerepair &amp; rest</p>" + b" zz" * 500
        error = fail(ServiceError, make(), serve(answer(page, 400)), "GET", *EVENTS)
        said = str(error).split("It said: ")[1]
        assert said.startswith("Down[31m for repair & rest zz")
        assert len(said) == 200
        assert said.isprintable()

    def test_what_the_service_says_about_a_person_is_not_shown(self, serve, make):
        page = b'{"error": "ana@example.org (5f3e1c) cannot be read"}'
        assert "ana@" not in str(fail(ServiceError, make(), serve(answer(page, 400))))

    def test_a_broken_error_body_does_not_hide_the_status(self, serve, make):
        for body in (
            encoded(b"junk"),
            chunked(b"zz", close=True),
            encoded(b"x", "br"),
            encoded(gzip.compress(bytes(10**7))),
        ):
            server = serve(Answer(body.data.replace(b"200", b"403", 1), close=True))
            assert fail(AuthenticationError, make(), server).status == 403

    @pytest.mark.parametrize("header", ["X-Request-Id", "CF-Ray"])
    def test_the_request_id_is_in_the_message_and_in_a_field(self, serve, make, header):
        server = serve(answer(status=400, headers=[(header, "8a1f-CDG")]))
        error = fail(ServiceError, make(), server)
        assert error.request_id == f"{header.lower()} 8a1f-CDG"
        assert error.request_id in str(error)

    def test_a_request_id_that_is_the_token_is_hidden(self, serve, make):
        server = serve(answer(status=400, headers=[("X-Request-Id", TOKEN)]))
        error = fail(ServiceError, make(), server)
        assert_clean(f"{error} {error.request_id}")


class TestMeaning:
    @pytest.mark.parametrize(
        ("status", "kind", "words"),
        [
            (401, AuthenticationError, "NUCLEUS_TOKEN and NUCLEUS_APP_ID"),
            (403, AuthenticationError, "NUCLEUS_TOKEN and NUCLEUS_APP_ID"),
            (404, NotFoundError, "does not know"),
            (400, ServiceError, "HTTP 400, GET users/:userId"),
            (501, ServiceError, "failed"),
        ],
    )
    def test_each_status_has_its_exception_and_advice(self, serve, make, status, kind, words):
        error = fail(kind, make(), serve(answer(status=status)))
        assert words in str(error)
        assert (error.status, error.endpoint, error.retryable) == (status, ENDPOINT, False)

    @pytest.mark.parametrize(
        "page", [b"<!doctype html>", b"\n <html>", b"\xef\xbb\xbf<html>", b"<?xml version='1.0'?>"]
    )
    def test_a_web_page_with_200_is_called_one(self, serve, make, page):
        server = serve(answer(page, headers=[("Content-Type", "application/json")]))
        error = fail(PayloadError, make(), server)
        assert re.search("web page.*proxy or login page", str(error))
        assert (error.status, error.retryable, len(server.requests)) == (200, False, 1)

    @pytest.mark.parametrize("trap", [b'{"a":NaN}', b'{"a":1,"a":2}', b"[" * 100_000, b"maintenance", b"{}x"])
    def test_json_that_means_nothing_is_not_asked_for_twice(self, serve, make, trap):
        server = serve(answer(trap))
        assert fail(PayloadError, make(), server).status == 200
        assert len(server.requests) == 1
