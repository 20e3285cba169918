"""Labels find their residues by order and sequence; numbers only break ties."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from zoo.data.reading.alignment import DIFFERENT, EQUAL, EXTEND, OPEN, align
from zoo.data.reading.matching import Labels, match, place
from zoo.data.samples import DroppedSample
from zoo.proteins.protein import Chain, from_sequence

SEQUENCE = "MKTAYIAKQRQISFVKSHFSRQ"


def chain(sequence: str, unresolved: tuple[int, ...] = (), numbers: tuple[str, ...] = ()) -> Chain:
    coords = np.zeros((len(sequence), 4, 3), np.float32)
    coords[list(unresolved)] = np.nan
    names = numbers or tuple(str(at + 1) for at in range(len(sequence)))
    return Chain("A", "A", sequence, coords, coords[:, 0, 0], names)


def labels(letters: str, numbers: tuple[str, ...] = ()) -> Labels:
    return Labels(letters, np.arange(len(letters), dtype=np.float32), numbers)


def test_labels_of_the_whole_sequence_lie_one_to_one():
    found = match(labels(SEQUENCE), chain(SEQUENCE))
    assert found.values.tolist() == list(range(len(SEQUENCE)))
    assert found.report.matched == found.report.labelled == len(SEQUENCE)


def test_labels_of_the_resolved_residues_skip_the_rest():
    found = match(labels(SEQUENCE[3:]), chain(SEQUENCE, unresolved=(0, 1, 2)))
    assert np.isnan(found.values[:3]).all()
    assert found.values[3:].tolist() == list(range(len(SEQUENCE) - 3))


def test_a_label_without_coordinates_is_missing_and_not_scored():
    found = match(labels(SEQUENCE), chain(SEQUENCE, unresolved=(4, 5)))
    assert (found.report.missing, found.report.matched) == (2, len(SEQUENCE) - 2)
    assert np.isnan(found.values[[4, 5]]).all()


def test_a_label_that_is_nowhere_in_the_sequence_is_missing():
    found = match(labels("GGGG" + SEQUENCE), chain(SEQUENCE))
    assert found.places[:4].tolist() == [-1] * 4
    assert found.report.missing == 4


def test_a_residue_without_label_is_unknown_and_not_negative():
    found = match(labels(SEQUENCE[:8] + SEQUENCE[11:]), chain(SEQUENCE))
    assert found.report.unlabelled == 3
    assert np.isnan(found.values[8:11]).all()


def test_a_row_of_unknown_value_is_no_label():
    unknown = labels(SEQUENCE)
    unknown.values[:2] = np.nan
    report = match(unknown, chain(SEQUENCE)).report
    assert (report.labelled, report.unlabelled, report.missing) == (len(SEQUENCE) - 2, 2, 0)


def test_a_mutation_keeps_its_label_and_is_counted():
    mutated = "W".join([SEQUENCE[:9], SEQUENCE[10:]])
    found = match(labels(mutated), chain(SEQUENCE))
    assert found.report.mutated == 1
    assert found.values[9] == 9


def test_labels_of_another_protein_are_dropped_naming_chain_and_identity():
    with pytest.raises(DroppedSample, match=r"chain A.*%"):
        match(labels("GPDWEEGNCDLHHWWPGGDD"), chain(SEQUENCE))


def test_numbers_tell_which_of_equal_letters_has_no_label():
    sequence = "MKTAAAYIR"
    numbers = ("1", "2", "3", "4", "6", "7", "8", "9")  # the second of three A is without label
    places = place(labels("MKTAAYIR", numbers), chain(sequence))
    assert places.tolist() == [0, 1, 2, 3, 5, 6, 7, 8]


def test_repeated_numbers_do_not_mix_labels_up():
    """Insertion codes are dropped in label files: 94 and 94A are both 94 there."""
    numbers = ("92", "93", "94", "94A", "95", "96", "97", "98", "99")
    given = tuple(number.rstrip("A") for number in numbers)
    found = match(labels("MKTAYIRWG", given), chain("MKTAYIRWG", numbers=numbers))
    assert found.values.tolist() == list(range(9))


def test_shifted_numbers_do_not_shift_labels():
    numbers = tuple(str(at - 5) for at in range(len(SEQUENCE)))
    assert place(labels(SEQUENCE[2:], numbers[:-2]), chain(SEQUENCE))[0] == 2


def test_a_sequence_without_structure_keeps_all_labels():
    found = match(labels(SEQUENCE), from_sequence("p", SEQUENCE).chains[0])
    assert found.report.matched == len(SEQUENCE)


def best_score(query: str, target: str) -> float:
    """Gotoh's recursion cell by cell."""
    rows, columns = len(query), len(target)
    best = np.full((rows + 1, columns + 1, 3), -np.inf)
    best[0, 0, 0] = 0.0
    for row in range(rows + 1):
        for column in range(columns + 1):
            across = np.array([OPEN, 0, OPEN]) * (row not in (0, rows))
            down = np.array([OPEN, OPEN, 0]) * (column not in (0, columns))
            if row and column:
                same = EQUAL if query[row - 1] == target[column - 1] else DIFFERENT
                best[row, column, 0] = best[row - 1, column - 1].max() + same
            if column:
                best[row, column, 1] = (best[row, column - 1] - across).max() - EXTEND
            if row:
                best[row, column, 2] = (best[row - 1, column] - down).max() - EXTEND
    return float(best[rows, columns].max())


def score_of(places: np.ndarray, query: str, target: str) -> float:
    rows, columns = len(query), len(target)
    total, row, column = 0.0, 0, 0
    for at, to in [*((a, b) for a, b in enumerate(places) if b >= 0), (rows, columns)]:
        left, over = at - row, to - column
        total -= EXTEND * (left + over)
        inner_row, inner_column = row not in (0, rows), column not in (0, columns)
        over_first = (over > 0) * inner_row + (left > 0) * (to not in (0, columns))
        left_first = (left > 0) * inner_column + (over > 0) * (at not in (0, rows))
        total -= OPEN * min(over_first, left_first)
        if at < rows:
            total += EQUAL if query[at] == target[to] else DIFFERENT
        row, column = at + 1, to + 1
    return total


@settings(max_examples=150, deadline=None)
@given(st.text("ACD", min_size=1, max_size=9), st.text("ACD", min_size=1, max_size=9))
def test_an_alignment_is_in_order_and_scores_best(query, target):
    places = align(query, target)
    kept = places[places >= 0]
    assert (np.diff(kept) > 0).all()
    assert score_of(places, query, target) == pytest.approx(best_score(query, target))


@settings(max_examples=50, deadline=None)
@given(st.text("ACDEFGHIKLX", max_size=12), st.text("ACDEFGHIKLX", min_size=1, max_size=12))
def test_no_pair_of_sequences_fails(letters, sequence):
    try:
        found = match(labels(letters), chain(sequence))
    except DroppedSample:
        return
    assert found.report.matched + found.report.missing == len(letters)
    assert np.isfinite(found.values).sum() == found.report.matched


NUMBERS = tuple(str(at + 5) for at in range(len(SEQUENCE)))


@given(st.permutations(range(len(SEQUENCE))), st.integers(1, len(SEQUENCE)))
def test_labels_with_the_chains_numbers_find_their_residues_in_any_order(order, count):
    rows = order[:count]
    given_ = Labels("".join(SEQUENCE[at] for at in rows), np.array(rows, np.float32),
                    tuple(NUMBERS[at] for at in rows))  # fmt: skip
    found = match(given_, chain(SEQUENCE, numbers=NUMBERS))
    assert found.places.tolist() == list(rows) and found.report.matched == count
    assert found.values[list(rows)].tolist() == list(rows)


def test_insertion_codes_are_part_of_a_number():
    numbers = ("92", "93", "94", "94A", "94B", "95")
    found = match(labels("ITKK", ("94A", "93", "94B", "92")), chain("KTAIKM", numbers=numbers))
    assert found.places.tolist()[0] == 3 and found.places.tolist()[2] == 4


def test_rows_sorted_as_text_are_matched_by_number_where_the_chain_has_others():
    order = sorted(range(len(SEQUENCE)), key=lambda at: str(at + 1))
    shuffled = Labels("".join(SEQUENCE[at] for at in order), np.array(order, np.float32),
                      tuple(str(at + 1) for at in order))  # fmt: skip
    other = tuple(str(at + 301) for at in range(len(SEQUENCE)))
    found = match(shuffled, chain(SEQUENCE, numbers=other))
    assert found.values.tolist() == list(range(len(SEQUENCE)))


def test_a_number_that_the_chain_lacks_is_noted():
    found = match(labels(SEQUENCE + "GW", (*NUMBERS, "900", "901")),
                  chain(SEQUENCE, numbers=NUMBERS))  # fmt: skip
    assert found.report.missing == 2
    assert found.report.notes == ("2 labels name no residue of the chain: G900, W901",)


def test_few_aligned_labels_of_many_are_another_proteins():
    letters = SEQUENCE[:6] + "GPDWEEGNCDLHHWWPGG"
    with pytest.raises(DroppedSample, match=r"chain A"):
        match(labels(letters), chain(SEQUENCE))


def test_a_few_letters_with_wrong_numbers_are_placed_nowhere():
    wrong = tuple(str(number) for number in range(901, 931))
    with pytest.raises(DroppedSample, match="4 letters are too few to find their places"):
        match(labels(SEQUENCE[::6], wrong[:4]), chain(SEQUENCE))
    long = SEQUENCE + "".join(reversed(SEQUENCE)) * 2
    piece = match(labels(SEQUENCE[5:17], wrong[:12]), chain(long))  # twelve in a row are certain
    assert piece.values[5:17].tolist() == list(range(12)) and np.isnan(piece.values[17:]).all()
    assert "so the letters were aligned" in piece.report.notes[0]


def test_labels_of_another_protein_are_told_as_such_though_their_numbers_exist():
    other = "GWPNHEYMRSCGWPNHEYMRSCGWPNHE"[: len(SEQUENCE)]
    count = len(other)
    with pytest.raises(DroppedSample) as told:
        match(labels(other, NUMBERS[:count]), chain(SEQUENCE, numbers=NUMBERS))
    same = sum(map(str.__eq__, other, SEQUENCE))
    assert "the labels are for another sequence" in str(told.value)
    assert f"; only {same} of {count} labels have the letter that is there" in str(told.value)
    assert "too few" not in str(told.value)


def test_one_label_without_a_residue_is_told_in_the_singular():
    found = match(labels(SEQUENCE + "G", (*NUMBERS, "900")), chain(SEQUENCE, numbers=NUMBERS))
    assert found.report.notes == ("1 label names no residue of the chain: G900",)
