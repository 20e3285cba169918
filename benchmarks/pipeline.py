"""From structures on disk to a table of scores: `zoo predict` against the peers' pipeline.

    python benchmarks/pipeline.py --structures FOLDER [--plm esm2_8m] [--count 200] [--rounds 5]

The peer is `peers/pipeline.py`, one file at a time and in padded batches of 8; the quicker one
counts. The model is ESM-2 with GVP and local fusion. All weights are random and the same. The files
are first written anew as PDB, with the residues whose backbone is whole and no other sequence, so
that both sides see the same residues; scores of chains without a break are held equal, as the
published features reach across one. Start-up and the loading of the model are left out.
"""

from __future__ import annotations

import argparse
import csv
import gzip
import sys
import tempfile
from itertools import count
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent))
import gemmi
import race
from commands import saved
from peers import pipeline as peer

import zoo
from zoo.prediction import many
from zoo.prediction.ensemble import Ensemble, load_ensemble
from zoo.prediction.estimating import batched
from zoo.prediction.journal import Journal
from zoo.prediction.paths import find_inputs

TOKENS = 4096


def written(files: list[Path], folder: Path) -> list[Path]:
    """Write the first chain of each file anew, with whole residues alone; return the paths."""
    folder.mkdir()
    found = []
    for path in files:
        structure = gemmi.read_structure(str(path))
        structure.remove_alternative_conformations()
        del structure[1:]
        del structure[0][1:]
        chain = structure[0][0]
        for at in reversed(range(len(chain))):
            if not all(name in chain[at] for name in peer.BACKBONE) or chain[at].het_flag == "H":
                del chain[at]
        found.append(folder / (path.name.split(".")[0] + ".pdb.gz"))
        found[-1].write_bytes(gzip.compress(structure.make_minimal_pdb().encode()))
    return found


def ours(ensemble: Ensemble, files: list[Path], out: Path) -> None:
    """Do what `zoo predict` does once its model is loaded."""
    out.mkdir()
    inputs = find_inputs(list(map(str, files)), None, lambda line: None)
    with Journal(out / "journal.jsonl", many.describe(ensemble)) as journal:
        work = many.Prediction(ensemble, journal)
        for batch in batched(work.pending(inputs), TOKENS):
            work.predict_or_note(batch)
        work.finish(out / "predictions.csv")


def compared(files: list[Path], table: Path, other: Path) -> tuple[int, float]:
    """Return how many chains both read alike, and the largest difference of their scores."""
    with open(table, newline="") as file:
        mine = _by_chain(csv.reader(file), (0, 4, 5))
    with open(other, newline="") as file:
        theirs = _by_chain(csv.reader(file), (0, 2, 3))
    alike, worst = 0, 0.0
    for path in files:
        chain = zoo.read_structure(path).chains[0]
        name = path.name.split(".")[0]
        a, b = mine[name], theirs[name]
        if chain.segments.max() == chain.segments.min() == 0 and [x for x, _ in a] == [
            x for x, _ in b
        ]:
            alike += 1
            worst = max(worst, *(abs(x - y) for (_, x), (_, y) in zip(a, b, strict=True)))
    return alike, worst


def _by_chain(rows: object, columns: tuple[int, int, int]) -> dict[str, list[tuple[str, float]]]:
    found: dict[str, list[tuple[str, float]]] = {}
    name, letter, score = columns
    for row in list(rows)[1:]:  # type: ignore[call-overload]
        found.setdefault(row[name], []).append((row[letter], float(row[score] or "nan")))
    return found


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--structures", type=Path, required=True)
    parser.add_argument("--plm", default="esm2_8m")
    parser.add_argument("--count", type=int, default=200)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--device", default="cpu")
    given = parser.parse_args()
    race.header(given.threads, given.device)
    with tempfile.TemporaryDirectory() as name:
        folder, turn = Path(name), count()
        files = written(sorted(given.structures.iterdir())[: given.count], folder / "structures")
        ensemble = load_ensemble(saved(folder, given.plm), given.device)
        other = peer.peer_of(ensemble.models[0])
        works = {
            f"peers, {at_once} at once": lambda at_once=at_once: peer.predict(
                other, files, folder / f"peer{at_once}.csv", at_once, given.device
            )
            for at_once in (1, 8)
        }  # fmt: skip
        works["zoo predict"] = lambda: ours(ensemble, files, folder / f"ours{next(turn)}")
        times = race.race(works, given.rounds, device=given.device)
        for at_once in (1, 8):
            alike, worst = compared(
                files, folder / "ours0/predictions.csv", folder / f"peer{at_once}.csv"
            )
            assert alike and worst < 1e-3, (alike, worst)
        print(f"{given.plm}, {len(files)} structures; scores of the {alike} chains that both read "
              f"alike are equal to {worst:.0e}")  # fmt: skip
        race.show(times, min(list(works)[:2], key=lambda name: race.quartiles(times[name])[1]))


if __name__ == "__main__":
    main()
