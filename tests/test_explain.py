"""`zoo explain`: gates, attention and integrated gradients, residue by residue."""

from __future__ import annotations

import csv
import dataclasses
import gzip
import html
import json
import re
from pathlib import Path

import numpy as np
import pytest
import torch
from matplotlib.colors import to_rgb

from tests import shelf
from tests.verbs import call
from zoo.backbones import STRUCTURE_BACKBONES
from zoo.errors import ConfigError
from zoo.explanation import attribution, drawing
from zoo.explanation.attribution import attribute
from zoo.explanation.colours import EVEN, LEGEND, SEQUENCE, STRUCTURE, gate_colours
from zoo.explanation.exchanges import look, reduced
from zoo.explanation.residues import position_of
from zoo.fusion import FUSIONS
from zoo.models.checkpoint import save_model
from zoo.proteins.files.scores import write_scored
from zoo.proteins.structure import read_structure
from zoo.reporting.scales import of_column
from zoo.tasks import Target

EXAMPLE = "zoo/examples/1a8o.cif.gz"
TARGETS = {"ppbs": Target("binding_site", "binary", "residue"),
           "lba": Target("pk", "regression", "protein")}  # fmt: skip
WEIGHING = ("local", "global", "cross")
LONG = pytest.mark.filterwarnings("ignore:a chain of 70 residues is longer")


@pytest.fixture(scope="module")
def plm(tmp_path_factory: pytest.TempPathFactory) -> str:
    return shelf.save_plm("esm", tmp_path_factory.mktemp("plm"))


def trained(plm: str, fusion: str, task: str = "ppbs", write_back: str = "side") -> object:
    """Return a small model with a head and weights that weigh something."""
    side = write_back if fusion not in ("serial", "parallel", "none", "cross") else "deep"
    model = shelf.small_model(
        plm, fusion=fusion, task=task, write_back=side,
        values={"targets": [vars(TARGETS[task])], "sequence.weights": "pretrained"},
    )  # fmt: skip
    torch.manual_seed(1)
    with torch.no_grad():
        for name, weight in model.named_parameters():
            if not name.startswith("seq."):
                weight.add_(0.05 * torch.randn_like(weight))
    return model.eval()


@pytest.mark.parametrize("fusion", WEIGHING)
@pytest.mark.parametrize("write_back", ["side", "deep"])
def test_every_exchange_has_its_columns(plm: str, fusion: str, write_back: str) -> None:
    model = trained(plm, fusion, write_back=write_back)
    protein = shelf.unresolved()
    found = look(model, protein, model.batch([protein]))
    words = {"local": ["gate"]}.get(fusion, ["heard", "crossed"])
    assert list(found.columns) == [
        f"{word}_{k}_{j}" for k, j in model.fuse_after for word in words
    ]  # fmt: skip
    for name, values in found.columns.items():
        assert len(values) == len(protein)
        known = values[~np.isnan(values)]
        assert 0 < len(known) < len(protein)  # some residues are not resolved
        if not name.startswith("heard"):
            assert (known >= 0).all() and (known <= 1).all()
        else:
            assert known.mean() == pytest.approx(1.0, abs=1e-5)


def test_attention_is_reduced_to_what_is_heard_and_what_crosses() -> None:
    even = np.full((2, 6, 6), 1 / 6, np.float32)
    heard, crossed = reduced(even)
    assert np.allclose(heard, 1.0) and np.allclose(crossed, 0.5)
    own = np.zeros((1, 4, 4), np.float32)
    own[0, :2, 0] = own[0, 2:, 2] = 1.0  # everyone hears the first residue, in its own branch
    heard, crossed = reduced(own)
    assert np.allclose(heard, [2.0, 0.0]) and np.allclose(crossed, 0.0)


@pytest.mark.parametrize("fusion", [name for name in FUSIONS if name not in WEIGHING])
def test_a_fusion_that_weighs_nothing_says_so(plm: str, fusion: str) -> None:
    model = trained(plm, fusion)
    with pytest.raises(ConfigError, match="has no gates or attention"):
        look(model, shelf.ordinary(12), model.batch([shelf.ordinary(12)]))


@pytest.mark.parametrize("fusion", list(FUSIONS))
@pytest.mark.parametrize("task", list(TARGETS))
def test_shares_add_up_to_what_is_explained(plm: str, fusion: str, task: str) -> None:
    model, protein = trained(plm, fusion, task), shelf.ordinary(14)
    batch = model.batch([protein])
    found = attribute(model, protein, batch, steps=24)
    out = model(batch).detach()
    expected = out.mean() if task == "ppbs" else out[0, 0]
    assert found.output == pytest.approx(float(expected), abs=1e-5)
    whole = np.nansum(found.sequence) + np.nansum(found.structure)
    special = found.output - found.baseline - found.gap - whole
    assert abs(special) < 1e-4  # special tokens are the same at both ends
    assert abs(found.gap) < 0.05 * max(abs(found.output - found.baseline), 0.1)
    assert np.abs(found.structure).sum() > 0 and np.abs(found.sequence).sum() > 0


def test_one_residue_is_explained_by_those_around_it(plm: str) -> None:
    model, protein = trained(plm, "parallel"), shelf.two_chains()
    found = attribute(model, protein, model.batch([protein]), steps=8, residue=1)
    first = len(protein.chains[0].sequence)
    assert np.abs(found.sequence[:first]).sum() > 0
    assert np.allclose(found.sequence[first:], 0.0)  # the language model reads chains apart
    with pytest.raises(IndexError):
        attribute(model, protein, model.batch([protein]), steps=8, residue=10**6)


@pytest.mark.parametrize("struct", STRUCTURE_BACKBONES)
def test_every_graph_network_has_a_share(struct: str) -> None:
    model = shelf.small_model("none", struct, task="ppbs").eval()
    protein = shelf.ordinary(12)
    found = attribute(model, protein, model.batch([protein]), steps=8)
    assert np.abs(found.structure).sum() > 0


def test_a_branch_that_is_not_there_has_no_share(plm: str) -> None:
    alone = shelf.small_model("none", "gvp", task="ppbs").eval()
    protein = shelf.ordinary(12)
    found = attribute(alone, protein, alone.batch([protein]), steps=8)
    assert np.allclose(found.sequence, 0.0) and np.abs(found.structure).sum() > 0


@LONG
@pytest.mark.parametrize("fusion", WEIGHING)
def test_the_verb_writes_table_picture_and_structure(
    plm: str, fusion: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    save_model(trained(plm, fusion), tmp_path / "model")
    done = call(capsys, "explain", EXAMPLE, "--model", tmp_path / "model", "--out",
                tmp_path / "out", "--steps", 4, "--matrices", "--json")  # fmt: skip
    assert done.code == 0, done.err
    facts = json.loads(done.out)
    assert all(Path(path).is_file() for path in facts["written"])
    assert (tmp_path / "out" / "attention.npz").exists() == (fusion != "local")
    with (tmp_path / "out" / "residues.csv").open() as file:
        rows = list(csv.DictReader(file))
    assert len(rows) == 70 and {"by_sequence", "by_structure"} <= set(rows[0])
    page = (tmp_path / "out" / "index.html").read_text()
    shown = json.loads(re.search(r'id="proteins">(.*?)</script>', page).group(1))
    assert list(shown["scales"]) == ["binding_site", *list(rows[0])[4:]]
    (one,) = shown["proteins"]
    for column in list(rows[0])[4:]:
        assert one["values"][column] == [float(row[column]) for row in rows]
    assert (LEGEND in html.unescape(page)) == (fusion == "local")
    structure = tmp_path / "out" / "1a8o.cif"
    assert structure.read_bytes() == gzip.decompress(Path(EXAMPLE).read_bytes())
    beside = structure.with_suffix(".defattr").read_text()
    for column in list(rows[0])[4:]:
        assert f"attribute: zoo_{column}\n" in beside


@LONG
def test_a_column_is_written_as_b_factors_where_asked(
    plm: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    save_model(trained(plm, "none"), tmp_path / "model")
    done = call(capsys, "explain", EXAMPLE, "--model", tmp_path / "model", "--out",
                tmp_path / "out", "--steps", 4, "--colour", "by_structure")  # fmt: skip
    assert done.code == 0, done.err
    with (tmp_path / "out" / "residues.csv").open() as file:
        values = np.array([float(row["by_structure"]) for row in csv.DictReader(file)])
    coloured = read_structure(tmp_path / "out" / "1a8o_by_structure.cif").chains[0].bfactor
    assert (coloured.min(), coloured.max()) == (0, 100)
    assert np.all(np.diff(coloured[np.argsort(values)]) >= -0.011)  # two decimals


@LONG
@pytest.mark.parametrize(
    ("options", "said"),
    [
        (("--colour", "gate_9_9"), "Did you mean 'gate_"),
        (("--output", 3), "the head has outputs 0 to 0"),
        (("--residue", "A:500"), "it has A:151 to A:220"),
        (("--residue", "B:151"), "Unknown chain"),
    ],
)
def test_a_wrong_option_is_an_error(
    plm: str, options: tuple[object, ...], said: str, tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:  # fmt: skip
    save_model(trained(plm, "local"), tmp_path / "model")
    done = call(capsys, "explain", EXAMPLE, "--model", tmp_path / "model", "--out",
                tmp_path / "out", "--steps", 2, *options)  # fmt: skip
    assert done.code == 2 and said in done.err.replace("\n", " ")
    assert not (tmp_path / "out").exists()


@LONG
@pytest.mark.parametrize(
    "options", [("--colour", "nope"), ("--out", "file")], ids=["colour", "folder"]
)
def test_what_cannot_be_written_is_told_before_the_work(
    plm: str, options: tuple[str, str], tmp_path: Path, capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:  # fmt: skip
    monkeypatch.setattr(attribution, "refined", lambda *_, **__: pytest.fail("the work began"))
    save_model(trained(plm, "local"), tmp_path / "model")
    example = Path(EXAMPLE).absolute()
    monkeypatch.chdir(tmp_path)
    Path("file").write_text("mine")
    done = call(capsys, "explain", example, "--model", "model", "--out", "out", *options)
    assert done.code == 2 and ("by_structure" in done.err or "cannot be a folder" in done.err)


@pytest.mark.parametrize(
    ("options", "chains"),
    [([], "A"), (["--residue", "B:3"], "B"), (["--as", "complex"], "AB"), (["--chain", "B"], "B")],
)
def test_a_model_of_single_chains_is_explained_on_one(
    tmp_path: Path, capsys, plm: str, options: list[str], chains: str
) -> None:
    path, whole = tmp_path / "pair.cif", shelf.two_chains()
    write_scored(path, whole, np.zeros(len(whole)))
    model = trained(plm, "local")
    config = dataclasses.replace(model.recipe.config, scope="chain")
    model.recipe = dataclasses.replace(model.recipe, config=config)
    folder = save_model(model, tmp_path / "model")
    done = call(capsys, "explain", path, "--model", folder, "--out", tmp_path / "out",
                "--steps", 0, *options)  # fmt: skip
    assert done.code == 0, done.err
    rows = (tmp_path / "out" / "residues.csv").read_text().splitlines()[1:]
    assert "".join(sorted({row[0] for row in rows})) == chains
    assert ("explains chain" in done.err) == (not options or options[0] == "--residue")


def test_residues_are_found_by_the_numbers_of_the_file() -> None:
    protein = read_structure(EXAMPLE)
    numbers = protein.chains[0].numbers
    assert [position_of(protein, f"A:{number}") for number in numbers] == list(range(70))
    assert position_of(protein, numbers[7]) == 7
    two = shelf.two_chains()
    second, first = two.chains[1], len(two.chains[0])
    at = next(k for k, number in enumerate(second.numbers) if number)
    assert position_of(two, f"{second.name}:{second.numbers[at]}") == first + at
    shared = next(n for n in two.chains[0].numbers if n and n in second.numbers)
    with pytest.raises(ConfigError, match="name one"):
        position_of(two, shared)
    for wrong in ("", "A:", ":"):
        with pytest.raises(ConfigError):
            position_of(protein, wrong)


# ------------------------------------------------------------------------------ colours and units


def test_gates_have_one_legend_everywhere() -> None:
    assert gate_colours()(0.0)[:3] == pytest.approx(to_rgb(SEQUENCE), abs=0.01)
    assert gate_colours()(1.0)[:3] == pytest.approx(to_rgb(STRUCTURE), abs=0.01)
    assert of_column("gate_6_0", []).colours == (SEQUENCE, EVEN, STRUCTURE)
    others = [path for folder in ("zoo", "docs", "notebooks") for path in Path(folder).rglob("*")
              if path.suffix in (".py", ".ipynb") and "PuOr" in path.read_text()]  # fmt: skip
    assert not others


def test_strips_of_one_kind_share_a_scale() -> None:
    columns = [np.array([0.0, 0.1, np.nan]), np.array([-2.0, 0.0, 1.0])]
    assert drawing._scale("by", columns)[:2] == (-2.0, 2.0)
    assert drawing._scale("gate", [np.array([0.4])])[:2] == (0.0, 1.0)


def test_more_steps_are_taken_while_a_tenth_is_missing(plm: str, monkeypatch) -> None:
    taken = []

    def missing(*_: object, steps: int, **__: object) -> attribution.Attribution:
        taken.append(steps)
        none = np.zeros(1)
        return attribution.Attribution(none, none, 1.0, 0.0, 8.0 / steps, steps)

    monkeypatch.setattr(attribution, "attribute", missing)
    found = attribution.refined(None, None, None, steps=16)
    assert taken == [16, 32, 64, 128] and not found.misses
    taken.clear()
    assert attribution.refined(None, None, None, steps=16, most=64).misses
    assert taken == [16, 32, 64]


@pytest.mark.parametrize("task, what", [("lba", "pk (in the unit of its labels): "),
                                        ("ppbs", "binding_site (logit): ")])  # fmt: skip
@LONG
def test_the_output_is_told_with_its_unit(capsys, plm: str, tmp_path: Path, task, what) -> None:
    save_model(trained(plm, "local", task=task), tmp_path / "m")
    done = call(capsys, "explain", EXAMPLE, "--model", tmp_path / "m", "--out", tmp_path / "o",
                "--steps", 2)  # fmt: skip
    assert done.code == 0, done.err
    assert what in done.out and LEGEND in done.out


def test_a_branch_that_the_model_lacks_has_no_column(tmp_path, capsys):
    done = call(capsys, "explain", EXAMPLE, "--model", "mqa", "--out", tmp_path, "--steps", "1")
    assert done.code == 0 and "through the structure" in done.out, done.err
    assert "sequence" not in done.out
    header = (tmp_path / "residues.csv").read_text().splitlines()[0]
    assert header == "chain,position,number,letter,by_structure"
    page = (tmp_path / "index.html").read_text()
    assert "by_structure: what" in page and "by_sequence" not in page
    wrong = call(capsys, "explain", EXAMPLE, "--model", "mqa", "--out", tmp_path,
                 "--colour", "by_sequence")  # fmt: skip
    assert wrong.code == 2 and "Valid: by_structure" in wrong.err
