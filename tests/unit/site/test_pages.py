"""The pages that the documentation site generates, and the links between all of them."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import pytest
import yaml

from adit import api
from adit.cli import parser
from adit.config import Config
from workflow.site import configuration, links, pages
from workflow.site.links import DeadLinkError, page_of, rewrite, targets

ROOT = Path(__file__).parents[3]
ROW = re.compile(r"^\| `([^`]+)` \| .* \| `([^`]*)` \| .* \|$", re.MULTILINE)


def leaves(values: dict[str, Any], prefix: str = "") -> dict[str, Any]:
    """Return all values that are no sections, by their keys with dots."""
    flat: dict[str, Any] = {}
    for name, value in values.items():
        inner = leaves(value, f"{prefix}{name}.") if isinstance(value, dict) and value else {}
        flat |= inner or {f"{prefix}{name}": value}
    return flat


def test_every_key_of_the_configuration_has_its_default() -> None:
    shown = {key: json.loads(default) for key, default in ROW.findall(configuration.page())}
    wanted = leaves(json.loads(Config().model_dump_json(by_alias=True)))
    assert {key: shown.get(key, "missing") for key in wanted} == wanted


def test_every_key_below_a_list_or_a_name_is_there() -> None:
    keys = set(re.findall(r"^\| `([^`]+)`", configuration.page(), re.MULTILINE))
    assert {"data.datasets[].ratio", "data.custom.NAME.path", "ablations.denoisers.NAME.autoencoder"} <= keys
    assert "| `data.custom.NAME.path` | text | required |" in configuration.page()


def test_markup_in_meanings_is_text() -> None:
    assert "results/&lt;name&gt;" in configuration.page()
    assert not re.search(r"<[a-z]", configuration.page())


def test_every_command_and_stage_has_its_options() -> None:
    text = pages.commands_page()
    top = parser()._actions[-1].choices
    titles = set(re.findall(r"^### (.*)$", text, re.MULTILINE))
    stages = {f"adit stage {name}" for name in top["stage"]._actions[-1].choices}
    assert titles == {f"adit {name}" for name in top if name != "stage"} | stages
    assert "| `--workers WORKERS` | processes; default: 1 |" in text
    assert text.index("### adit relax") < text.index("## Stages") < text.index("### adit ship-references")


def test_every_public_name_is_an_entry() -> None:
    assert set(re.findall(r"^::: adit\.api\.(\w+)$", pages.interface_page(), re.MULTILINE)) == set(api.__all__)


def test_a_notebook_is_its_texts_and_its_code(tmp_path: Path) -> None:
    cells = [
        {"cell_type": "markdown", "source": ["# Title"], "metadata": {}},
        {"cell_type": "code", "source": ["a = 1\n", "a"], "metadata": {}, "outputs": [{"text": "secret"}]},
    ]
    path = tmp_path / "a.ipynb"
    path.write_text(json.dumps({"cells": cells}))
    assert pages.notebook_page(path).splitlines()[0] == "# Title"
    assert "```python\na = 1\na\n```" in pages.notebook_page(path)
    assert "secret" not in pages.notebook_page(path)


@pytest.mark.parametrize(
    ("source", "text", "result"),
    [
        ("README.md", "[a](docs/slurm.md#size)", "[a](slurm.md#size)"),
        ("README.md", "![a](docs/tutorial/top.png)", "![a](tutorial/top.png)"),
        ("README.md", "[a](docs/decisions)", "[a](decisions/README.md)"),
        ("README.md", "[a](LICENSE)", "[a](files/LICENSE)"),
        ("docs/python.md", "[a](../README.md)", "[a](index.md)"),
        ("docs/measurements/data.md", "[a](../../src/adit/units.py)", "[a](../files/src/adit/units.py)"),
        ("docs/measurements/data.md", "[a](../slurm.md)", "[a](../slurm.md)"),
        ("weights/README.md", "[a](../docs/pretraining.md)", "[a](pretraining.md)"),
        ("README.md", "[a](https://a.b/c) `[a](x)`\n\n    f[0](x)", "[a](https://a.b/c) `[a](x)`\n\n    f[0](x)"),
    ],
)
def test_links_lead_to_pages_of_the_site(source: str, text: str, result: str) -> None:
    assert rewrite(source, text) == result


@pytest.mark.parametrize("target", ["docs/absent.md", "../../etc/passwd", "tests/unit/absent"])
def test_a_dead_link_ends_the_build(target: str) -> None:
    with pytest.raises(DeadLinkError, match="leads to no file"):
        rewrite("README.md", f"[a]({target})")
    with pytest.raises(DeadLinkError):
        list(targets("README.md", f"[a]({target})"))


def test_the_navigation_has_every_page_once() -> None:
    """The strict build says so too, in more time."""
    text = (ROOT / "mkdocs.yml").read_text(encoding="utf-8").replace("!!python/object/apply:pymdownx.slugs.slugify", "")
    entries: list[str] = []

    def collect(entry: Any) -> None:
        values = entry.values() if isinstance(entry, dict) else entry if isinstance(entry, list) else ()
        if isinstance(entry, str):
            entries.append(entry)
        for each in values:
            collect(each)

    collect(yaml.safe_load(text)["nav"])
    wanted = {path.name for path in (ROOT / "docs").glob("*.md")} | {"measurements/", "decisions/", "notebooks/"}
    wanted |= {page_of(source) for source in links.ELSEWHERE}
    assert sorted(entries) == sorted(wanted)


def test_the_script_that_searches_pages_on_disk_is_the_published_one() -> None:
    from hashlib import sha256

    published = "e8e412dbcfea9b7e31b5ffa288d7b6035915e714c542f4176a0cdbe262fc9609"  # npm: iframe-worker 1.0.4
    assert sha256((ROOT / "docs/assets/iframe-worker.js").read_bytes()).hexdigest() == published
