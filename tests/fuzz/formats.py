"""Coverage-guided fuzzing of every log format: `python -m tests.fuzz.formats [libFuzzer options]`, or `make fuzz`.

The first byte of an input says which format reads it, the second which sample lends its headers; the rest is the value.
It starts from the samples of all formats. What it finds is written to `crash-...` in the working folder, and
`python -m tests.fuzz.formats crash-...` repeats it.
"""

from __future__ import annotations

import sys
import tempfile
from importlib.util import find_spec
from pathlib import Path

NO_HEADERS = 0
SEEDS = Path(tempfile.gettempdir()) / "snellen-fuzz"
"""Kept, with what was found worth keeping: the next run goes on from there."""


def main() -> int:
    if find_spec("atheris") is None:
        print("skipped: atheris is not installed (pip install --group fuzz)")  # noqa: T201 (a command's answer)
        return 0
    import atheris

    with atheris.instrument_imports(include=["monitor"]):
        from tests.fuzz import door
    names = list(door.FORMATS)

    def one_input(data: bytes) -> None:
        if len(data) < 2:
            return
        name = names[data[0] % len(names)]
        lenders = door.samples(name)
        headers = () if data[1] == NO_HEADERS else lenders[(data[1] - 1) % len(lenders)][1]
        door.check(name, data[2:], headers)

    SEEDS.mkdir(exist_ok=True)
    for number, name in enumerate(names):
        for index, (value, _) in enumerate(door.samples(name), 1):
            (SEEDS / f"{name}-{index}").write_bytes(bytes([number, index]) + value)
    given = sys.argv[1:]
    corpus = [] if any(not one.startswith("-") for one in given) else [str(SEEDS)]
    atheris.Setup([sys.argv[0], "-timeout=10", "-max_len=65536", *given, *corpus], one_input)
    atheris.Fuzz()
    return 0


if __name__ == "__main__":
    sys.exit(main())
