"""Make the FASTA file that plm_small was trained on: distinct sequences, one of each cluster.

    apt-get download metastudent-data       # Swiss-Prot of January 2014, as three BLAST databases
    blastdbcmd -db BPO -entry all -out bpo.fasta                            # likewise CCO and MFO
    python benchmarks/pretraining_corpus.py bpo.fasta cco.fasta mfo.fasta natural.fasta.gz \\
        --out corpus.fasta.gz

Equal sequences become one record, whose header holds the names of all of them, in the order of the
files. Of each MMseqs2 cluster (50 % identity over 80 % of a member) the longest is kept.
Prints how many sequences were read, kept and left out, as JSON.
"""

from __future__ import annotations

import argparse
import gzip
import json
import subprocess
import sys
import tempfile
from collections.abc import Iterable, Mapping
from pathlib import Path

from zoo.pretraining.corpus import distinct, read_fasta

LINCLUST = "--min-seq-id 0.5 -c 0.8 --cov-mode 1 -v 1".split()


def longest(sequences: list[str], folder: Path) -> list[int]:
    """Return the number of the longest sequence of each cluster, of equals the first."""
    (folder / "in.fasta").write_text("".join(f">{i}\n{s}\n" for i, s in enumerate(sequences)))
    command = ["mmseqs", "easy-linclust", "in.fasta", "out", "tmp", *LINCLUST]
    subprocess.run(command, cwd=folder, check=True)
    best: dict[str, int] = {}
    with (folder / "out_cluster.tsv").open() as lines:
        for line in lines:
            cluster, member = line.split()
            i = int(member)
            kept = best.setdefault(cluster, i)
            if (len(sequences[i]), -i) > (len(sequences[kept]), -kept):
                best[cluster] = i
    return sorted(best.values())


def write(out: Path, found: Mapping[str, list[str]], chosen: Iterable[int]) -> None:
    """Write the chosen sequences under all their names; equal input gives equal bytes."""
    every = list(found)
    text = "".join(f">{' '.join(found[every[i]])}\n{every[i]}\n" for i in chosen)
    out.write_bytes(gzip.compress(text.encode(), mtime=0))


def main() -> None:
    """Make the file."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("fasta", nargs="+", type=Path)
    parser.add_argument("--out", type=Path, required=True)
    given = parser.parse_args()
    found, counts = distinct(record for path in given.fasta for record in read_fasta(path))
    with tempfile.TemporaryDirectory() as folder:
        chosen = longest(list(found), Path(folder))
    write(given.out, found, chosen)
    counts["kin of a longer one"] = len(found) - len(chosen)
    print(json.dumps(counts | {"written": len(chosen)}, indent=1))


if __name__ == "__main__":
    sys.exit(main())
