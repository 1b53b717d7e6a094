"""The page in Gradio: three tabs and the queue."""

from __future__ import annotations

from importlib import resources
from typing import Any

from askpapers.ui.ask_tab import PARALLEL, make_ask_tab
from askpapers.ui.bench import Bench
from askpapers.ui.desk import Desk
from askpapers.ui.other_tabs import make_corpus_tab, make_evals_tab
from askpapers.ui.shelf import Shelf

_MAX_QUEUE = 64
_CACHE_SECONDS = 3600


def read_asset(name: str) -> str:
    """Return the text of a file that lies beside this module."""
    return (resources.files("askpapers.ui") / name).read_text("utf-8")


def make_page(desk: Desk) -> Any:
    """Return the `gradio.Blocks` of the page, its queue set up."""
    import gradio as gr

    with gr.Blocks(
        title="askpapers",
        analytics_enabled=False,
        fill_width=True,
        delete_cache=(_CACHE_SECONDS, _CACHE_SECONDS),
    ) as page:
        gr.HTML(
            "<h1>Ask the papers</h1><p>Every sentence of an answer shows the sentence that "
            "proves it.</p>",
            elem_id="ap-head",
            apply_default_css=False,
        )
        with gr.Tabs(elem_id="ap-tabs") as tabs:
            with gr.Tab("Ask", id="ask"):
                ask_tab = make_ask_tab(desk, page, tabs)
            with gr.Tab("Corpus", id="corpus") as corpus:
                make_corpus_tab(Shelf(desk.program, desk.asking), desk, ask_tab, corpus, tabs)
            with gr.Tab("Evals", id="evals") as evals:
                make_evals_tab(Bench(desk.program.runs_folder), evals)
    page.queue(max_size=_MAX_QUEUE, default_concurrency_limit=PARALLEL, api_open=False)
    return page
