"""Configurations that no run can have are refused by ``adit check``: one line, exit code 2."""

from __future__ import annotations

from pathlib import Path

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from adit import cli, config
from adit.errors import ConfigError
from adit.store import write_text


def check(folder: Path, text: str, capsys: pytest.CaptureFixture[str]) -> tuple[int, str]:
    write_text(folder / "run.yaml", text)
    code = cli.main(["check", "--config", str(folder / "run.yaml")])
    return code, capsys.readouterr().err


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ('results: "$(touch PWNED)"', r"results: has the character '\$'"),
        ("results: '`touch PWNED`'", "results: has the character '`'"),
        ("results: a{b}", "results: has the character '{'"),
        ("results: a\\b", "results: has the character"),
        ("results: /dev/null", "/dev/null exists and is not a folder"),
        ("results: a/-rf", "results: '-rf' begins with -"),
        ("results: ''", "results: String should have at least 1 character"),
        (f"results: {'a/' * 600}b", "results: String should have at most 1000 characters"),
        (f"results: {'é' * 150}", "results: a part of it has more than 200 bytes"),
        (f"name: {'x' * 300}", "name: String should have at most 100 characters"),
        ("name: a b", "name: String should match pattern"),
        ("sample: {crystal: 1e20}", "sample.crystal: "),
        ("sample: {crystal: 1.0e+20}", "sample.crystal: "),
        ("sample: {crystal: 100000000000000000000}", "sample.crystal: Input should be less than or equal to 10000000"),
        ("sample: {crystal: 10000001}", "sample.crystal: Input should be less than or equal to 10000000"),
        (f"sample: {{crystal: {'9' * 5000}}}", "is not YAML"),
        ("sample: {shards: 1000000000}", "sample.shards: Input should be less than or equal to 10000000"),
        ("sample: {shards: 1000000, crystal: 1000000}", "sample.shards: so many shards do not fit into one command"),
        ("name: a\nseed: 1\nname: b", "the key 'name' in line 3 is a duplicate"),
        ("train: {vae: {lr: 1.0e-4, lr: 1.0e-5}}", "the key 'lr' in line 1 is a duplicate"),
        ("a: " + "[" * 10_000, "nested more than 40 deep"),
        ("a: &a [1]\nb: &b [*a, *a]\n" + "\n".join(
            f"{chr(c)}: &{chr(c)} [*{chr(c - 1)}, *{chr(c - 1)}]" for c in range(ord("c"), ord("z"))
        ), "more than 100,000 entries"),
        ('report: {title: "a\\0b"}', "report.title: contains a null character"),
        ('report: {title: "\\uD800"}', "report.title: contains a null character or invalid Unicode"),
        (f"report: {{title: '{'x' * 200_000}'}}", "its texts have 200,0"),
        ("x: " + "y" * 1_000_001, "a configuration has at most 1,000,000"),
        ("data: 5", "data"),
        ("[1, 2]", "must be a mapping"),
        ("dft: {command: \"mpirun 'vasp\"}", "dft: command: cannot be split into arguments"),
        ("dft: {command: '  '}", "dft: command: is empty"),
        ("sample: {command: \"a 'b\"}", "sample: command: cannot be split into arguments"),
        ("sample: {command: '  '}", "sample: command: is empty"),
        ("sample: {command: 'a {output}'}", "sample: command: {number} is missing"),
        ("sample: {command: 'a {output} {number} {n}'}", "sample: command: {n} is no placeholder"),
        ("sample: {command: 'a {output} {number}', from: b.cif}", "from and command are both set"),
        ("sample: {command: 'a {output} {number}', command_reads: ../b}", "has to be a path within {output}"),
        ("sample: {command_reads: b.cif}", "command_reads: belongs to command"),
        ("dft: {command: \"a\\0b\"}", "null character"),
        ("dft: {command: -c evil}", "dft: command: its program '-c' is empty, or begins with -"),
        ("dft: {command: \"'' vasp\"}", "dft: command: its program '' is empty"),
        ("score: {mofchecker_python: -c evil}", "score.mofchecker_python: begins with -, as options do"),
        ("relax: {python: -c evil}", "relax.python: begins with -"),
        ("judge: {python: --help}", "judge.python: begins with -"),
        ("judge: {python: ' '}", "judge.python: is empty; name a program, or leave it out"),
        ("sample: {crystal: true}", "sample.crystal: is a truth value"),
        ("seed: true", "seed: is a truth value"),
        ("train: {vae: {max_steps: on}}", "train.vae.max_steps: is a truth value"),
        ("train: {vae: {lr: yes}}", "train.vae.lr: is a truth value"),
        ("sample: {conditions: {crystal: {atoms: [true, 4]}}}", "sample.conditions.crystal.atoms: is a truth value"),
        ("sample: {conditions: {crystal: {labels: {gap: true}}}}", "labels: is a truth value"),
        ("sample: {by_kind: {crystal: {steps: true}}}", "steps: is a truth value"),
        ("limits: {worker_bytes: 1}", "limits.worker_bytes: Input should be greater than or equal to 500000000"),
        ("results: /proc/x", "results: /proc/x/paper cannot be created: /proc/x/paper is in a folder of the system"),
        ("results: /sys", "is in a folder of the system"),
        ("results: /dev/x", "is in a folder of the system"),
        ("results: system/x", "is in a folder of the system"),
        ("results: x/.ADIT", "results: '.ADIT' is a folder of the program's own"),
        ("results: //dev/shm/x", "results: begins with //"),
        ("results: .adit", "results: '.adit' is a folder of the program's own"),
        ("results: a/.snakemake/b", "results: '.snakemake' is a folder of the program's own"),
        ("{1: 2}", "1"),
        ("? [a]\n: 1", "is not YAML"),
        ("a: !!python/object/apply:os.system ['touch PWNED']", "is not YAML"),
    ],
)  # fmt: skip
def test_what_no_run_can_have_is_refused_in_one_line(
    text: str, message: str, tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "system").symlink_to("/proc")
    code, output = check(tmp_path, text, capsys)
    assert code == 2
    assert output.count("\n") == 1
    assert len(output) < 1200
    assert message.replace("\\", "") in output
    assert not (tmp_path / "PWNED").exists()


def test_bytes_that_are_no_text_and_files_that_never_end_are_refused(
    capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    (tmp_path / "run.yaml").write_bytes(b"name: \xff\xfe")
    assert cli.main(["check", "--config", str(tmp_path / "run.yaml")]) == 2
    assert "is not a text in UTF-8" in capsys.readouterr().err
    assert cli.main(["check", "--config", "/dev/zero"]) == 2
    assert cli.main(["check", "--config", "a\0b"]) == 2


@pytest.mark.parametrize(
    "text",
    [
        "train: {vae: {compile: true}}",
        "sample: {compile: on}",
        "results: /dev/shm",
        "limits: {worker_bytes: 500000000}",
        "seed: 1.0",
        "relax: {python: python3}",
    ],
)
def test_what_looks_like_it_is_taken(
    text: str, tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    assert check(tmp_path, text, capsys)[0] == 0


@pytest.mark.parametrize("results", ["results", "/tmp/my results", "Ergebnisse/für 結果/हिन्दी", "../up", "a_b.c-d/٣"])
def test_folders_with_spaces_and_letters_of_any_script_are_taken(results: str) -> None:
    assert config.parse({"results": results, "name": "x"}).run == f"{results}/x"


def taken(results: str) -> bool:
    try:
        config.parse({"results": results})
    except ConfigError:
        return False
    return True


@given(st.text(min_size=1, max_size=40))
def test_no_folder_of_results_has_a_character_with_a_meaning_in_a_shell(text: str) -> None:
    if taken(text):
        assert not set(text) & set("\"'`$&|;<>(){}[]*?!#~\\\n\t\0%=^:@")
        assert not any(part.startswith("-") for part in text.split("/"))


def test_the_programs_that_a_configuration_starts_are_printed(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    values = {
        "dft": {"command": "srun -n 4 'my vasp' $(touch PWNED)"},
        "sample": {"command": "'my gen' {output} {number} $(touch PWNED)"},
        "score": {"mofchecker_python": "/opt/m f/python"},
        "rounds": {"score_command": "'my score' {structures} {output}"},
    }
    code, output = check(tmp_path, yaml.safe_dump(values), capsys)
    assert code == 0
    assert "sample.command starts: 'my gen' '{output}' '{number}' '$(touch' 'PWNED)'" in output
    assert "rounds.score_command starts: 'my score' '{structures}' '{output}'" in output
    assert "dft.command starts: srun -n 4 'my vasp' '$(touch' 'PWNED)'" in output
    assert "score.mofchecker_python starts: '/opt/m f/python'" in output
    assert not (tmp_path / "PWNED").exists()


@pytest.mark.parametrize(
    "words",
    [
        ["sample", "--n", "100000000000"],
        ["sample", "--n", "10000001"],
        ["sample", "--n", "1", "--steps", "-5"],
        ["sample", "--n", "1", "--steps", "99999999"],
        ["sample", "--n", "9" * 5000],
        ["sample", "--n", "1", "--seed", "-1"],
        ["sample", "--shard", "³"],
        ["trajectory", "--index", "100000000000"],
        ["trajectory", "--frames", "0"],
    ],
)
def test_counts_on_the_command_line_have_an_end_too(words: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as ended:
        cli.main([*words, "--kind", "crystal", "--out", "x.arrow"])
    assert ended.value.code == 2
    assert "is not a whole number from" in capsys.readouterr().err


def test_the_largest_atoms_and_seeds_are_taken(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert check(tmp_path, f"seed: {2**63 - 1}\nsample: {{crystal: 10000000}}", capsys)[0] == 0
    code = cli.main(
        ["sample", "--weights", str(tmp_path), "--kind", "crystal", "--out", "x.arrow", "--atoms", "99999999"]
    )
    assert code == 2
    assert "--atoms" in capsys.readouterr().err
