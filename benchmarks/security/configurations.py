"""Values of the configuration that a shell would run, and configurations that no run can have."""

from __future__ import annotations

from functools import partial
from pathlib import Path

from benchmarks.security.tool import Case, Tool

SMALL: dict[str, object] = {"name": "tiny", "data": {"datasets": [{"name": "builtin-crystals", "limit": 4}]}}


def in_shell(tool: Tool, folder: Path, text: str) -> str:
    """Run the workflow with a folder of results that a shell would evaluate."""
    values = {**SMALL, "results": text}
    tool.snakemake(folder, values, "all", "--until", "prepare")
    checked = tool.adit(folder, "check", "--config", "run.yaml")
    if (folder / "PWNED").exists():
        return f"the shell ran it; adit check: exit code {checked.code}"
    return checked.unsafe(2)


def with_space(tool: Tool, folder: Path) -> str:
    """Run the workflow with a folder of results with a space."""
    values = {**SMALL, "results": "my results"}
    done = tool.snakemake(folder, values, "all", "--until", "prepare")
    checked = tool.adit(folder, "check", "--config", "run.yaml")
    return "" if done.code == 0 and checked.code == 0 else f"check: exit code {checked.code}, run: {done.code}"


def refused(tool: Tool, folder: Path, text: str) -> str:
    """Check a configuration that has to be refused."""
    (folder / "run.yaml").write_text(text)
    done = tool.adit(folder, "check", "--config", "run.yaml", limit_s=120)
    return done.unsafe(2)


def braces(tool: Tool, folder: Path) -> str:
    """Plan the workflow with a title that has braces."""
    done = tool.snakemake(folder, {**SMALL, "report": {"title": "{threads} of {nothing}"}}, "all", "--until", "prepare")
    return done.unsafe(0)


def many_samples(tool: Tool, folder: Path) -> str:
    """Ask for 10¹¹ samples."""
    weights = tool.weights(folder)
    parts = ("--vae", weights / "vae", "--dit", weights / "dit", "--kind", "crystal")
    words = (*parts, "--n", "100000000000", "--out", "x.arrow")
    (folder / "run.yaml").write_text("name: x\n")
    return tool.adit(folder, "sample", *words, "--config", "run.yaml", limit_s=120).unsafe(2)


REFUSED = {
    "12a": ("crystal: 10²⁰", f"sample: {{crystal: {10**20}}}\n"),
    "12b": ("shards: 1000000000", "sample: {shards: 1000000000}\n"),
    "12c": ("a name of 300 characters", f"name: {'x' * 300}\n"),
    "12d": ("a key twice", "name: a\nname: b\n"),
    "12e": ("results: /dev/null", "results: /dev/null\n"),
    "8d": ("YAML that is nested deep", "a: " + "[" * 20_000),
}
CASES = [
    Case("4a", "results: $(touch PWNED)", partial(in_shell, text="$(touch PWNED)")),
    Case("4b", "results: `touch PWNED`", partial(in_shell, text="`touch PWNED`")),
    Case("4c", "results with a space", with_space),
    *(Case(number, what, partial(refused, text=text)) for number, (what, text) in REFUSED.items()),
    Case("12f", "braces in a title", braces),
    Case("12g", "sample --n 100000000000", many_samples),
]
