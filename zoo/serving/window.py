"""What Gradio shows: a place to drop a file, choices, and the answer."""

from __future__ import annotations

from typing import Any

import gradio as gr

from zoo.serving import desk, markup
from zoo.serving.given import MB, MOST_BYTES, Given, fetched
from zoo.serving.shelf import Shelf
from zoo.serving.uploads import Uploads

TITLE = "Protein model zoo"
INTRODUCTION = (
    f"# {TITLE}\nPredictions for a protein structure, which stays on the computer that this page "
    "comes from."
)
DROP = f"PDB, mmCIF or BinaryCIF, also .gz; at most {MOST_BYTES // MB} MB"
NAME = "or its name in the PDB, AlphaFold DB or UniProt"
EXAMPLES = "1abc, 1abc_A, AF-P12345-F1, P12345"
FETCHED = "It is fetched from files.rcsb.org or alphafold.ebi.ac.uk once, and kept."
KEPT = "With --offline only what was fetched before can be taken."
SCOPES = [
    ("as the model was trained", ""),
    ("each chain alone", "chain"),
    ("all chosen chains together", "complex"),
]
HOUR = 3600
"""Seconds for which a structure is held in memory after it was last asked about."""


def window(shelf: Shelf, uploads: Uploads, offline: bool) -> gr.Blocks:
    """Return the page.

    Args:
        shelf: Models to choose from.
        uploads: The folder in which Gradio keeps what is sent to it.
        offline: Whether structures by name are only those that were fetched before.
    """
    with gr.Blocks(title=TITLE, analytics_enabled=False, delete_cache=(60, 60)) as page:
        held = gr.State(None, time_to_live=HOUR)
        gr.Markdown(INTRODUCTION)
        with gr.Row():
            file = gr.File(label=DROP, height=170)
            with gr.Column():
                name = gr.Textbox(
                    label=NAME,
                    placeholder=EXAMPLES,
                    info=KEPT if offline else FETCHED,
                    max_lines=1,
                )
                take = gr.Button("Take this one")
        told = gr.HTML()
        with gr.Row():
            with gr.Column():
                model = gr.Dropdown(list(shelf.names), value=shelf.names[0], label="Model")
                about = gr.HTML(desk.about(shelf, shelf.names[0]))
            with gr.Column():
                chains = gr.CheckboxGroup([], label="Chains", visible=False)
                scope = gr.Radio(SCOPES, value="", label="Chains are taken", visible=False)
        go = gr.Button("Predict", variant="primary", interactive=False)
        result = [gr.HTML(), gr.HTML(), gr.HTML(elem_id="frame")]

        seen = [held, told, chains, scope, go, *result]
        calls: dict[str, Any] = {"api_visibility": "private", "show_progress": "minimal"}

        def dropped(path: str) -> tuple[Any, ...]:
            return _seen(*desk.tried(lambda: desk.read_upload(path, uploads)))

        def typed(text: str) -> tuple[Any, ...]:
            return _seen(*desk.tried(lambda: fetched(text)))

        file.upload(dropped, file, seen, **calls).then(lambda: None, None, file, **calls)
        take.click(typed, name, seen, **calls)
        name.submit(typed, name, seen, **calls)
        model.change(lambda one: desk.about(shelf, one), model, about, **calls)
        asked = [held, model, chains, scope]
        go.click(lambda *values: desk.answered(shelf, *values), asked, result, **calls)
    return page


def _seen(found: Given | None, error: str) -> tuple[Any, ...]:
    """Return what the page shows of a structure, or why it has none; a former answer goes."""
    former = ("", "", "")
    if found is None:
        hidden = gr.update(visible=False)
        return None, error, hidden, hidden, gr.update(interactive=False), *former
    several = len(found.chains) > 1
    names = [(f"{name} ({residues:,})", name) for name, residues in found.chains]
    chains = gr.update(choices=names, value=list(found.chosen), visible=several)
    return (
        found, markup.sentences([found.told()]), chains, gr.update(visible=several),
        gr.update(interactive=True), *former,
    )  # fmt: skip
