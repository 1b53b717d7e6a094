"""Who may reach the page, its port, the page that waits."""

import socket

import pytest

from askpapers.errors import UsageError
from askpapers.ui.serving import Guard, WaitingPage, bind_port, check_exposure, make_gate


def test_another_host_needs_a_password_or_an_intention():
    check_exposure("127.0.0.1", auth=None, open_to_all=False)
    check_exposure("::1", auth=None, open_to_all=False)
    check_exposure("0.0.0.0", auth="me:secret", open_to_all=False)
    check_exposure("0.0.0.0", auth=None, open_to_all=True)
    with pytest.raises(UsageError, match="opens the page") as caught:
        check_exposure("0.0.0.0", auth=None, open_to_all=False)
    assert "--auth USER:PASSWORD" in caught.value.hint
    for bad in ("", "me", "me:", ":x"):
        with pytest.raises(UsageError, match="USER:PASSWORD"):
            check_exposure("0.0.0.0", auth=bad, open_to_all=False)


def test_the_gate_knows_one_name_and_password():
    gate = make_gate("me:a:b")
    assert gate("me", "a:b")
    assert not gate("me", "a")
    assert not gate("", "")


def test_a_taken_port_is_one_error_with_the_command_that_mends_it():
    with bind_port("127.0.0.1", 0) as listener:
        port = listener.getsockname()[1]
        with pytest.raises(UsageError, match=f"Port {port} is in use") as caught:
            bind_port("127.0.0.1", port)
        assert caught.value.hint == f"askpapers ui --port {port + 1}"
    with pytest.raises(UsageError, match="cannot be listened on"):
        bind_port("192.0.2.1", 7860)


def test_the_waiting_page_answers_until_it_is_closed_and_leaves_the_socket():
    with bind_port("127.0.0.1", 0) as listener:
        address = listener.getsockname()
        waiting = WaitingPage(listener)
        with socket.create_connection(address, timeout=5) as client:
            client.sendall(b"GET / HTTP/1.1\r\nHost: x\r\n\r\n")
            assert b"being loaded" in client.makefile("rb").read()
        waiting.close()
        with socket.create_connection(address, timeout=5):
            connection, _ = listener.accept()
            connection.close()


def answer_of(headers, hosts):
    """Return (status, headers) that the guard answers a request with."""
    import asyncio

    sent = []

    async def app(scope, receive, send):
        await send({"type": "http.response.start", "status": 200, "headers": []})
        await send({"type": "http.response.body", "body": b""})

    async def send(message):
        sent.append(message)

    guard = Guard(app, hosts=hosts)
    asyncio.run(guard({"type": "http", "headers": list(headers.items())}, None, send))
    return sent[0]["status"], dict(sent[0]["headers"])


@pytest.mark.parametrize(
    ("host", "status"),
    [
        (b"127.0.0.1:7860", 200),
        (b"localhost:7860", 200),
        (b"evil.example:7860", 421),
        (b"evil.example", 421),
        (b"", 421),
    ],
)
def test_the_guard_answers_to_its_own_name_only(host, status):
    found, headers = answer_of({b"host": host}, {"127.0.0.1", "localhost"})
    assert found == status
    if status == 200:
        policy = headers[b"content-security-policy"]
        assert b"default-src 'self'" in policy
        assert b"http:" not in policy


@pytest.mark.parametrize("hosts", [{"localhost"}, None])
@pytest.mark.parametrize(
    ("origin", "status"),
    [
        (b"http://localhost:7860", 200),
        (b"HTTP://LocalHost:7860", 200),
        (b"http://localhost:8080", 403),
        (b"https://evil.example", 403),
        (b"http://localhost:7860@evil.example", 403),
        (b"http://localhost:7860.evil.example", 403),
        (b"null", 403),
        (b"", 403),
    ],
)
def test_no_other_site_may_use_the_page(hosts, origin, status):
    assert answer_of({b"host": b"localhost:7860", b"origin": origin}, hosts)[0] == status


def test_behind_a_proxy_the_forwarded_name_is_the_origin():
    headers = {b"host": b"10.0.0.7:7860", b"origin": b"https://papers.example"}
    assert answer_of(headers, None)[0] == 403
    assert answer_of(headers | {b"x-forwarded-host": b"papers.example"}, None)[0] == 200
