"""What the set-up says when a tool fails: one line with the cause and the way out."""

from __future__ import annotations

import os
import sys
from pathlib import Path

import pytest

from workflow.install.steps import SetupError, explain, first_error, run

LOG = Path("install.log")


@pytest.mark.parametrize(
    ("output", "cause"),
    [
        ("error: failed to write to file `a`: No space left on device (os error 28)", "the disk is full"),
        ("ERROR: Could not install packages due to an OSError: [Errno 28] No space left on device", "the disk is full"),
        ("error: Request failed after 3 retries\n  cause: dns error", "the package index cannot be reached"),
        (
            "  Caused by: error sending request for url (https://a.example/simple/x/)",
            "the package index cannot be reached",
        ),
        (
            "NewConnectionError: Failed to establish: [Errno 111] Connection refused",
            "the package index cannot be reached",
        ),
        (
            "chgnet/graph/cygraph.c:38:10: fatal error: Python.h: No such file or directory",
            "Python's headers are missing",
        ),
        ("error: command 'gcc' failed: No such file or directory", "there is no C compiler"),
        ("error: failed to create file `b`: Permission denied (os error 13)", "a folder cannot be written"),
        ("ERROR: No matching distribution found for torch==2.13.0", "a locked package cannot be had"),
        ("Because only uv<=1.0 is available ... No solution found when resolving", "a locked package cannot be had"),
    ],
)
def test_causes_are_named_with_a_way_out(output: str, cause: str) -> None:
    line = explain(f"Resolved 181 packages\n{output}\nbye", "installing the packages", LOG, "make env")
    assert "\n" not in line
    assert line.startswith(f"installing the packages: {cause}")
    assert "make env" in line or "pip config list" in line


@pytest.mark.parametrize(
    ("output", "line"),
    [
        (
            "gcc -c c/bmgs/zero.c\nc/bmgs/zero.c:8:10: fatal error: algorithm: No such file or directory\n"
            "compilation terminated.\nerror: command 'gcc' failed with exit code 1\nERROR: Failed building wheel",
            "c/bmgs/zero.c:8:10: fatal error: algorithm: No such file or directory",
        ),
        ("/usr/bin/ld: cannot find -lxc\ncollect2: error: ld returned 1 exit status", "/usr/bin/ld: cannot find -lxc"),
        (
            "error: Command '['g++', '-c', 'a.cpp']' returned non-zero\na.cpp:1:1: fatal error: xc.h: No such file",
            "a.cpp:1:1: fatal error: xc.h: No such file",
        ),
        ("something\nlast words", "last words"),
        ("", "it ended without a word"),
    ],
)
def test_the_first_error_is_the_compilers_own(output: str, line: str) -> None:
    assert first_error(output) == line


def test_a_network_that_answered_in_the_end_hides_no_compiler_error() -> None:
    output = "WARNING: Retrying (Retry(total=2)) after connection broken: Connection refused\nc/x.c:1:1: error: no type"
    line = explain(output, "compiling GPAW", LOG, "make env")
    assert line.startswith("compiling GPAW: c/x.c:1:1: error: no type")


def test_a_program_that_fails_leaves_its_log(tmp_path: Path) -> None:
    log = tmp_path / "log"
    program = "import sys; print('Connection refused'); sys.exit(3)"
    with pytest.raises(SetupError, match=r"^fetching: the package index cannot be reached .*make env"):
        run([sys.executable, "-c", program], log, os.environ, "fetching")
    assert "Connection refused" in log.read_text()


def test_a_program_that_hangs_is_ended(tmp_path: Path) -> None:
    with pytest.raises(SetupError, match="asking"):
        run(
            [sys.executable, "-c", "import time; time.sleep(60)"], tmp_path / "log", os.environ, "asking", timeout_s=0.5
        )


def test_a_program_that_is_not_there_is_one_line(tmp_path: Path) -> None:
    with pytest.raises(SetupError, match=r"no-such-program cannot be started \(No such file or directory\)"):
        run(["no-such-program"], tmp_path / "log", os.environ, "asking")
