"""A copy of a training at a constant rate whose rate falls to zero, made at any time from its resume state."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass, replace
from pathlib import Path

from adit.errors import ConfigError, DataError
from adit.progress import log
from adit.train.checkpoint import Checkpoints
from adit.train.plan import Plan


@dataclass(frozen=True)
class Decay:
    """A copy of a training whose learning rate falls to zero, while the training itself continues unchanged.

    Attributes:
        source: folder of the resume states of the training; read only, also while the training continues.
        steps: steps over which the copy's learning rate falls to zero.
    """

    source: Path
    steps: int

    def plan(self, plan: Plan) -> Plan:
        """Return the plan of the copy, made from that of the training; ``plan.state_dir`` is the copy's own.

        An unfinished copy in this folder continues from its own state.

        Raises:
            ConfigError: the copy's folder is that of the training.
            DataError: there is no state of a training with these settings and data.
        """
        if plan.state_dir.resolve() == self.source.resolve():
            raise ConfigError(f"--out: {plan.state_dir} holds the training's own states; give another folder")
        key = hashlib.sha256(f"{plan.key} decay {self.steps}".encode()).hexdigest()
        copy = Checkpoints(plan.state_dir, key)
        if copy.load() is not None:
            log.info("%s: continuing the unfinished copy", plan.state_dir)
            return replace(plan, key=key, decay_steps=self.steps)
        state = Checkpoints(self.source, plan.key).load()
        if state is None:
            raise DataError(
                f"{self.source}: no state of a training with these settings and data; give --state and --config of one"
            )
        step = state["progress"]["step"]
        log.info("copy of step %d; its rate falls to zero within %d steps", step, self.steps)
        copy.save(step, {**state, "progress": {**state["progress"], "decay_from": step}}, wait=True)
        return replace(plan, key=key, decay_steps=self.steps)
