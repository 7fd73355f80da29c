"""A user counts as erased only when the service leaves no doubt."""

import json

import pytest

import nucleus_pandas as nu
from nucleus_pandas.api.client import Client
from nucleus_pandas.api.http.transport import Transport
from tests.fault_server import LOST, FaultServer, answer

ANA = "ana@example.org"


def body(value):
    return answer(json.dumps(value).encode())


def listed(*rows, total=None):
    return body({"total": len(rows) if total is None else total, "data": list(rows)})


USER = {"_id": "5f3e-ana", "userId": ANA}
BO = {"_id": "5f3e-bo", "userId": "bo@example.org"}
DONE = answer(b"", 204, framed=False)
GONE = answer(b'{"error": "No such user."}', 404)
STILL = body({"user": USER, "sessions": []})
WITHOUT, WITH = listed(BO), listed(BO, USER)
VAGUE = body({"error": "no"})
FAILS = [answer(b"{}", 500)] * 5

#: Answers that look like a success.
SUCCESSES = {
    "error": VAGUE,
    "ok false": body({"ok": False}),
    "ok true": body({"ok": True}),
    "null": body(None),
    "text": answer(b"deleted"),
    "empty": answer(b""),
    "201": answer(b"{}", 201),
    "202": answer(b"{}", 202),
    "lost, then 404": [LOST, GONE],
    "500, then 404": [answer(b"{}", 500), GONE],
}
#: What GET of the user answers next, and whether that settles it.
NEXT = {
    "404": (GONE, True),
    "the user": (STILL, False),
    "error": (VAGUE, None),
    "user null": (body({"user": None, "sessions": []}), None),
    "another user": (body({"user": BO, "sessions": []}), None),
    "list": (body([USER]), None),
    "no JSON": (answer(b"ok"), None),
    "web page": (answer(b"<html>"), None),
    "403": (answer(b"{}", 403), None),
    "500": (FAILS, None),
    "redirect": (answer(b"", 302, [("Location", "/login")]), None),
}
#: What the list of users answers after that, and whether it shows that the user is gone.
LISTS = {
    "without": (WITHOUT, True),
    "nobody": (listed(), False),
    "with": (WITH, False),
    "short": (listed(BO, total=2), False),
    "short and with": (listed(USER, total=2), False),
    "a row twice": (listed(BO, BO, total=2), False),
    "a row without ids": (listed(BO, {"props": {}}), False),
    "a row that is no object": (listed(BO, None), False),
    "no total": (body({"data": [BO]}), False),
    "data null": (body({"total": 0, "data": None}), False),
    "error": (VAGUE, False),
    "404": (GONE, False),
    "500": (FAILS, False),
}


def script(*steps):
    return [reply for step in steps for reply in (step if isinstance(step, list) else [step])]


@pytest.fixture
def erase(request):
    """Erases ana at a service that answers from a script."""

    def run(*steps, user_id=ANA, **settings):
        server = request.getfixturevalue("serve")(*script(*steps))
        transport = Transport(requests_per_second=None, sleep=lambda seconds: None)
        with Client("demo", "a-token", base_url=server.url, cache=False, transport=transport, **settings) as client:
            client.delete_user(user_id, confirm=user_id)
        return server

    return run


@pytest.fixture
def serve():
    servers = []

    def start(*replies):
        servers.append(FaultServer(*replies).__enter__())
        return servers[-1]

    yield start
    for server in servers:
        server.__exit__(None, None, None)


def test_after_204_nothing_else_is_asked(erase):
    assert [line.split()[0] for line in erase(DONE, STILL).lines] == ["DELETE"]


@pytest.mark.parametrize("success", SUCCESSES)
@pytest.mark.parametrize("then", [name for name, (_, settled) in NEXT.items() if settled is not None])
def test_another_success_counts_only_when_the_user_is_gone(erase, success, then):
    reply, gone = NEXT[then]
    if gone:
        assert [line.split()[0] for line in erase(SUCCESSES[success], reply, VAGUE).lines][-1] == "GET"
        return
    with pytest.raises(nu.ServiceError, match="still has the user") as caught:
        erase(SUCCESSES[success], reply, WITHOUT)
    assert caught.value.retryable
    assert caught.value.endpoint == "users/:userId"
    assert caught.value.status in (200, 201, 202, 404)
    assert ANA not in str(caught.value)
    assert caught.value.__context__ is None  # whose frames would hold the token


@pytest.mark.parametrize("then", [name for name, (_, settled) in NEXT.items() if settled is None])
@pytest.mark.parametrize("users", LISTS)
def test_where_the_user_s_own_answer_does_not_tell_a_whole_list_decides(erase, then, users):
    reply, gone = LISTS[users]
    steps = (SUCCESSES["ok true"], NEXT[then][0], reply)
    if gone:
        erase(*steps)
        return
    with pytest.raises(nu.ServiceError, match=r"still has the user|could not be confirmed") as caught:
        erase(*steps)
    assert (caught.value.status, caught.value.endpoint, caught.value.retryable) == (200, "users/:userId", True)
    assert ANA not in str(caught.value)


@pytest.mark.parametrize(
    ("reply", "error"),
    [
        (answer(b"{}", 400), nu.ServiceError),
        (answer(b"{}", 401), nu.AuthenticationError),
        (answer(b"{}", 403), nu.AuthenticationError),
        (answer(b"", 302, [("Location", "/login")]), nu.ServiceError),
        (FAILS, nu.ServiceError),
        ([LOST] * 5, nu.NetworkError),
        (answer(b"<html>Log in</html>"), nu.PayloadError),
    ],
)
def test_any_other_answer_is_an_error_whatever_the_user_s_own_answer_would_be(erase, reply, error):
    with pytest.raises(error):
        erase(reply, GONE)


@pytest.mark.parametrize("users", ["without", "short", "error", "500"])
def test_404_means_not_known_unless_the_list_shows_the_user(erase, users):
    with pytest.raises(nu.NotFoundError):
        erase(GONE, LISTS[users][0])


@pytest.mark.parametrize("users", ["with", "short and with"])
@pytest.mark.parametrize("user_id", [ANA, USER["_id"]])
def test_404_for_a_user_whom_the_list_shows_names_the_setting_to_change(erase, users, user_id):
    with pytest.raises(nu.ServiceError, match="user_path") as caught:
        erase(GONE, LISTS[users][0], user_id=user_id)
    assert (caught.value.status, caught.value.retryable) == (404, False)
    assert user_id not in str(caught.value)


@pytest.mark.parametrize(
    ("sent", "asked"), [(123, "123"), ("a\x07-id", "a\x07-id"), ("a\x07-id", "a\N{REPLACEMENT CHARACTER}-id")]
)
def test_ids_are_compared_as_the_loaders_spell_them_and_as_they_are(erase, sent, asked):
    with pytest.raises(nu.ServiceError, match="still has the user"):
        erase(SUCCESSES["empty"], VAGUE, listed({"_id": "x", "userId": sent}), user_id=asked)
