"""A report shows any study, finished or not, and nothing in it can run."""

from __future__ import annotations

import dataclasses
import json
from pathlib import Path
from typing import Any

import pytest
import yaml
from matplotlib.text import Text
from optuna.distributions import IntDistribution
from optuna.study import Study
from optuna.trial import TrialState, create_trial

from hpo import figures, report
from hpo.queue import DEFAULT, LOST, PLACE, REASON
from hpo.search import Search
from hpo.space import load_space
from hpo.study import OUT, open_storage, open_study
from tests.hpo import tiny
from zoo.settings.config import load_config


def study_of(tmp_path: Path, plm: str, **given: Any) -> tuple[Search, Study]:
    search = tiny.search(tmp_path, plm, "fusion", **given)
    return search, open_study(search, open_storage(search.storage))


def add(search: Search, study: Study, count: int, **facts: Any) -> None:
    """Add trials as workers leave them, with made-up scores."""
    import optuna

    from hpo.checking import depths, relevant

    base = search.base()
    space = relevant(load_space("fusion"), base)
    random = optuna.create_study(sampler=optuna.samplers.RandomSampler(seed=1))
    for place in range(count):
        trial = random.ask()
        data = space.draw(trial, base.to_dict(), depths)
        values = [0.1 + 0.01 * place, 5.0, 100.0 + place][: len(search.objectives)]
        study.add_trial(create_trial(
            values=values, params=trial.params, distributions=trial.distributions,
            user_attrs={PLACE: place, "after": data["fusion"]["after"], "epochs": 2, "seconds": 1.5,
                        **({DEFAULT: True} if not place else {}), **facts},
        ))  # fmt: skip


def page_of(study: Study, folder: Path) -> str:
    return report.write_report(study, folder).read_text()


def test_a_study_without_trials_has_a_page(tmp_path: Path, plm_folders: dict[str, str]) -> None:
    _, study = study_of(tmp_path, plm_folders["esm"])
    page = page_of(study, tmp_path / "page")
    assert "0 of 0" in page and "<img" not in page
    assert not (tmp_path / "page" / "best.yaml").exists()


@pytest.mark.parametrize("count", [1, 2, 12])
def test_a_study_has_its_pictures_and_its_best_config(
    tmp_path: Path, plm_folders: dict[str, str], count: int
) -> None:
    search, study = study_of(tmp_path, plm_folders["esm"])
    add(search, study, count)
    page = page_of(study, tmp_path / "page")
    assert "Which layers help" in page and "History" in page
    assert ("What the score depends on" in page) == (count == 12)
    best = load_config(tmp_path / "page" / "best.yaml")
    assert [list(pair) for pair in study.best_trial.user_attrs["after"]] == best.fusion.after
    assert "Not trained again yet" in (tmp_path / "page" / "best.yaml").read_text()


def test_what_is_counted_has_whole_ticks_and_no_panel_is_empty(
    tmp_path: Path, plm_folders: dict[str, str]
) -> None:
    search, study = study_of(tmp_path, plm_folders["esm"])
    add(search, study, 12)
    drawn = {"history": figures.history(study), "parallel": figures.parallel(study),
             "importance": figures.importances(study), **figures.slices(study),
             **figures.layers(study)}  # fmt: skip
    counts = {"history", *figures.layers(study)}
    distributions = {key.replace(".", "_"): one for trial in study.trials
                     for key, one in trial.distributions.items()}  # fmt: skip
    whole = {key for key, one in distributions.items() if isinstance(one, IntDistribution)}
    assert {"exchanges", "global_num_heads", "local_gate_width"} <= whole
    for name, figure in drawn.items():
        assert figure is not None and figure.get_figwidth() * 96 <= 500 - 2 * 19  # a narrow page
        (axes,) = figure.axes
        assert any((axes.collections, axes.lines, axes.patches)), name
        if name in counts | whole:
            ticks = axes.get_xticks()
            assert len(ticks) and all(tick == int(tick) for tick in ticks), name
        sizes = [text.get_fontsize() for text in figure.findobj(Text) if text.get_text()]
        assert min(sizes) >= 8, name


def test_values_that_one_trial_has_are_not_drawn(
    tmp_path: Path, plm_folders: dict[str, str]
) -> None:
    search, study = study_of(tmp_path, plm_folders["esm"])
    add(search, study, 1)
    assert not figures.slices(study) and figures.parallel(study) is None
    add(search, study, 12)
    count = {name.replace(".", "_"): sum(name in trial.params for trial in study.trials)
             for trial in study.trials for name in trial.params}  # fmt: skip
    assert set(figures.slices(study)) == {name for name, n in count.items() if n > 1}


def test_the_best_trial_is_the_line_through_its_own_values(
    tmp_path: Path, plm_folders: dict[str, str]
) -> None:
    search, study = study_of(tmp_path, plm_folders["esm"])
    add(search, study, 12)
    figure = figures.parallel(study)
    assert figure is not None
    (axes,) = figure.axes
    (best,) = (line for line in axes.lines if line.get_color() == figures.ORANGE)
    names = [text.get_text() for text in axes.get_yticklabels()]
    depth = study.best_trial.params["exchange1.seq"]
    assert best.get_xdata()[names.index("exchange1.seq")] == pytest.approx(depth)
    assert best.get_xdata()[names.index("score")] == 1.0


def test_contours_need_an_area(tmp_path: Path, plm_folders: dict[str, str]) -> None:
    import optuna

    study = optuna.create_study(direction="maximize")
    ways = {"a": IntDistribution(1, 64, log=True), "b": IntDistribution(1, 8)}
    for at in range(1, 6):
        study.add_trial(create_trial(value=at, params={"a": 2**at, "b": at}, distributions=ways))
    assert figures.contour(study, "a", "b") is None  # all on one line
    study.add_trial(create_trial(value=9, params={"a": 64, "b": 1}, distributions=ways))
    figure = figures.contour(study, "a", "b")
    assert figure is not None
    assert all(tick == int(tick) for tick in (*figure.axes[0].get_xticks(),
                                              *figure.axes[0].get_yticks()))  # fmt: skip


def test_failed_pruned_and_lost_trials_are_told(
    tmp_path: Path, plm_folders: dict[str, str]
) -> None:
    search, study = study_of(tmp_path, plm_folders["esm"])
    add(search, study, 2)
    for place, (state, facts) in enumerate([
        (TrialState.FAIL, {REASON: "RuntimeError: <script>alert(1)</script>"}),
        (TrialState.PRUNED, {REASON: "pruned"}), (TrialState.FAIL, {LOST: "its worker died"}),
    ], start=2):  # fmt: skip
        study.add_trial(create_trial(state=state, user_attrs={PLACE: place, **facts}))
    page = page_of(study, tmp_path / "page")
    assert "&lt;script&gt;alert(1)" in page and "<script" not in page
    for text in ("<b>1</b>failed", "<b>1</b>pruned", "<b>1</b>taken up again"):
        assert text in page


def test_several_objectives_have_their_front(tmp_path: Path, plm_folders: dict[str, str]) -> None:
    search, study = study_of(tmp_path, plm_folders["esm"],
                             objectives=("score", "latency", "parameters"))  # fmt: skip
    add(search, study, 6)
    page = page_of(study, tmp_path / "page")
    assert "Pareto front" in page and "History" not in page
    assert {"pareto_latency.png", "pareto_parameters.png"} <= {
        path.name for path in (tmp_path / "page").iterdir()
    }


def test_what_was_trained_again_is_shown_with_its_interval(
    tmp_path: Path, plm_folders: dict[str, str]
) -> None:
    search, study = study_of(tmp_path, plm_folders["esm"])
    add(search, study, 3)
    out = tmp_path / "out"
    out.mkdir(exist_ok=True)
    study.set_user_attr(OUT, str(out))
    rows = [{"trial": 2, "default": False, "search_score": 0.12, "scores": [0.2, 0.3],
             "mean": 0.25, "half_width": 0.0123, "folder": str(out / "a")},
            {"trial": 0, "default": True, "search_score": None, "scores": [0.1], "mean": 0.1,
             "half_width": None, "folder": str(out / "b")}]  # fmt: skip
    (out / "retrained.json").write_text(json.dumps(rows))
    (out / "best.yaml").write_text(yaml.safe_dump({"task": "ppbs"}))
    page = page_of(study, tmp_path / "page")
    assert "0.2500 &plusmn; 0.0123" in page and "0 (the config itself)" in page
    assert "python -m zoo.evaluate" in page
    assert (tmp_path / "page" / "best.yaml").read_text() == "task: ppbs\n"


def test_fanova_looks_at_some_of_many_trials(
    tmp_path: Path, plm_folders: dict[str, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    search, study = study_of(tmp_path, plm_folders["esm"])
    add(search, study, 12)
    assert figures.few(study) is study
    monkeypatch.setattr(figures, "MOST", 7)
    some = figures.few(study)
    known = {trial.user_attrs[PLACE]: trial.params for trial in study.trials}
    places = [trial.user_attrs[PLACE] for trial in some.trials]
    assert len(set(places)) == 7 and some.directions == study.directions
    assert all(known[trial.user_attrs[PLACE]] == trial.params for trial in some.trials)


def test_the_command_writes_the_page_and_lists_trials(
    tmp_path: Path, plm_folders: dict[str, str], capsys: pytest.CaptureFixture[str]
) -> None:
    search, study = study_of(tmp_path, plm_folders["esm"])
    add(dataclasses.replace(search), study, 2)
    report.report(search.storage, tmp_path / "page", None, True)
    rows = json.loads(capsys.readouterr().out)
    assert [row["trial"] for row in rows] == [0, 1]
    assert all(row["state"] == "complete" and row["params"] for row in rows)
