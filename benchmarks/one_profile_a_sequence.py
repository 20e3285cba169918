"""Copy a file of profiles, with one chain for each sequence, so that `--seq states:FILE` takes it.

    python benchmarks/one_profile_a_sequence.py ppbs_profiles/profiles.h5 profiles.h5 \\
        --leave-out ppbs/labels_ubtest_31.txt
    python -m zoo.train ppbs_none_gat_none --data PPBS --set fusion.name=serial \\
        --set "sequence.name=states:profiles.h5::pssm,hmm,dssp"

States are found by a chain's sequence. GraphPPIS has eight sequences twice, once bound and once
unbound, with profiles of their own. Of these the chain stays that the list does not name.
"""

from __future__ import annotations

import argparse
from collections import defaultdict
from pathlib import Path

import h5py


def kept(sequences: dict[str, str], listed: set[str]) -> dict[str, list[str]]:
    """Return the chain that stays for each sequence, with those that are left out for it.

    Args:
        sequences: Sequence of each chain.
        listed: Chains that give way to another one of their sequence.

    Raises:
        SystemExit: If a sequence has several chains that are not listed, or only listed ones.
    """
    chains = defaultdict(list)
    for chain, sequence in sequences.items():
        chains[sequence].append(chain)
    found = {}
    for twins in chains.values():
        stay = [chain for chain in twins if chain not in listed] if len(twins) > 1 else twins
        if len(stay) != 1:
            raise SystemExit(f"Say which of {', '.join(twins)} stays: they have one sequence.")
        found[stay[0]] = [chain for chain in twins if chain != stay[0]]
    return found


def named(labels: Path) -> set[str]:
    """Return the chains of a file of labels in ScanNet's form, such as 1lniA of ">1lni_0-A"."""
    entries = [line[1:].strip() for line in labels.read_text().splitlines() if line[:1] == ">"]
    return {entry[:4] + entry[-1] for entry in entries}


def main() -> None:
    """Write the copy, and say what is in it."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("profiles", type=Path)
    parser.add_argument("out", type=Path)
    parser.add_argument("--leave-out", type=Path, required=True, help="labels of these chains")
    given = parser.parse_args()
    with h5py.File(given.profiles) as source, h5py.File(given.out, "w") as copy:
        found = kept(
            {name: str(group.attrs["sequence"]) for name, group in source.items()},
            named(given.leave_out),
        )
        copy.attrs.update(source.attrs)
        for chain in found:
            source.copy(chain, copy)
        print(
            f"{len(source)} chains in = {len(found)} written + {len(source) - len(found)} left out"
        )
    for chain, others in found.items():
        if others:
            print(f"{', '.join(others)} is left out: {chain} has its sequence")


if __name__ == "__main__":
    main()
