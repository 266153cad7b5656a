"""The locked packages: uv installs them, pip where uv cannot be had."""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import urllib.error
import urllib.request
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from workflow.install import settings, torch_build
from workflow.install.steps import SetupError, run, say

LOCK = Path("requirements.lock")
UV_LOCK = Path("requirements-uv.lock")
GPAW_LOCK = Path("requirements-gpaw.lock")
DOCS_LOCK = Path("requirements-docs.lock")
# Packages that build others from source. They are installed first, at the versions of the lock, and not rebuilt:
# nothing is built with what an index happens to offer that day.
BUILD_TOOLS = ("setuptools", "numpy", "Cython", "pybind11")


@dataclass(frozen=True)
class Installer:
    """An installer of one environment.

    Attributes:
        env: folder of the virtual environment.
        environ: environment of pip.
        pip: pip's effective options.
        use_uv: uv is there and used.
        wheelhouse: the only source of packages, if given.
    """

    env: Path
    environ: dict[str, str]
    pip: dict[str, str]
    use_uv: bool
    wheelhouse: Path | None = None

    @property
    def python(self) -> Path:
        """The environment's interpreter."""
        return self.env / "bin" / "python"

    @property
    def log(self) -> Path:
        """File that keeps what the installers said."""
        return self.env / "install.log"

    def uv_environ(self) -> dict[str, str]:
        """The environment of uv: pip's settings in uv's words."""
        environ = settings.uv_environment(self.pip, self.environ) | {"UV_NO_BUILD_ISOLATION": "1"}
        if "UV_CACHE_DIR" not in environ and not _can_write(_uv_cache(environ)):
            environ["UV_CACHE_DIR"] = str(self.env.resolve() / "cache")
        return environ

    def install(self, arguments: list[str], doing: str, *, torch_index: bool = False) -> None:
        """Install requirements given as arguments that uv and pip share."""
        if self.use_uv:
            command = [self.env / "bin" / "uv", "pip", "install", "--python", self.python]
            environ = self.uv_environ()
            if arguments[-1].endswith("pylock.toml"):
                environ.pop("UV_CONSTRAINT", None)  # obeyed when it was written; uv refuses both together
            run([*command, *settings.uv_arguments(self.pip), *arguments], self.log, environ, doing)
            return
        command = [self.python, "-m", "pip", "install", "--disable-pip-version-check", "--progress-bar", "off"]
        extra = ["--extra-index-url", torch_build.CPU_INDEX] if torch_index else []
        run([*command, "--no-build-isolation", "--use-pep517", *extra, *arguments], self.log, self.environ, doing)


def _uv_cache(environ: Mapping[str, str]) -> Path:
    home = Path(environ.get("HOME") or "/nonexistent")
    return Path(environ.get("XDG_CACHE_HOME") or home / ".cache") / "uv"


def _can_write(folder: Path) -> bool:
    while not folder.exists() and folder != folder.parent:
        folder = folder.parent
    return os.access(folder, os.W_OK)


def read_lock(path: Path = LOCK) -> dict[str, str]:
    """Return versions by normalised name."""
    lines = [line.split() for line in path.read_text(encoding="utf-8").splitlines()]
    pins = [words[0].split("==") for words in lines if words and "==" in words[0]]
    return {normalise(name): version for name, version in pins}


def normalise(name: str) -> str:
    """Return a package's name as indexes compare it."""
    return re.sub(r"[-_.]+", "-", name).lower()


def prepare(env: Path, python: str, wheelhouse: Path | None, installer: str) -> Installer:
    """Make the virtual environment where it is not whole, with uv in it.

    Args:
        env: folder of the environment.
        python: interpreter that makes it.
        wheelhouse: folder that everything comes from, if given.
        installer: ``uv`` or ``pip``.
    """
    environ = dict(os.environ)
    if wheelhouse:
        if not any(wheelhouse.glob("*.whl")):
            raise SetupError(
                f"WHEELHOUSE={wheelhouse}: no wheels there; make it with `make wheelhouse` where there is a network"
            )
        _need_whole(wheelhouse)
        environ = settings.wheelhouse_environment(wheelhouse, environ)
    if not _has_pip(env):
        say(f"creating {env}")
        make_venv(env, python)
    pip = settings.read_pip_settings(env / "bin" / "python", environ)
    silent = [] if wheelhouse else settings.unreachable_extra_indexes(pip)
    if silent:
        for address in silent:
            say(f"extra index {settings.without_credentials(address)} does not answer and is left out")
        pip = settings.without_extra_indexes(pip, silent)
        # pip ignores an empty variable and would read its file; naming the first index twice changes nothing
        environ["PIP_EXTRA_INDEX_URL"] = pip["extra-index-url"] or pip.get("index-url", "https://pypi.org/simple")
    uv = installer == "uv" and _bootstrap_uv(env, environ)
    return Installer(env, environ, pip, uv, wheelhouse)


def _need_whole(wheelhouse: Path) -> None:
    """Raise ``SetupError`` if a folder of wheels lacks a locked package."""
    wheels = [path.name.split("-")[:2] for path in wheelhouse.glob("*-*.whl")]
    sources = [path.name.removesuffix(".tar.gz").rsplit("-", 1) for path in wheelhouse.glob("*-*.tar.gz")]
    there = {(normalise(name), version.split("+")[0]) for name, version in wheels + sources}
    pins = read_lock() | read_lock(GPAW_LOCK)
    missing = [f"{name} {version}" for name, version in pins.items() if (name, version) not in there]
    if missing:
        more = f" and {len(missing) - 3} more" if len(missing) > 3 else ""
        raise SetupError(
            f"WHEELHOUSE={wheelhouse}: without {', '.join(missing[:3])}{more}; make it again with `make wheelhouse` "
            "from this version of the project, and copy all of it"
        )


def _has_pip(env: Path) -> bool:
    python = env / "bin" / "python"
    if not python.exists():
        return False
    return subprocess.run([python, "-m", "pip", "--version"], capture_output=True, check=False).returncode == 0


def make_venv(env: Path, python: str) -> None:
    """Make a virtual environment; what was left of another one, without pip, goes."""
    command = [python, "-m", "venv", "--clear", str(env)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode == 0:
        return
    words = done.stdout + done.stderr
    if "ensurepip is not available" in words or "No module named venv" in words:
        raise SetupError(
            f"{python} cannot make virtual environments; on Debian and Ubuntu: sudo apt-get install -y python3-venv"
        )
    if "No space left" in words:
        raise SetupError(f"creating {env}: the disk is full; free some space and run `make env`")
    lines = words.strip().splitlines() or ["no reason given"]
    raise SetupError(f"creating {env}: {lines[-1]}")


def _bootstrap_uv(env: Path, environ: dict[str, str]) -> bool:
    """Install the pinned uv with pip; return whether it runs."""
    wanted = read_lock(UV_LOCK)["uv"]
    if _uv_version(env) == wanted:
        return True
    command = [env / "bin" / "python", "-m", "pip", "install", "--disable-pip-version-check", "--only-binary", "uv"]
    try:
        run([*command, "--progress-bar", "off", "-r", UV_LOCK], env / "install.log", environ, "fetching uv")
    except SetupError as error:
        if "disk is full" in str(error) or "cannot be reached (" in str(error):
            raise
        say(f"no uv ({error}): pip installs, which takes minutes longer")
        return False
    return _uv_version(env) == wanted


def _uv_version(env: Path) -> str | None:
    try:
        done = subprocess.run([env / "bin" / "uv", "--version"], capture_output=True, text=True, check=False)
    except OSError:
        return None
    return done.stdout.split()[1] if done.returncode == 0 and " " in done.stdout else None


def install_packages(installer: Installer) -> None:
    """Install the lock and this package; raises ``SetupError`` unless every locked version is there afterwards."""
    pins = read_lock()
    say("installing the build tools of the lock")
    installer.install([f"{name}=={pins[normalise(name)]}" for name in BUILD_TOOLS], "installing the build tools")
    if installer.use_uv:
        _install_with_uv(installer)
    else:
        _install_with_pip(installer, pins["torch"])
    installer.install(["--no-deps", "--editable", "."], "installing this package")
    verify(installer.python, pins)


def install_docs(installer: Installer) -> None:
    """Install the tools of the documentation site; raises ``SetupError`` unless every locked version is there."""
    say("installing the tools of the documentation site")
    installer.install(["-r", str(DOCS_LOCK), "-c", str(LOCK)], "installing the tools of the site")
    verify(installer.python, read_lock(DOCS_LOCK))


def _install_with_uv(installer: Installer) -> None:
    plan_file = installer.env / "pylock.toml"
    plan = make_plan(installer, plan_file, [])
    gpu = torch_build.has_gpu(installer.environ)
    if plan.build == "CUDA" and not gpu and not installer.wheelhouse and _uv_finds_cpu_build(installer, plan.torch):
        plan = make_plan(installer, plan_file, ["--torch-backend", "cpu"])
    _announce(plan, gpu, installer.env)
    installer.install(["-r", str(plan_file)], "installing the packages")


def make_plan(installer: Installer, path: Path, options: list[str]) -> torch_build.Plan:
    """Resolve the lock with all that it pulls in, into a file that uv installs from, with hashes."""
    command = [installer.env / "bin" / "uv", "pip", "compile", LOCK, "--python", installer.python]
    shared = ["--format", "pylock.toml", "--quiet", "--output-file", path, *settings.uv_arguments(installer.pip)]
    path.unlink(missing_ok=True)
    run([*command, *shared, *options], installer.log, installer.uv_environ(), "resolving the lock")
    return torch_build.read_plan(path)


def _uv_finds_cpu_build(installer: Installer, version: str) -> bool:
    """Ask PyTorch's own index for the CPU build; without an answer in ten seconds the index's build is used."""
    wanted = installer.env / "torch.in"
    wanted.write_text(f"torch=={version}\n", encoding="utf-8")
    command = [installer.env / "bin" / "uv", "pip", "compile", wanted, "--python", installer.python]
    options = ["--ignore-installed", "--no-deps", "--quiet", "--torch-backend", "cpu"]
    environ = installer.uv_environ() | {"UV_HTTP_RETRIES": "0", "UV_HTTP_TIMEOUT": str(int(torch_build.ANSWER_S))}
    try:
        answer = run(
            [*command, *options], installer.log, environ, "asking for the CPU build", timeout_s=torch_build.ANSWER_S
        )
    except SetupError:
        return False
    finally:
        wanted.unlink(missing_ok=True)
    return "+cpu" in answer


def _announce(plan: torch_build.Plan, gpu: bool, env: Path) -> None:
    say(f"installing {plan.describe()}")
    if plan.build == "CUDA" and not gpu:
        say("  no GPU here, yet no CPU build of PyTorch within reach: the index's build is taken")
    if plan.build == "CPU" and gpu:
        say("  there is a GPU here, but pip's settings lead to PyTorch's CPU build")
    _need_space(env, plan.build)


def _need_space(env: Path, build: str) -> None:
    free = shutil.disk_usage(env).free / 1e9
    needed = torch_build.DISK_GB[build] - _size_gb(env)
    if free < needed and not os.environ.get("ADIT_NO_SPACE_CHECK"):
        space = f"{needed:.1f} GB are needed and {free:.1f} GB are free"
        raise SetupError(f"{env.resolve()}: {space}; free some space and run `make env`")


def _size_gb(folder: Path) -> float:
    return sum(path.lstat().st_size for path in folder.rglob("*")) / 1e9


def _install_with_pip(installer: Installer, torch: str) -> None:
    extra = False
    requirements = ["-r", str(LOCK)]
    gpu = torch_build.has_gpu(installer.environ)
    version = _pip_choice(installer, torch)
    if version == torch and not gpu and not installer.wheelhouse and _cpu_index_answers():
        version, extra = f"{torch}+cpu", True
        requirements.append(f"torch=={version}")
    build = "CPU" if "+cpu" in version else "CUDA"
    size = f"{torch_build.DISK_GB[build]} GB on the disk"
    say(f"installing the packages with pip, PyTorch {version} ({build} build): {size}")
    _need_space(installer.env, build)
    installer.install(requirements, "installing the packages", torch_index=extra)


def _pip_choice(installer: Installer, torch: str) -> str:
    """Return the version of PyTorch that pip would install, with its local part."""
    pip = [str(installer.python), "-m", "pip", "install", "--disable-pip-version-check", "--quiet"]
    options = ["--dry-run", "--ignore-installed", "--no-deps", "--report", "-", f"torch=={torch}"]
    done = subprocess.run([*pip, *options], env=installer.environ, capture_output=True, text=True, check=False)
    try:
        return str(json.loads(done.stdout)["install"][0]["metadata"]["version"])
    except (ValueError, LookupError):
        return torch


def _cpu_index_answers() -> bool:
    try:
        with urllib.request.urlopen(f"{torch_build.CPU_INDEX}/torch/", timeout=torch_build.ANSWER_S) as answer:
            return bool(answer.status == 200)
    except (urllib.error.URLError, OSError):
        return False


def installed_versions(python: Path) -> dict[str, str]:
    """Return versions by normalised name in an environment."""
    program = (
        "import importlib.metadata as m, json; print(json.dumps([[d.name, d.version] for d in m.distributions()]))"
    )
    done = subprocess.run([python, "-I", "-c", program], capture_output=True, text=True, check=True)
    return {normalise(name): version for name, version in json.loads(done.stdout)}


def verify(python: Path, pins: Mapping[str, str]) -> None:
    """Raise ``SetupError`` unless every pinned version is installed."""
    versions = installed_versions(python)
    wrong = [name for name, version in pins.items() if versions.get(name, "").split("+")[0] != version]
    if wrong:
        raise SetupError(
            f"{python}: {', '.join(wrong[:5])} not at the locked version; run `make env`, or delete the folder first"
        )
