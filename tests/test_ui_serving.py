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
    import asyncio

    sent = []

    async def app(scope, receive, send):
        await send({"type": "http.response.start", "status": 200, "headers": []})
        await send({"type": "http.response.body", "body": b""})

    async def send(message):
        sent.append(message)

    guard = Guard(app, hosts={"127.0.0.1", "localhost"})
    asyncio.run(guard({"type": "http", "headers": [(b"host", host)]}, None, send))
    assert sent[0]["status"] == status
    if status == 200:
        policy = dict(sent[0]["headers"])[b"content-security-policy"]
        assert b"default-src 'self'" in policy
        assert b"http:" not in policy
