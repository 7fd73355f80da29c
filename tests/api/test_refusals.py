"""When refused requests end a run, and what the token is blamed for."""

import pytest

import nucleus_pandas as nu
from nucleus_pandas.api.http.transport import Transport
from nucleus_pandas.api.refusals import Refusals, may_concern_one
from tests.fault_server import FaultServer, answer

REFUSED = nu.AuthenticationError("refused", status=403)
LATER = nu.RateLimitError("later", status=429, retry_after=3600)


@pytest.fixture
def refusals_of():
    """Makes what decides, with a service that gives these answers to probes."""
    servers = []

    def build(*script):
        servers.append(FaultServer(*script).__enter__())
        transport = Transport(sleep=lambda seconds: None)
        client = nu.Client("app", "t0ken", base_url=servers[-1].url, cache=False, transport=transport)
        return Refusals(client), servers[-1]

    yield build
    for server in servers:
        server.__exit__()


def test_two_refusals_in_a_row_send_no_probe(refusals_of):
    refusals, server = refusals_of(answer(status=401))
    assert [refusals.refused(REFUSED) for _ in range(2)] == [None, None]
    assert not server.requests


def test_an_answer_ends_a_row(refusals_of):
    refusals, server = refusals_of(answer(status=401))
    for _ in range(5):
        assert [refusals.refused(REFUSED) for _ in range(2)] == [None, None]
        refusals.answered()
    assert not server.requests


@pytest.mark.parametrize("reply", [answer(status=401), answer(status=403), answer(b'{"error": "no"}')])
def test_the_token_is_blamed_when_the_probe_is_refused_as_well(refusals_of, reply):
    refusals, server = refusals_of(reply)
    error = [refusals.refused(REFUSED) for _ in range(3)][-1]
    assert isinstance(error, nu.AuthenticationError)
    assert "refused 3 requests in a row and then analytics/quickglance, too" in str(error)
    assert "it does not accept the token for this app" in str(error)
    assert len(server.requests) == 1


def test_after_the_end_every_refusal_gives_the_same_error_without_a_probe(refusals_of):
    refusals, server = refusals_of(answer(status=401))
    errors = [refusals.refused(REFUSED) for _ in range(6)]
    assert len(set(map(id, errors[2:]))) == 1
    assert len(server.requests) == 1


def test_the_token_is_not_blamed_when_the_probe_is_answered(refusals_of):
    refusals, server = refusals_of(answer())
    assert [refusals.refused(REFUSED) for _ in range(9)] == [None] * 9
    assert len(server.requests) == 2  # after 3, and after 6 more


def test_a_probe_that_fails_for_another_reason_gives_that_reason(refusals_of):
    refusals, _ = refusals_of(answer(status=503))
    assert isinstance([refusals.refused(REFUSED) for _ in range(3)][-1], nu.ServiceError)


def test_requests_that_shall_come_later_end_a_run_without_a_probe(refusals_of):
    refusals, server = refusals_of(answer())
    assert [refusals.refused(LATER) for _ in range(3)] == [None, None, LATER]
    assert not server.requests


@pytest.mark.parametrize(
    ("error", "one"),
    [
        (REFUSED, True),
        (LATER, True),
        (nu.ServiceError("failed", status=500), True),
        (nu.NetworkError("silent"), True),
        (nu.RateLimitError("this client waits for itself"), False),
        (nu.ConfigurationError("closed"), False),
    ],
)
def test_only_what_a_service_answers_may_concern_one_request(error, one):
    assert may_concern_one(error) == one
