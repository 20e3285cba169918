"""`zoo ablate`: every fusion with every graph network on the same data."""

from __future__ import annotations

import dataclasses
import json
import shutil
from pathlib import Path

import pytest
import yaml
from filelock import FileLock

from tests import shelf
from tests.training import runs
from tests.verbs import call
from zoo.ablation.rows import FUSED, ROWS, SERIAL, SET_BY_CELLS, WIDE, Cell, cells
from zoo.backbones import STRUCTURE_BACKBONES
from zoo.errors import ConfigError
from zoo.fusion import FUSIONS
from zoo.metrics.multiple import holm
from zoo.models.blueprint import resolve
from zoo.models.checkpoint import load_model
from zoo.models.create import build_model
from zoo.models.summary import count
from zoo.settings.config import Config, StructureConfig
from zoo.training.record import NO_EFFECT, differing


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Prepared data, and a config that trains a small model on them in a second."""
    folder = tmp_path_factory.mktemp("ablate")
    runs.quick_data(folder / "data", runs.BINDING)
    plm = shelf.save_plm("esm", folder / "plm")
    values = {**runs.SMALL, **runs.SCHNET, "task": "ppbs", "sequence.name": str(plm),
              "train.epochs": 1}  # fmt: skip
    config = Config().with_values([f"{key}={value}" for key, value in values.items()])
    (folder / "base.yaml").write_text(yaml.safe_dump(config.to_dict()))
    return folder


def ablate(capsys: pytest.CaptureFixture[str], place: Path, out: Path, *more: object):  # type: ignore[no-untyped-def]
    return call(capsys, "ablate", place / "base.yaml", "--data", place / "data", "--out", out,
                "--seeds", 1, "--bootstrap", 20, "--store", place / "store", *more)  # fmt: skip


def test_the_table_has_every_fusion_and_every_graph_network() -> None:
    found = {(cell.row, cell.struct) for cell in cells(None, None)}
    expected = {(row, struct) for row in ROWS for struct in STRUCTURE_BACKBONES}
    alone = {(row, struct) for row, struct in expected if row == "sequence"}
    assert found == expected - alone | {("sequence", "none")}
    used = {keys["fusion.name"] for keys in ROWS.values()}
    assert used == set(FUSIONS)


@pytest.mark.parametrize("cell", cells(None, None), ids=lambda cell: cell.name)
def test_every_cell_is_a_model(cell: Cell, place: Path) -> None:
    base = Config.from_dict(yaml.safe_load((place / "base.yaml").read_text()))
    model = build_model(resolve(cell.config(base)))
    assert (model.seq is None) == (cell.row == "structure")
    assert (model.struct is None) == (cell.row == "sequence")
    assert (model.side is not None) == cell.row.endswith("side")
    assert model(model.batch([shelf.ordinary(15)])).isfinite().all()


def test_a_row_of_another_language_model(place: Path, tmp_path: Path) -> None:
    saprot = shelf.save_saprot(tmp_path / "my saprot")
    base = Config.from_dict(yaml.safe_load((place / "base.yaml").read_text()))
    (alone,) = cells([f"sequence:{saprot}"], ["gat", "gvp"])
    assert (alone.name, alone.struct) == ("sequence_my saprot", "none")
    found = alone.config(base)
    assert (found.sequence.name, found.structure.name) == (str(saprot), "none")
    assert Cell("sequence:prost_t5::3di", "none").name == "sequence_prost_t5__3di"
    for wrong in ("serial:plm_mini", "sequence:", "sequence:plm_minj"):
        with pytest.raises(ConfigError, match="Unknown"):
            cells([wrong], None)
    same = [f"sequence:{tmp_path / parent / 'plm'}" for parent in ("a", "b")]
    for row in same:
        shelf.save_plm("esm", Path(row.removeprefix("sequence:")))
    with pytest.raises(ConfigError, match="would both be kept in the folder sequence_plm of"):
        cells(same, None)
    assert len(cells([same[0], same[0]], None)) == 2


def test_the_table_of_all_rows_has_those_of_other_language_models(
    capsys: pytest.CaptureFixture[str], place: Path, tmp_path: Path
) -> None:
    out, row = tmp_path / "out", f"sequence:{shelf.save_saprot(tmp_path / 'my saprot')}"
    assert ablate(capsys, place, out, "--row", row).code == 0
    done = ablate(capsys, place, out, "--only-table", "--json")
    assert [one["row"] for one in json.loads(done.out)] == [row]


def test_a_language_model_that_is_not_here_is_told_before_the_first_cell_is_trained(
    capsys: pytest.CaptureFixture[str], place: Path, tmp_path: Path
) -> None:
    out = tmp_path / "out"
    done = ablate(capsys, place, out, "--row", "serial", "--struct", "gat", "--row",
                  "sequence:saprot_650m")  # fmt: skip
    assert done.code == 3 and "saprot_650m" in done.err and not list(out.glob("serial_gat"))


def test_a_cell_keeps_the_settings_of_what_it_does_not_change(place: Path) -> None:
    base = Config.from_dict(yaml.safe_load((place / "base.yaml").read_text()))
    same = Cell("local-side", "schnet").config(base)
    assert same.fusion.args == base.fusion.args and same.structure.args == base.structure.args
    other = Cell("global-side", "gat").config(base)
    assert other.structure.args == {} and other.train == base.train


@pytest.mark.parametrize("given", [
    {"fusion.name": "local", "fusion.args.width": 32, "fusion.args.gate_width": 8},
    {"fusion.name": "global", "fusion.args.num_heads": 2, "fusion.args.head_dim": 16},
])  # fmt: skip
def test_width_and_dropout_are_the_same_in_every_row(given: dict[str, object]) -> None:
    values = {"sequence.name": "plm_mini", **given, "fusion.args.dropout": 0.3,
              "structure.name": "egnn", "structure.args.dropout": 0.25}  # fmt: skip
    base = Config().with_values([f"{key}={value}" for key, value in values.items()])
    for cell in cells(None, ["egnn", "gat"]):
        found = resolve(cell.config(base))
        args = found.fusion.args
        widths = [args["width"]] if "width" in args else []
        widths += [args["num_heads"] * args["head_dim"]] if "num_heads" in args else []
        assert widths in ([], [32]) and args.get("dropout", 0.3) == 0.3, cell.name
        assert found.structure is None or found.structure.args["dropout"] == 0.25, cell.name
        assert found.config.head == base.head


@pytest.mark.parametrize("struct", ["schnet", "gat"])
def test_serial_fusion_also_has_the_parameters_of_the_largest_fusion(
    struct: str, place: Path
) -> None:
    base = Config.from_dict(yaml.safe_load((place / "base.yaml").read_text()))
    sizes = {
        row: count(build_model(resolve(Cell(row, struct).config(base))), trainable=True)
        for row in (SERIAL, WIDE, *FUSED)
    }
    largest = max(sizes[row] for row in FUSED)
    assert abs(sizes[WIDE] - largest) < 0.05 * (largest - sizes[SERIAL])


def test_a_cell_of_other_settings_is_not_put_beside_the_others(
    place: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    chosen = ("--row", "serial", "--struct", "schnet")
    assert ablate(capsys, place, tmp_path, *chosen).code == 0
    done = ablate(capsys, place, tmp_path, *chosen, "--set", "head.args.hidden=9")
    assert done.code == 2 and "head.args.hidden: 8 then, 9 now" in done.err


def test_cells_are_scored_once_and_compared_with_serial(
    place: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    chosen = ("--row", "serial", "--row", "local-side", "--row", "sequence", "--struct", "schnet")
    first = ablate(capsys, place, tmp_path, *chosen, "--json")
    assert first.code == 0, first.err
    rows = {(row["row"], row["struct"]): row for row in json.loads(first.out)}
    assert set(rows) == {("serial", "schnet"), ("local-side", "schnet"), ("sequence", "none")}
    assert rows["serial", "schnet"]["to serial"] is None
    local, serial = rows["local-side", "schnet"], rows["serial", "schnet"]
    gain = local["score"]["value"] - serial["score"]["value"]
    assert local["to serial"]["value"] == pytest.approx(gain)
    metrics = json.loads((tmp_path / "table" / "local-side_schnet.json").read_text())
    assert metrics == json.loads((tmp_path / "local-side_schnet" / "metrics.json").read_text())
    again = ablate(capsys, place, tmp_path, *chosen, "--json")
    assert again.out == first.out and "epoch" not in again.err
    shown = ablate(capsys, place, tmp_path, *chosen, "--only-table")
    assert "local-side" in shown.out and "baseline" in shown.out
    parameters = count(load_model(tmp_path / "serial_schnet"), trainable=True)
    assert rows["serial", "schnet"]["parameters"] == parameters
    told = (tmp_path / "table" / "table.md").read_text()
    assert f"{local['score']['value']:.3f} (" in told and "| sequence |" in told
    assert f"| {parameters:,} |" in told
    shutil.rmtree(tmp_path / "serial_schnet")
    alone = ablate(capsys, place, tmp_path, *chosen[2:], "--only-table")
    assert "to serial" in shown.out and "to serial" not in alone.out


def test_a_tables_differences_are_corrected_together(
    place: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    chosen = ("--row", "serial", "--row", "cross", "--row", "local-side", "--struct", "schnet")
    done = ablate(capsys, place, tmp_path, *chosen, "--json")
    assert done.code == 0, done.err
    rows = json.loads(done.out)
    for column in ("to serial", "baseline"):
        moved = [row[column] for row in rows if row[column]]
        assert len(moved) == {"to serial": 2, "baseline": 3}[column]
        assert [one["p_holm"] for one in moved] == holm([one["p"] for one in moved])
    shown = ablate(capsys, place, tmp_path, *chosen, "--only-table")
    assert "to serial: p by Holm's correction for 2 differences, 20 resamples" in shown.out
    assert "2 differences, 20 resamples" in (tmp_path / "table" / "table.md").read_text()


def test_a_cell_that_was_stopped_goes_on(
    place: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:  # fmt: skip
    chosen = ("--row", "serial", "--struct", "schnet")
    with monkeypatch.context() as broken:
        broken.setattr("zoo.ablation.running._score", lambda *_: (_ for _ in ()).throw(
            KeyboardInterrupt))  # fmt: skip
        assert ablate(capsys, place, tmp_path, *chosen).code == 130
    weights = (tmp_path / "serial_schnet" / "model.safetensors").stat().st_mtime_ns
    assert ablate(capsys, place, tmp_path, *chosen).code == 0
    assert (tmp_path / "serial_schnet" / "model.safetensors").stat().st_mtime_ns == weights


def test_a_cell_of_another_process_is_left_to_it(
    place: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    with FileLock(tmp_path / "serial_schnet.lock"):
        done = ablate(capsys, place, tmp_path, "--row", "serial", "--struct", "schnet")
    assert done.code == 2 and "serial_schnet: another process is working on it" in done.err
    assert not (tmp_path / "serial_schnet").exists()


def test_sizes_go_to_their_own_graph_network(place: Path) -> None:
    base = Config.from_dict(yaml.safe_load((place / "base.yaml").read_text()))
    sizes = ["gat.hidden=8", "egnn.hidden=16"]
    assert Cell("serial", "gat").config(base, sizes).structure.args == {"hidden": 8}
    assert Cell("serial", "schnet").config(base, sizes).structure == base.structure


@pytest.mark.parametrize(
    "wrong", [("--row", "serail"), ("--struct", "gpv"), ("--size", "gat.hiden=8")]
)
def test_a_wrong_name_is_an_error_with_the_nearest(
    wrong: tuple[str, str], place: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    done = ablate(capsys, place, tmp_path, *wrong)
    assert done.code == 2 and "Did you mean" in done.err


VALUES = ("gat", "local", "side", "null")


@pytest.mark.parametrize("key, value", [*zip(SET_BY_CELLS, VALUES, strict=True)])
def test_a_shared_value_that_cells_would_override_is_refused(
    key: str, value: str, place: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    done = ablate(capsys, place, tmp_path / "out", "--set", f"{key}={value}")
    assert done.code == 2 and f"--set {key} would have no effect" in done.err
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize("cell", cells(None, ["schnet"]), ids=lambda cell: cell.name)
def test_what_cells_override_is_what_is_refused(cell: Cell) -> None:
    other = Config().with_values(["structure.name=egnn", "fusion.after=[[1, 1]]"])
    before, after = Config().to_dict(), cell.config(other).to_dict()
    changed = {f"{part}.{key}" for part in ("structure", "fusion") for key in before[part]
               if cell.config(Config()).to_dict()[part][key] != before[part][key]
               or after[part][key] != other.to_dict()[part][key]}  # fmt: skip
    widened = {"fusion.args"} if cell.row == WIDE else set()
    assert changed <= {*SET_BY_CELLS, *widened}


def test_what_training_takes_from_the_data_is_no_other_setting() -> None:
    base = Config().with_values(["graph.k=30", "train.workers=3"])
    pocket = dataclasses.replace(base.graph, pocket=6.0)
    began = dataclasses.replace(base, graph=pocket, structure=StructureConfig("gvp"))
    given = Config().with_values(["graph.k=null", "train.workers=0"])
    assert differing(began, given, NO_EFFECT) == []
    (one,) = differing(began, given.with_values(["train.lr.fusion=0.5"]), NO_EFFECT)
    assert one.startswith("train.lr.fusion: ") and one.endswith("0.5 now")
