"""Are there known holes in the libraries of constraints.txt: asks osv.dev, where it is reached.

python -m tests.audit          needs pip-audit
"""

from __future__ import annotations

import importlib.util
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
AWAY = ("ConnectionError", "Failed to resolve", "Timeout", "ProxyError", "SSLError")
"""What is said where the network does not reach the database."""


def main() -> int:
    """Audit; return 1 for a hole, and 0 also where the database is out of reach, saying so."""
    if importlib.util.find_spec("pip_audit") is None:
        print("audit skipped: pip-audit is not installed")
        return 0
    command = [sys.executable, "-m", "pip_audit", "-r", str(ROOT / "constraints.txt"),
               "--disable-pip", "--no-deps", "-s", "osv", "--progress-spinner", "off"]  # fmt: skip
    done = subprocess.run(command, capture_output=True, text=True)
    if done.returncode and any(word in done.stderr for word in AWAY):
        print(f"audit skipped, osv.dev is out of reach: {done.stderr.strip().splitlines()[-1]}")
        return 0
    print(done.stdout + done.stderr)
    return done.returncode


if __name__ == "__main__":
    sys.exit(main())
