"""The public Python interface: sample, read, relax, place on a hull, score and rank, without the command line.

    from adit import api

    model = api.load_model()                                       # the shipped weights
    crystals = model.sample("crystal", 20, composition="Li-Fe-O")
    relaxed = api.relax(crystals)
    best = api.rank(api.above_hull(relaxed))

Semantic versioning holds for the names in ``__all__``, and for them alone. Long calls start worker processes, so a
script needs ``if __name__ == "__main__":`` around them; a notebook does not. Ctrl-C, or an exception raised in a
function given to ``watched``, ends a call and its processes. Every error that a user can fix is an ``AditError`` with
one line of text.
"""

from adit.api.energies import above_hull, rank, relax
from adit.api.model import Model, load_model
from adit.api.scoring import Scores, evaluate
from adit.api.structures import Structures, read
from adit.errors import AditError, ConfigError, DataError, ExternalToolError
from adit.progress import watched
from adit.systems import AtomicSystem, Failure, Kind

__all__ = [
    "AditError",
    "AtomicSystem",
    "ConfigError",
    "DataError",
    "ExternalToolError",
    "Failure",
    "Kind",
    "Model",
    "Scores",
    "Structures",
    "above_hull",
    "evaluate",
    "load_model",
    "rank",
    "read",
    "relax",
    "watched",
]
