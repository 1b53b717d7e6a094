"""The corpus tab and the evals tab in Gradio, wired to the shelf and the bench.

Without `from __future__ import annotations`, as in `ask_tab`.
"""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

from askpapers.ui.ask_tab import MAX_LISTED_PAPERS, AskTab
from askpapers.ui.bench import Bench
from askpapers.ui.desk import Desk
from askpapers.ui.shelf import ORDERS, SUFFIXES, Shelf

_OPENED = "() => { window.askpapers.focusPaper(); }"
_NONE = ("none", "")
_POLL_SECONDS = 0.5


def make_corpus_tab(shelf: Shelf, desk: Desk, ask_tab: AskTab, tab: Any, tabs: Any) -> None:
    """Put the tab into the `gradio.Blocks` that is being built."""
    import gradio as gr

    quiet: dict[str, Any] = {"show_progress": "hidden", "api_visibility": "private"}
    with gr.Row(elem_id="ap-corpus-tools"):
        search = gr.Textbox(
            label="Find papers", placeholder="words of the title or abstract", max_lines=1
        )
        order = gr.Dropdown(list(ORDERS), value="Newest first", label="Order")
        files = gr.Dropdown([], label="Only from these files", multiselect=True)
    table_html = gr.HTML(elem_id="ap-table", apply_default_css=False)
    paper_html = gr.HTML(elem_id="ap-paper", apply_default_css=False)
    with gr.Accordion("Map of the papers", open=True, elem_id="ap-map-fold"):
        map_html = gr.HTML(elem_id="ap-map", apply_default_css=False)
    with gr.Accordion("Add papers", open=True):
        upload = gr.File(
            label="Drop saved pages or lists of papers here",
            file_count="multiple",
            file_types=list(SUFFIXES),
            elem_id="ap-upload",
            height=140,
        )
        added_html = gr.HTML(elem_id="ap-added", apply_default_css=False)

    def draw_table(words: str, by: str, chosen: list[str] | None) -> str:
        if not desk.readiness.can_search:
            return desk.loading()
        return shelf.render_table(words or "", by, chosen or [])

    def draw_map(secret: str) -> str:
        if not desk.readiness.can_search:
            return ""
        turns = desk.talks.open(secret).turns
        used = turns[-1].answer.sources if turns else ()
        return shelf.render_map({source.paper_id for source in used if source.cited})

    def list_files() -> Any:
        return gr.Dropdown(choices=desk.find_files())

    def list_papers() -> Any:
        papers = desk.papers()
        if len(papers) > MAX_LISTED_PAPERS:
            return gr.skip()
        return gr.Dropdown(choices=[(paper.title, i) for i, paper in papers.items()])

    def act(data: gr.EventData) -> tuple[Any, ...]:
        payload = dict(data._data or {})
        paper_id = str(payload.get("paper", ""))
        if paper_id not in desk.papers():
            raise gr.Error("This paper is no longer in the index.", print_exception=False)
        if payload.get("action") == "about":
            return gr.skip(), gr.Dropdown(value=[paper_id]), gr.Tabs(selected="ask")
        return shelf.render_paper(paper_id), gr.skip(), gr.skip()

    def add(paths: list[str] | None) -> Iterator[tuple[Any, ...]]:
        rest = (gr.skip(),) * 4
        try:
            for news in shelf.add(paths or []):
                yield (news, gr.skip(), *rest)
        finally:
            for path in paths or []:
                Path(path).unlink(missing_ok=True)
        yield (
            gr.skip(),
            None,
            shelf.render_table("", "Newest first", []),
            list_files(),
            list_files(),
            list_papers(),
        )

    def look(words: str, by: str, chosen: list[str] | None) -> tuple[Any, ...]:
        """Draw the table, or how far loading is, and come again until that has ended."""
        ready = desk.readiness
        more = gr.Timer(active=not (ready.can_search or ready.is_done))
        return draw_table(words, by, chosen), more

    waiting = gr.Timer(_POLL_SECONDS, active=False)
    for event in (tab.select, waiting.tick):
        drawn = event(look, [search, order, files], [table_html, waiting], **quiet)
        drawn.then(list_files, None, [files], **quiet).then(
            draw_map, [ask_tab.token], [map_html], **quiet
        )
    gr.on(
        [search.change, order.change, files.change],
        draw_table,
        [search, order, files],
        [table_html],
        trigger_mode="always_last",
        **quiet,
    )
    chosen = ask_tab.bridge.select(act, None, [paper_html, ask_tab.papers, tabs], **quiet)
    chosen.success(None, None, None, js=_OPENED)
    upload.upload(
        add,
        [upload],
        [added_html, upload, table_html, files, ask_tab.files, ask_tab.papers],
        concurrency_limit=1,
        **quiet,
    )


def make_evals_tab(bench: Bench, tab: Any) -> None:
    """Put the tab into the `gradio.Blocks` that is being built."""
    import gradio as gr

    with gr.Row(elem_id="ap-evals-tools"):
        first = gr.Dropdown([], label="Run")
        second = gr.Dropdown([_NONE], value="", label="Compare with an earlier run")
    run_html = gr.HTML(elem_id="ap-run", apply_default_css=False)

    def show(name: str | None, other: str | None) -> tuple[Any, ...]:
        others = bench.list_others(name)
        if other not in [run for _, run in others]:
            other = ""
        html = bench.render_comparison(other, name) if other else bench.render_run(name)
        return gr.Dropdown(choices=[_NONE, *others], value=other), html

    def list_runs(name: str | None, other: str | None) -> tuple[Any, ...]:
        runs = bench.list_runs()
        ids = [run for _, run in runs]
        chosen = name if name in ids else (ids[0] if ids else None)
        return gr.Dropdown(choices=runs, value=chosen), *show(chosen, other)

    # Intervals of a long run take a second or two: that something happens must be seen.
    seen: dict[str, Any] = {"show_progress": "minimal", "api_visibility": "private"}
    tab.select(list_runs, [first, second], [first, second, run_html], **seen)
    gr.on([first.input, second.input], show, [first, second], [second, run_html], **seen)
