"""The page's server: a port of its own, a waiting page until Gradio is there, closed to outsiders.

Importing Gradio takes seconds, so the socket is opened first and answers with a page that waits;
then the same socket is handed to the real server, and no connection is refused in between.
"""

from __future__ import annotations

import errno
import hashlib
import hmac
import ipaddress
import logging
import os
import socket
import threading
from collections.abc import Callable
from typing import Any
from urllib.parse import urlsplit

from askpapers.errors import UsageError
from askpapers.ui.desk import Desk

_log = logging.getLogger(__name__)
_BACKLOG = 128
_MAX_UPLOAD = "20mb"
_POLICY = "; ".join(
    [
        "default-src 'self'",
        # Gradio's own bundle makes functions of templates and styles of components.
        "script-src 'self' 'unsafe-inline' 'unsafe-eval'",
        "style-src 'self' 'unsafe-inline'",
        "img-src 'self' data: blob:",
        "font-src 'self' data:",
        "connect-src 'self'",
        "frame-src 'self'",
        "frame-ancestors 'none'",
        "object-src 'none'",
        "base-uri 'self'",
        "form-action 'self'",
    ]
)
_HEADERS = (
    (b"content-security-policy", _POLICY.encode()),
    (b"x-content-type-options", b"nosniff"),
    (b"referrer-policy", b"no-referrer"),
    (b"cross-origin-opener-policy", b"same-origin"),
)
_WAITING = (
    b"<!doctype html><html lang=en><meta charset=utf-8><title>askpapers</title>"
    b"<meta name=viewport content='width=device-width'><style>:root{color-scheme:light dark}"
    b"body{font:16px/1.6 system-ui,sans-serif;margin:4em auto;max-width:32em;padding:0 1em}"
    b"</style><main><h1>askpapers</h1><p role=status>The page is being loaded; this takes a few "
    b"seconds.</p></main><script>const look=async()=>{try{const r=await fetch('/',"
    b"{cache:'no-store'});if(r.ok&&!r.headers.has('x-askpapers-waiting'))return location.reload()}"
    b"catch{}setTimeout(look,300)};setTimeout(look,300)</script></html>"
)


def check_exposure(host: str, *, auth: str | None, open_to_all: bool) -> None:
    """Let the page be reached from other machines only with a password or by intention.

    Raises:
        UsageError: neither is given, or the password is not of the form USER:PASSWORD.
    """
    if auth is not None and not all(auth.partition(":")[::2]):
        raise UsageError("The option --auth takes USER:PASSWORD.", hint="--auth me:a-long-password")
    if not _is_loopback(host) and auth is None and not open_to_all:
        raise UsageError(
            f"The address {host!r} opens the page to other machines.",
            hint=f"askpapers ui --host {host} --auth USER:PASSWORD (or --open-to-all)",
        )


def bind_port(host: str, port: int) -> socket.socket:
    """Return a listening socket.

    Raises:
        UsageError: the port is taken or the address is not of this machine.
    """
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    listener = socket.socket(family, socket.SOCK_STREAM)
    try:
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listener.bind((host, port))
        listener.listen(_BACKLOG)
    except OSError as exc:
        listener.close()
        if exc.errno == errno.EADDRINUSE:
            raise UsageError(
                f"Port {port} is in use.", hint=f"askpapers ui --port {min(port + 1, 65535)}"
            ) from exc
        if exc.errno == errno.EACCES:
            raise UsageError(
                f"Port {port} needs the rights of an administrator.", hint="askpapers ui"
            ) from exc
        raise UsageError(
            f"The address {host!r} cannot be listened on: {exc.strerror or exc}.",
            hint="askpapers ui",
        ) from exc
    return listener


class WaitingPage:
    """Answers every request on a socket with a page that waits, until it is closed."""

    def __init__(self, listener: socket.socket) -> None:
        """Begin to answer."""
        self._listener = listener
        self._closing = threading.Event()
        listener.settimeout(0.05)
        self._thread = threading.Thread(target=self._serve, name="waiting", daemon=True)
        self._thread.start()

    def close(self) -> None:
        """Stop answering; the socket stays open and listening."""
        self._closing.set()
        self._thread.join()
        self._listener.settimeout(None)

    def _serve(self) -> None:
        head = (
            "HTTP/1.1 200 OK\r\nContent-Type: text/html; charset=utf-8\r\n"
            "Cache-Control: no-store\r\nX-Askpapers-Waiting: 1\r\nConnection: close\r\n"
            f"Content-Length: {len(_WAITING)}\r\n\r\n"
        )
        while not self._closing.is_set():
            try:
                connection, _ = self._listener.accept()
            except TimeoutError:
                continue
            except OSError:
                return
            with connection:
                try:
                    connection.settimeout(1.0)
                    connection.recv(65536)
                    connection.sendall(head.encode() + _WAITING)
                except OSError:
                    continue


def make_server(desk: Desk, *, host: str, port: int, auth: str | None, open_to_all: bool) -> Any:
    """Return the `uvicorn.Server` of the page; run it with the listening socket."""
    os.environ["GRADIO_ANALYTICS_ENABLED"] = "False"
    os.environ["GRADIO_MCP_SERVER"] = "False"
    import gradio as gr
    import uvicorn
    from fastapi import FastAPI

    from askpapers.ui.page import make_page, read_asset

    outer = FastAPI(openapi_url=None, docs_url=None, redoc_url=None)
    system = ["system-ui", "-apple-system", "Segoe UI", "sans-serif"]
    app = gr.mount_gradio_app(
        outer,
        make_page(desk),
        path="/",
        server_name=host,
        server_port=port,
        footer_links=[],
        run_history=False,
        app_kwargs={"openapi_url": None, "docs_url": None, "redoc_url": None},
        auth=make_gate(auth) if auth else None,
        allowed_paths=[],
        show_error=True,
        max_file_size=_MAX_UPLOAD,
        ssr_mode=False,
        enable_monitoring=False,
        pwa=False,
        mcp_server=False,
        theme=gr.themes.Base(font=system, font_mono=["ui-monospace", "monospace"]),
        css=read_asset("page.css"),
        # Gradio rewrites `css` so that it reaches inner elements only; the frame is styled here.
        head=f"<style>{read_asset('frame.css')}</style><script>{read_asset('page.js')}</script>",
    )
    allowed = None if (open_to_all or not _is_loopback(host)) else {"localhost", host}
    config = uvicorn.Config(
        Guard(app, hosts=allowed),
        log_level="critical",
        access_log=False,
        timeout_graceful_shutdown=1,
    )
    return uvicorn.Server(config)


def make_gate(auth: str) -> Callable[[str, str], bool]:
    """Return the check of a name and a password, in a time that tells nothing about either."""
    expected = hashlib.sha256(auth.encode()).digest()

    def is_known(user: str, password: str) -> bool:
        given = hashlib.sha256(f"{user}:{password}".encode()).digest()
        return hmac.compare_digest(given, expected)

    return is_known


class Guard:
    """Answers only requests made to this machine's own name, and forbids the page to reach out.

    A site that lets its name point to 127.0.0.1 could otherwise read the page from a browser, and
    any site could ask in the name of a browser's user: Gradio compares origins for localhost
    alone, and only to keep the answer from being read.
    """

    def __init__(self, app: Any, *, hosts: set[str] | None) -> None:
        """Wrap an ASGI app; `hosts` are the names it answers to, None for any."""
        self._app = app
        self._hosts = hosts

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        """Handle one request."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        if self._hosts is not None and _host_of(scope) not in self._hosts:
            await _refuse(send, 421, b"unknown host")
            return
        if not _is_own_origin(scope):
            await _refuse(send, 403, b"another origin")
            return

        async def guarded(message: Any) -> None:
            if message["type"] == "http.response.start":
                message = {**message, "headers": [*message.get("headers", []), *_HEADERS]}
            await send(message)

        await self._app(scope, receive, guarded)


async def _refuse(send: Any, status: int, why: bytes) -> None:
    await send({"type": "http.response.start", "status": status, "headers": []})
    await send({"type": "http.response.body", "body": why})


def _is_own_origin(scope: Any) -> bool:
    """Tell whether a request comes from a page of this server, or from no page at all.

    Behind a proxy the name that the browser knows stands in X-Forwarded-Host, which no page can
    send elsewhere without asking first, and that question is refused here too.
    """
    origin = _header(scope, b"origin")
    if origin is None:
        return True
    known = (_header(scope, b"host"), _header(scope, b"x-forwarded-host"))
    return urlsplit(origin).netloc.casefold() in [name.casefold() for name in known if name]


def _header(scope: Any, wanted: bytes) -> str | None:
    return next(
        (value.decode("latin-1") for name, value in scope["headers"] if name == wanted), None
    )


def _host_of(scope: Any) -> str:
    text = _header(scope, b"host") or ""
    if text.startswith("["):
        return text[1:].partition("]")[0]
    return text.rpartition(":")[0] if ":" in text else text


def _is_loopback(host: str) -> bool:
    if host == "localhost":
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False
