"""`askpapers ui`: the page, in Gradio.

serving      socket, waiting page, server, who may reach it
page         the tabs in Gradio             ask_tab     components of the ask tab
other_tabs   corpus and evals in Gradio     desk        what the ask tab does
shelf        what the corpus tab does       mapping     the map of papers
bench        what the evals tab does        talks       conversations, saved
asking       one question as frames         turnstile   the queue for the model
readiness    what is loaded already
answers      HTML of the conversation       proof       HTML of the evidence
exporting    conversations as files         feedback    thumbs with a reason
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from askpapers.app import App

__all__ = ["run_page"]


def run_page(
    app: App,
    *,
    host: str = "127.0.0.1",
    port: int = 7860,
    auth: str | None = None,
    open_to_all: bool = False,
) -> None:
    """Serve the page until Ctrl-C.

    Args:
        app: the program.
        host: address to listen on.
        port: port to listen on.
        auth: USER:PASSWORD that is asked for; None: nobody is asked.
        open_to_all: allow an address that others can reach without a password.

    Raises:
        UsageError: the port is taken, or others could reach the page without a password.
        BackendMissing: gradio is not installed.
    """
    import importlib.util
    import sys

    from askpapers.errors import BackendMissing
    from askpapers.ui.serving import WaitingPage, bind_port, check_exposure

    if importlib.util.find_spec("gradio") is None:
        raise BackendMissing(
            "The page needs gradio, which is not installed.", hint="pip install 'askpapers[ui]'"
        )
    check_exposure(host, auth=auth, open_to_all=open_to_all)
    listener = bind_port(host, port)
    with listener:
        waiting = WaitingPage(listener)
        shown = f"[{host}]" if ":" in host else host
        print(f"http://{shown}:{port}  (Ctrl-C ends)", file=sys.stderr, flush=True)
        try:
            from askpapers.ui.desk import Desk
            from askpapers.ui.readiness import Readiness
            from askpapers.ui.serving import make_server

            readiness = Readiness(app)
            desk = Desk(app, readiness=readiness)
            server = make_server(desk, host=host, port=port, auth=auth, open_to_all=open_to_all)
            readiness.start()
        finally:
            waiting.close()
        try:
            server.run(sockets=[listener])
        except KeyboardInterrupt:
            return
