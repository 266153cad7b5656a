"""Server of energies: reads crystals from standard input, writes results to standard output, one line of JSON each.

``python server.py NAME WEIGHTS DEVICE``, in any Python that has ASE and the potential. The first line is ``ready``, or
the reason why the potential does not load. It ends with its input. Output of libraries goes to standard error.
"""

from __future__ import annotations

import json
import os
import sys
import warnings


def main() -> None:
    """Serve until the input ends. Units are ASE's: Å, eV, eV/Å, eV/Å³."""
    answers = os.fdopen(os.dup(1), "w")
    os.dup2(2, 1)
    warnings.simplefilter("ignore")

    def say(record: dict) -> None:
        answers.write(json.dumps(record) + "\n")
        answers.flush()

    name, weights, device = sys.argv[1:4]
    sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))  # not there where PYTHONSAFEPATH is set
    try:
        import numpy as np
        from ase import Atoms
        from loaders import answer, load_calculator  # type: ignore[import-not-found]

        calculator = load_calculator(name, weights, device)
    except BaseException as error:  # noqa: BLE001 - whatever keeps it from loading is the first line
        say({"error": "{}: {}".format(type(error).__name__, " ".join(str(error).split())[:300])})
        return
    say({"ready": name})
    for line in sys.stdin:
        request = json.loads(line)
        try:
            atoms = Atoms(numbers=request["numbers"], positions=request["positions"], cell=request["cell"], pbc=True)
            reply = answer(calculator, atoms)
            if not np.isfinite(reply["energy"]):
                raise ValueError("energy is not finite")
            say({key: value.tolist() if hasattr(value, "tolist") else value for key, value in reply.items()})
        except Exception as error:  # noqa: BLE001 - each is this structure's alone
            say({"error": "{}: {}".format(type(error).__name__, " ".join(str(error).split())[:300])})


if __name__ == "__main__":
    main()
