"""Unpacks Foldcomp entries that come on standard input; run as a script by `foldcomp`.

It imports nothing of the library, so that it starts at once. An entry, and the PDB text that
answers it, follows its length in eight bytes; an empty answer says that it could not be unpacked.
"""

from __future__ import annotations

import sys

SIZE = 8
"""Bytes of a length."""


def main() -> None:
    """Answer until the input ends."""
    import foldcomp

    while len(size := sys.stdin.buffer.read(SIZE)) == SIZE:
        data = sys.stdin.buffer.read(int.from_bytes(size, "little"))
        try:
            text = foldcomp.decompress(data)[1].encode()
        except (foldcomp.error, ValueError):
            text = b""
        sys.stdout.buffer.write(len(text).to_bytes(SIZE, "little") + text)
        sys.stdout.buffer.flush()


if __name__ == "__main__":
    main()
