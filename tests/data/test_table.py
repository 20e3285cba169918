"""A user's own table: what columns mean, labels of residues, and mistakes told by line."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.data.structures import write_pdb
from zoo.data.layouts.base import find_layout
from zoo.data.layouts.table import TableLayout
from zoo.data.samples import DroppedSample
from zoo.errors import DataError

SEQUENCE = "MKTAYIAKQRQIS"


def table(root: Path, labels: str, **files: str) -> TableLayout:
    """Write labels.csv and other files (`residues` is residues.csv, `targets` targets.yaml)."""
    names = {"residues": "residues.csv", "targets": "targets.yaml", "fasta": "sequences.fasta"}
    (root / "labels.csv").write_text(labels)
    for name, text in files.items():
        (root / names[name]).write_text(text)
    return TableLayout(root)


def one(root: Path, **files: str) -> TableLayout:
    """A structure with chains A and B, one row."""
    write_pdb(root / "pdbs" / "p.pdb.gz", {"A": SEQUENCE, "B": SEQUENCE[3:]})
    labels = files.pop("labels", "id,structure,chain,y\np,pdbs/p.pdb.gz,A,1.5\n")
    return table(root, labels, **files)


def test_columns_say_what_they_are(tmp_path):
    layout = table(
        tmp_path,
        "id,sequence,tm,soluble,family,ec,site\n"
        "a,MKTAYIAKQR,51.5,1,kinase,1.1.1.1;2.7.1.1,00110x0000\n"
        "b,MKTAYIAKQR,,0,lipase,2.7.1.1,\n"
        "c,MKTAYIAKQR,nan,,kinase,,1100000000\n",
    )
    found = {t.name: (t.kind, t.level, t.outputs, t.classes) for t in layout.targets}
    assert found == {
        "tm": ("regression", "protein", 1, ()),
        "soluble": ("binary", "protein", 1, ()),
        "family": ("multiclass", "protein", 2, ("kinase", "lipase")),
        "ec": ("multilabel", "protein", 2, ("1.1.1.1", "2.7.1.1")),
        "site": ("binary", "residue", 1, ()),
    }


def test_values_are_numbers_and_missing_ones_unknown(tmp_path):
    layout = table(
        tmp_path,
        "id,sequence,tm,family,ec\na,MKTA,51.5,lipase,y;x\nb,MKTA,,kinase,x\nc,MKTA,1,NA,\n",
    )
    samples = [layout.read(key).targets for key in layout.keys()]
    np.testing.assert_array_equal([s["tm"] for s in samples], np.float32([51.5, np.nan, 1]))
    np.testing.assert_array_equal([s["family"] for s in samples], np.float32([1, 0, np.nan]))
    np.testing.assert_array_equal(
        [s["ec"] for s in samples], np.float32([[1, 1], [1, 0], [np.nan, np.nan]])
    )


def test_options_override_what_is_inferred(tmp_path):
    layout = table(
        tmp_path,
        "id,sequence,grade,note\na,MKTA,2,long story\nb,MKTA,0,another\n",
        targets="grade: {kind: multiclass, classes: [0, 1, 2]}\nignore: [note]\n",
    )
    (target,) = layout.targets
    assert (target.kind, target.classes) == ("multiclass", ("0", "1", "2"))
    assert layout.read("a").targets["grade"] == 2


def test_one_letter_a_residue_may_be_classes(tmp_path):
    layout = table(
        tmp_path, "id,sequence,ss\na,MKTA,HHCx\n", targets="ss: {level: residue, kind: multiclass}"
    )
    np.testing.assert_array_equal(layout.read("a").targets["ss"], np.float32([1, 1, 0, np.nan]))


def test_split_group_and_weight_are_read(tmp_path):
    layout = table(
        tmp_path,
        "id,sequence,split,cluster,weight,y\na,MKTA,val,c1,0.5,1\nb,MKTA,Test (new),,,2\n",
    )
    first, second = (layout.read(key) for key in layout.keys())
    assert (first.split, first.group, first.weight) == ("validation", "c1", 0.5)
    assert (second.split, second.subset, second.weight) == ("test", "new", 1.0)


def test_structures_are_found_relative_to_the_table(tmp_path):
    sample = one(tmp_path).read("p")
    assert [chain.name for chain in sample.protein.chains] == ["A"]
    assert sample.protein.has_structure


def test_chains_may_be_several(tmp_path):
    layout = one(tmp_path, labels="id,structure,chains,y\np,pdbs/p.pdb.gz,B;A,1\n")
    assert [chain.name for chain in layout.read("p").protein.chains] == ["B", "A"]


def test_sequences_may_lie_in_a_fasta_file(tmp_path):
    layout = table(tmp_path, "id,y\na,1\nb,2\n", fasta=">a\nMKTA\n")
    assert layout.read("a").protein.chains[0].sequence == "MKTA"
    with pytest.raises(DroppedSample, match="b has neither a structure nor a sequence"):
        layout.read("b")


def test_rows_of_residues_find_their_places(tmp_path):
    rows = [f"p,A,{at + 1},{letter},{at}" for at, letter in enumerate(SEQUENCE) if at != 4]
    layout = one(tmp_path, residues="\n".join(["id,chain,number,residue,z", *rows]))
    sample = layout.read("p")
    expected = np.arange(len(SEQUENCE), dtype=np.float32)
    expected[4] = np.nan
    np.testing.assert_array_equal(sample.targets["z"], expected)
    assert sample.matches[0].unlabelled == 1


def test_rows_of_residues_may_cover_one_chain_of_two(tmp_path):
    rows = [f"p,B,{letter},1" for letter in SEQUENCE[3:]]
    layout = one(
        tmp_path,
        labels="id,structure,y\np,pdbs/p.pdb.gz,1\n",
        residues="\n".join(["id,chain,residue,z", *rows]),
    )
    values = layout.read("p").targets["z"]
    assert np.isnan(values[: len(SEQUENCE)]).all()
    assert (values[len(SEQUENCE) :] == 1).all()


def test_rows_for_a_chain_that_is_not_there_drop_the_sample(tmp_path):
    layout = one(tmp_path, residues="id,chain,residue,z\np,Q,M,1\n")
    with pytest.raises(DroppedSample, match="chain 'Q'.*chains are A"):
        layout.read("p")


@pytest.mark.parametrize("gaps", ["", "---"])
def test_a_string_of_labels_may_count_all_or_the_resolved_residues(tmp_path, gaps):
    found = SEQUENCE[:5] + "---" + SEQUENCE[8:]
    write_pdb(tmp_path / "p.pdb.gz", {"A": found}, seqres={"A": SEQUENCE})
    cell = "11111" + gaps.replace("-", "0") + "00000"
    values = table(tmp_path, f"id,structure,z\np,p.pdb.gz,{cell}\n").read("p").targets["z"]
    np.testing.assert_array_equal(values, np.float32([1] * 5 + [np.nan] * 3 + [0] * 5))


def test_a_string_of_another_length_drops_the_sample(tmp_path):
    layout = table(tmp_path, "id,sequence,z\na,MKTA,0000000000\n")
    with pytest.raises(DroppedSample, match="10 letters.*4 residues"):
        layout.read("a")


@pytest.mark.parametrize(
    "labels, message",
    [
        ("name,y\na,1\n", "labels.csv:1: there is no column 'id'; the columns are name, y"),
        ("id,y\na,1\na,2\n", "labels.csv:3: column 'id': 'a' is also in line 2"),
        ("id,y\n,1\n", "labels.csv:2: column 'id': is empty"),
        ("id,y\na,1,2\n", "labels.csv:2: 3 cells for 2 columns"),
        ("id,y,y\na,1,2\n", "labels.csv:1: a column occurs twice"),
        ("id,split,y\na,trian,1\n", "labels.csv:2: column 'split': 'trian' is none of train"),
        ("id,weight,y\na,-1,1\n", "labels.csv:2: column 'weight': '-1'"),
        ("id,y\na,\n", "labels.csv: column 'y' has no value"),
        ("id,structure\na,b\n", "labels.csv: has no target"),
        ("id,y\n", "labels.csv: holds no rows"),
    ],
)
def test_a_mistake_is_told_with_file_line_and_column(tmp_path, labels, message):
    with pytest.raises(DataError) as error:
        table(tmp_path, labels).keys()
    assert message in str(error.value)


@pytest.mark.parametrize(
    "options, message",
    [
        ("yy: {kind: binary}", "Unknown column 'yy'. Did you mean 'y'?"),
        ("y: {kind: binar}", "Did you mean 'binary'?"),
        ("y: {kinds: binary}", "Did you mean 'kind'?"),
        ("y: {kind: binary}", "labels.csv:2: column 'y': '7' is not 0 or 1"),
        ("y: {kind: multiclass, classes: [8]}", "labels.csv:2: column 'y': '7' is none of 8"),
        ("y: [", "cannot be read as YAML"), ("- y", "is expected"), ("ignore: [q]", "column 'q'"),
    ],
)  # fmt: skip
def test_a_mistake_in_the_options_is_told(tmp_path, options, message):
    with pytest.raises(DataError) as error:
        table(tmp_path, "id,sequence,y\na,MKTA,7\n", targets=options).keys()
    assert message in str(error.value)


def test_a_row_of_residues_for_no_sample_is_told(tmp_path):
    with pytest.raises(DataError, match=r"residues.csv:2: column 'id': 'q' is not in"):
        one(tmp_path, residues="id,residue,z\nq,M,1\n").keys()


def test_names_are_not_taken_for_classes(tmp_path):
    rows = "".join(f"p{at},MKTA,name{at}\n" for at in range(30))
    with pytest.raises(DataError, match="'compound' has a different text in each.*ignore"):
        table(tmp_path, f"id,sequence,compound\n{rows}").keys()


def test_a_missing_structure_drops_the_sample_only(tmp_path):
    layout = table(tmp_path, "id,structure,y\na,no.pdb,1\n")
    with pytest.raises(DroppedSample, match="does not exist"):
        layout.read("a")


def test_the_layout_is_found_by_its_file(tmp_path):
    one(tmp_path)
    assert isinstance(find_layout("table", tmp_path), TableLayout)


def test_inputs_are_the_files_that_are_there(tmp_path):
    layout = one(tmp_path, targets="ignore: []")
    assert {path.name for path in layout.inputs()} == {"labels.csv", "targets.yaml", "p.pdb.gz"}


LABELS = f"id,sequence,split,y,site\na,{SEQUENCE},train,1.5,0101010101010\nb,MKTA,test,,\n"
RESIDUES = "id,chain,number,residue,z\na,A,1,M,1\na,A,2,K,0\n"
TARGETS = "y: {kind: regression, level: protein}\nignore: []\n"


@settings(max_examples=120, deadline=None,
          suppress_health_check=[HealthCheck.function_scoped_fixture])  # fmt: skip
@given(st.integers(0, 2), st.integers(0, 150), st.integers(0, 9), st.binary(max_size=4))
def test_mutated_tables_give_samples_or_the_errors_that_are_told(tmp_path, which, at, cut, junk):
    texts = [LABELS.encode(), RESIDUES.encode(), TARGETS.encode()]
    texts[which] = texts[which][:at] + junk + texts[which][at + cut :]
    for name, text in zip(("labels.csv", "residues.csv", "targets.yaml"), texts, strict=True):
        (tmp_path / name).write_bytes(text)
    layout = TableLayout(tmp_path)
    try:
        keys = layout.keys()
    except DataError:
        return
    for key in keys:
        try:
            layout.read(key)
        except DroppedSample:
            pass


@pytest.mark.data
def test_a_real_table_of_enzymes_is_read(data_dir):
    layout = TableLayout(data_dir / "react")
    assert len(layout.keys()) == 1201
    kinds = {target.name: target.kind for target in layout.targets}
    assert (kinds["ec"], kinds["ca_only"]) == ("multilabel", "binary")
    sample = layout.read(layout.keys()[0])
    assert sample.split in ("train", "validation", "test") and sample.protein.has_structure


def numbers(*odd: str, count: int = 20) -> str:
    """Return a table of one column of numbers, with some other cells at its end."""
    cells = [f"{5 + at / 10}" for at in range(count - len(odd))] + list(odd)
    rows = [f'p{at},MKTA,"{cell}"' for at, cell in enumerate(cells)]
    return "\n".join(["id,sequence,pk", *rows]) + "\n"


@pytest.mark.parametrize(
    "odd", ["12,3", "n.d.", "#N/A", "5.1 nM", "5.1nM", "high", "1_000", "1e999"]
)
def test_one_cell_does_not_make_classes_of_numbers(tmp_path, odd):
    with pytest.raises(DataError) as caught:
        table(tmp_path, numbers(odd)).keys()
    message = str(caught.value)
    assert f"labels.csv:21: column 'pk': {odd!r} is not a number" in message
    assert "pk: {kind: multiclass}" in message


def test_a_column_of_decimal_commas_is_refused(tmp_path):
    with pytest.raises(DataError, match=r"labels\.csv:2: .*'6,1'.*decimal point it is 6\.1"):
        table(tmp_path, numbers(*(f"6,{at}" for at in range(1, 10)), count=9)).keys()


def test_bounds_are_bounds(tmp_path):
    layout = table(tmp_path, numbers(">6.1", "< 3", ">=7"))
    (target,) = layout.targets
    assert target.kind == "regression"
    found = [layout.read(f"p{at}") for at in (0, 17, 18, 19)]
    assert [sample.censored for sample in found] == [0, 1, -1, 1]
    assert [float(sample.targets["pk"]) for sample in found] == pytest.approx([5.0, 6.1, 3.0, 7.0])


def test_bounds_in_two_columns_are_refused(tmp_path):
    with pytest.raises(DataError, match=r"column 'z': '<2' is a bound, and column 'y' has bounds"):
        table(tmp_path, "id,sequence,y,z\na,MKTA,>1,3\nb,MKTA,2,<2\n").keys()


def test_classes_with_a_number_among_them_stay_classes(tmp_path):
    layout = table(tmp_path, "id,sequence,f\na,MKTA,alpha\nb,MKTA,beta\nc,MKTA,2\nd,MKTA,alpha\n")
    assert layout.targets[0].classes == ("2", "alpha", "beta")


def test_strings_as_long_as_their_sequences_label_residues(tmp_path):
    """Also where a short one could be read as a number."""
    rows = ["a,MKTAYIAK,01100100", "b,MKT,011", "c,MKTAYIAKQRQISFV,010101010101010"]
    layout = table(tmp_path, "\n".join(["id,sequence,site", *rows]) + "\n")
    (target,) = layout.targets
    assert (target.kind, target.level) == ("binary", "residue")
    np.testing.assert_array_equal(layout.read("b").targets["site"], np.float32([0, 1, 1]))


def test_numbers_as_long_as_a_sequence_stay_numbers(tmp_path):
    layout = table(tmp_path, "id,sequence,y\na,MKTA,51.5\nb,MKTA,48.2\nc,MKTA,1010\n")
    assert (layout.targets[0].kind, layout.targets[0].level) == ("regression", "protein")


def test_a_misspelt_column_is_not_learnt(tmp_path):
    text = "id,structre,y\na,p.pdb,1\n"
    with pytest.raises(DataError, match="'structre': did you mean 'structure'"):
        table(tmp_path, text).keys()


def test_the_targets_can_be_named_and_else_each_is_shown(tmp_path):
    text = "id,sequence,y,stage,source\na,MKTA,1.5,1,lab\nb,MKTA,2.5,3,web\nc,MKTA,0.1,2,lab\n"
    layout = table(tmp_path, text)
    shown = "\n".join(layout.remarks)
    assert "column 'y' is learnt as regression" in shown
    assert "stage: {kind: multiclass}" in shown and "ignore: [source]" in shown
    named = TableLayout(tmp_path)
    named.wanted = ("y",)
    assert [target.name for target in named.targets] == ["y"] and named.remarks == ()
    named = TableLayout(tmp_path)
    named.wanted = ("z",)
    with pytest.raises(DataError, match="column .--target. 'z'"):
        named.keys()


@pytest.mark.parametrize("mark", ["\t", ";", ","])
@pytest.mark.parametrize("name", ["labels.tsv", "mine.csv", "table.txt"])
def test_tables_of_other_names_and_separators_are_read(tmp_path, mark, name):
    rows = [["id", "sequence", "y"], ["a", "MKTA", "1.5"], ["b", "MKTA", "2.5"]]
    (tmp_path / name).write_text("\n".join(mark.join(row) for row in rows) + "\n")
    layout = find_layout("table", tmp_path if name == "labels.tsv" else tmp_path / name)
    assert [float(layout.read(key).targets["y"]) for key in layout.keys()] == [1.5, 2.5]
    assert tmp_path / name in layout.inputs()


def test_an_id_that_is_twice_in_the_fasta_file_is_refused(tmp_path):
    layout = table(tmp_path, "id,y\na,1\nb,2\n", fasta=">a\nMKTA\n>b\nMK\n>a\nWWWW\n")
    with pytest.raises(DataError, match="the id 'a' occurs 2 times"):
        layout.keys()
