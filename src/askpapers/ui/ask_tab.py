"""The ask tab in Gradio: filters, conversation, evidence, and their wiring to the desk.

This module does without `from __future__ import annotations`: Gradio finds event data by the
annotation itself, and the library is imported inside the function.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from html import escape
from typing import Any

from askpapers.errors import AskPapersError
from askpapers.ui.answers import render_live
from askpapers.ui.asking import Frame
from askpapers.ui.desk import Choices, Desk, View
from askpapers.ui.talks import Ask

_CONNECT = """
window.askpapers.connect(element, trigger, server);
element.addEventListener('never', () => trigger('submit') || trigger('select') || trigger('input'));
"""
_HELLO = "() => [window.askpapers.token()]"
_KEEP = "(token) => { window.askpapers.keep(token); }"
_OLDER = "() => [window.askpapers.older()]"
_SAVE = "(file) => { window.askpapers.save(file); }"
_FOCUS = "() => { window.askpapers.focusQuestion(); }"
_POLL_SECONDS = 0.5
MAX_LISTED_PAPERS = 2000
"""Papers offered in the list of the filter; of a larger corpus an id is typed or picked."""
_SAVE_LABELS = {"Markdown": "md", "BibTeX": "bib", "JSON": "json", "Ratings as eval cases": "cases"}
PARALLEL = 16


@dataclass(frozen=True, slots=True)
class AskTab:
    """Components of the ask tab that other tabs use."""

    bridge: Any
    papers: Any
    files: Any
    token: Any


def make_ask_tab(desk: Desk, page: Any, tabs: Any) -> AskTab:
    """Put the tab into the `gradio.Blocks` that is being built; return what others refer to."""
    import gradio as gr

    token = gr.State("")
    editing = gr.State(False)
    settled = gr.State(False)
    token_box = gr.Textbox(visible=False)
    file_box = gr.JSON(visible=False)
    older_box = gr.JSON(visible=False)
    with gr.Row(elem_id="ap-columns"):
        with gr.Column(elem_id="ap-filters"):
            gr.HTML("<h2>Filters</h2>", apply_default_css=False)
            since = gr.Textbox(label="Not older than", placeholder="2024 or 2024-05", max_lines=1)
            until = gr.Textbox(label="Not newer than", placeholder="2025-01-31", max_lines=1)
            papers = gr.Dropdown(
                [], label="Only these papers", multiselect=True, allow_custom_value=True
            )
            files = gr.Dropdown([], label="Only from these files", multiselect=True)
            models = desk.find_models()
            model = gr.Dropdown(models, value=models[0], label="Writing model")
            quote_only = gr.Checkbox(label="Answer by quotation only", value=False)
            gr.HTML("<h2>Conversation</h2>", apply_default_css=False)
            export = gr.Dropdown(list(_SAVE_LABELS), value="Markdown", label="Export as")
            with gr.Row():
                save = gr.Button("Export", size="sm", min_width=60, elem_id="ap-export")
                new = gr.Button("Start anew", size="sm", min_width=60, elem_id="ap-new")
            older_html = gr.HTML(elem_id="ap-older", apply_default_css=False)
        with gr.Column(elem_id="ap-talk-column"):
            talk_html = gr.HTML(elem_id="ap-talk", apply_default_css=False)
            live_html = gr.HTML(elem_id="ap-live", apply_default_css=False)
            with gr.Column(elem_id="ap-composer"):
                status_html = gr.HTML(
                    "",
                    elem_id="ap-status",
                    html_template='<p role="status" aria-live="polite">${value}</p>',
                    apply_default_css=False,
                )
                with gr.Row(elem_id="ap-typing"):
                    question = gr.Textbox(
                        label="Question",
                        placeholder="Ask about the papers",
                        elem_id="ap-question",
                        lines=1,
                        max_lines=6,
                        autofocus=True,
                        scale=1,
                    )
                    ask = gr.Button(
                        "Ask", variant="primary", elem_id="ap-ask", min_width=80, scale=0
                    )
                    stop = gr.Button(
                        "Stop", interactive=False, elem_id="ap-stop", min_width=80, scale=0
                    )
        with gr.Column(elem_id="ap-proof-column"):
            gr.HTML("<h2>Evidence</h2>", apply_default_css=False)
            proof_html = gr.HTML(elem_id="ap-proof", apply_default_css=False)
            gr.HTML(
                '<button type="button" id="ap-back" class="ap-button" hidden>'
                "Back to the answer</button>",
                apply_default_css=False,
            )

    def stop_now(data: dict[str, Any]) -> str:
        desk.stop(desk.talks.open(str(data.get("token", ""))))
        return "Stopping …"

    def rate_now(data: dict[str, Any]) -> str:
        try:
            desk.rate(
                desk.talks.open(str(data.get("token", ""))),
                int(data.get("turn", 0)),
                thumb=str(data.get("thumb", "")),
                reason=str(data.get("reason", "")),
                note=str(data.get("note", "")),
            )
        except (AskPapersError, ValueError) as exc:
            return str(exc)
        return "Kept on this machine."

    stop_now.__name__, rate_now.__name__ = "stop", "rate"
    bridge = gr.HTML(
        "",
        elem_id="ap-bridge",
        js_on_load=_CONNECT,
        server_functions=[stop_now, rate_now],
        apply_default_css=False,
    )
    timer = gr.Timer(_POLL_SECONDS)

    regions = [talk_html, live_html, proof_html, status_html, ask, stop]
    chosen = [since, until, papers, files, model, quote_only]
    quiet: dict[str, Any] = {"show_progress": "hidden", "api_visibility": "private"}

    def update(view: View) -> tuple[Any, ...]:
        return (
            gr.skip() if view.talk is None else view.talk,
            gr.skip() if view.live is None else view.live,
            gr.skip() if view.proof is None else view.proof,
            gr.skip() if view.status is None else escape(view.status),
            gr.Button(interactive=not view.is_busy),
            gr.Button(interactive=view.is_busy),
        )

    def choices_of(values: tuple[Any, ...]) -> Choices:
        since, until, papers, files, model, quote_only = values
        return Choices(since or "", until or "", papers or (), files or (), model, bool(quote_only))

    def hello(found: str) -> tuple[Any, ...]:
        talk, view = desk.open_talk(found)
        return (talk.token, talk.token, desk.readiness.can_search, *update(view))

    def renew(before: str) -> tuple[Any, ...]:
        talk, view = desk.change_talk(before, None)
        return (talk.token, talk.token, desk.readiness.can_search, *update(view))

    def reopen(data: gr.EventData, before: str) -> tuple[Any, ...]:
        wanted = str(dict(data._data or {}).get("token", ""))
        talk, view = desk.change_talk(before, wanted)
        return (talk.token, talk.token, desk.readiness.can_search, *update(view))

    def list_older(tokens: list[str] | None) -> str:
        return desk.list_older([str(token) for token in tokens or []])

    def submit(secret: str, text: str, replace: bool, *values: Any) -> Iterator[tuple[Any, ...]]:
        talk = desk.talks.open(secret)
        clear: tuple[Any, ...] = ("", False)
        for view in desk.ask(talk, text or "", choices_of(values), replace_last=replace):
            yield (*clear, *update(view))
            clear = (gr.skip(), gr.skip())

    def act(data: gr.EventData, secret: str, *values: Any) -> Iterator[tuple[Any, ...]]:
        talk = desk.talks.open(secret)
        payload = dict(data._data or {})
        action = str(payload.get("action", ""))
        kept = (gr.skip(),) * 3
        if action == "edit":
            replaces = talk.unfinished is None
            yield (desk.last_question(talk), replaces, gr.skip(), *(gr.skip(),) * len(regions))
            return
        try:
            if action == "example":
                views = desk.ask(talk, str(payload.get("question", "")), choices_of(values))
            else:
                views = desk.act(talk, action, payload)
            for view in views:
                yield (*kept, *update(view))
        except AskPapersError as exc:
            live = render_live(Frame(Ask(""), error=exc), len(talk.turns) + 1)
            yield (*kept, *update(View(live=live, status=exc.message)))

    def poll(secret: str, is_settled: bool) -> tuple[Any, ...]:
        """Show how far loading is; draw once more what was opened before the papers were there."""
        ready = desk.readiness
        is_done = ready.is_done
        listed = named = talk_shown = proof_shown = state = gr.skip()
        talk = desk.talks.open(secret) if secret else None
        if talk is not None and not talk.busy.locked():
            state = escape(desk.status(talk))
            if not is_settled and (ready.can_search or is_done):
                is_settled = True
                view = desk.show(talk)
                talk_shown, proof_shown = view.talk, view.proof
            elif not is_settled and not talk.turns:
                talk_shown = desk.welcome()
        if ready.can_search:
            papers = desk.papers()
            if len(papers) <= MAX_LISTED_PAPERS:
                listed = gr.Dropdown(choices=[(paper.title, i) for i, paper in papers.items()])
            named = gr.Dropdown(choices=desk.find_files())
        more = gr.Timer(active=not (is_done and is_settled))
        return state, more, is_settled, listed, named, talk_shown, proof_shown

    def export_now(secret: str, label: str) -> dict[str, str]:
        try:
            name, media_type, text = desk.export(
                desk.talks.open(secret), _SAVE_LABELS.get(label, "")
            )
        except AskPapersError as exc:
            raise gr.Error(escape(f"{exc.message} {exc.hint}"), print_exception=False) from exc
        return {"name": name, "type": media_type, "text": text}

    entered = [token, question, editing, *chosen]
    shown = [question, editing, *regions]
    gr.on([question.submit, ask.click], submit, entered, shown, concurrency_limit=PARALLEL, **quiet)
    bridge.submit(
        act,
        [token, *chosen],
        [question, editing, tabs, *regions],
        concurrency_limit=PARALLEL,
        **quiet,
    )
    opened = [token, token_box, settled, *regions]
    for event, then in (
        (page.load(hello, [token_box], opened, js=_HELLO, **quiet), None),
        (new.click(renew, [token], opened, **quiet), _FOCUS),
        (bridge.input(reopen, [token], opened, **quiet), _FOCUS),
    ):
        kept = event.then(None, [token_box], None, js=_KEEP)
        listed = kept.then(list_older, [older_box], [older_html], js=_OLDER, **quiet)
        if then:
            listed.then(None, None, None, js=then)
    polled = [status_html, timer, settled, papers, files, talk_html, proof_html]
    timer.tick(poll, [token, settled], polled, **quiet)
    saved = save.click(export_now, [token, export], [file_box], **quiet)
    saved.success(None, [file_box], None, js=_SAVE)
    return AskTab(bridge, papers, files, token)
