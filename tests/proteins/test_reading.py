"""What a language model reads of a chain: a character a residue, and all that it depends on."""

from __future__ import annotations

import dataclasses

import numpy as np
import pytest

from tests import shelf
from zoo.errors import StructureError
from zoo.proteins.protein import Protein, from_sequence
from zoo.proteins.reading import codes, every_pair, paired, readings, unpaired
from zoo.proteins.threedi import structure_letters

for_every_protein = pytest.mark.parametrize("protein", shelf.SHELF.values(), ids=shelf.SHELF)


@pytest.mark.filterwarnings("ignore:the language model reads the structure beside")
@for_every_protein
def test_a_chain_has_one_character_a_residue_that_stands_for_both_letters(protein: Protein) -> None:
    sequences = [chain.sequence for chain in protein.chains]
    assert readings(protein, "sequence") == sequences
    found = readings(protein, "both")
    assert [len(text) for text in found] == [len(sequence) for sequence in sequences]
    pairs = zip(sequences, structure_letters(protein), strict=True)
    assert [unpaired(text) for text in found] == list(pairs)
    if "".join(found) != "".join(sequences):  # with a 3Di letter at least
        assert readings(protein, "structure") == found


def test_a_residue_without_structure_stays_its_letter_and_other_signs_do_too() -> None:
    assert paired(["MKV"], ["###"]) == ["MKV"]
    assert unpaired(paired(["M?k"], ["vvv"])[0]) == ("M?k", "v##")
    assert len(set("".join(every_pair()))) == 26 * 20


def test_letters_and_structure_letters_have_numbers_of_their_own() -> None:
    letters, states = codes(paired(["AZB"], ["ay#"])[0])
    assert letters.tolist() == [65, 90, 66] and states.tolist() == [0, 19, 20]


def test_two_structures_of_one_sequence_are_two_texts() -> None:
    one, other = (shelf.ordinary(30, seed) for seed in (1, 2))
    same = one.chains[0].sequence
    text = paired([same], structure_letters(one)), paired([same], structure_letters(other))
    assert text[0] != text[1]


def test_a_sequence_alone_is_read_with_a_warning_or_not_at_all() -> None:
    alone = from_sequence("alone", "MKV")
    with pytest.warns(UserWarning, match="in the place of each 3Di letter"):
        assert readings(alone, "both") == ["MKV"]
    with pytest.raises(StructureError, match="alone has no residue.*without ::3di"):
        readings(alone, "structure")


def test_a_structure_without_a_3di_letter_is_one_too_and_one_letter_is_enough() -> None:
    traced = shelf.SHELF["CA only"]
    unsure = dataclasses.replace(shelf.ordinary(12, seed=1), plddt=True)
    low = dataclasses.replace(unsure.chains[0], bfactor=np.full(12, 60.0, np.float32))
    unsure = dataclasses.replace(unsure, chains=(low,))
    for protein in (traced, unsure):
        with pytest.warns(UserWarning, match="in the place of each 3Di letter"):
            assert readings(protein, "both") == [chain.sequence for chain in protein.chains]
        with pytest.raises(StructureError, match="no residue with N, CA and C .*without ::3di"):
            readings(protein, "structure")
    low.bfactor[3] = 80.0
    text = readings(unsure, "both")[0]
    assert readings(unsure, "structure") == [text] and unpaired(text)[1].count("#") == 11
