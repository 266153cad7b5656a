"""The build step that puts configuration, workflow and weights into the wheel, below ``adit/share``."""

from __future__ import annotations

import shutil
from pathlib import Path

from setuptools import setup
from setuptools.command.build_py import build_py

SHARED = (
    *("Snakefile", "requirements.lock", "config", "envs", "weights", "results/README.md"),
    *("workflow/profiles", "workflow/report", "workflow/rules", "workflow/schemas", "workflow/scripts/train.sh"),
)
"""Files and folders of the repository that `adit init` copies and that commands read outside a clone."""

OMITTED = ("__pycache__", ".*", "Dockerfile", "*.def")
"""Files in these folders that only a clone can use."""


class BuildPy(build_py):
    """Copies the shared files; an editable installation reads them where they are."""

    def run(self) -> None:
        """Copy the package, then the shared files."""
        super().run()
        if self.editable_mode:
            return
        share = Path(self.build_lib, "adit", "share")
        shutil.rmtree(share, ignore_errors=True)
        for name in SHARED:
            target = share / name
            target.parent.mkdir(parents=True, exist_ok=True)
            if Path(name).is_dir():
                shutil.copytree(name, target, ignore=shutil.ignore_patterns(*OMITTED))
            else:
                shutil.copy2(name, target)


setup(cmdclass={"build_py": BuildPy})
