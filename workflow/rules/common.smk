# Paths and slices of the configuration; no science. Imports nothing heavy: the Snakefile is parsed again in every job.
import fcntl
import os
import shlex
import sys
from pathlib import Path

from adit import config as adit_config
from adit import slurm
from snakemake.dag import DAG
from snakemake.exceptions import LockException, WorkflowError

from adit.cli import PARENT_VARIABLE
from adit.cli.data import MIRROR_VARIABLE
from adit.errors import AditError
from adit.outputs.check import ADOPT_VARIABLE, ADOPT_WAY
from adit.outputs.logs import is_own_benchmark, is_own_log
from adit.outputs.manifest import State, state_of
from adit.outputs.parts import HIDDEN

try:
    adit_config.check_files(
        path for path in workflow.configfiles if Path(path).is_file()
    )
    CFG = adit_config.parse(config, "config")
    adit_config.check_places(CFG)
except AditError as error:
    sys.stderr.write(f"error: {error}\n")
    sys.exit(error.exit_code)

# Jobs, also those of a scheduler, take no Python modules from the folder of the run: what lies there is data.
os.environ["PYTHONSAFEPATH"] = "1"

RUN = CFG.run
REPORT = f"{RUN}/report/index.html"
DATASETS = [dataset.name for dataset in CFG.data.datasets]
KINDS = list(CFG.sample.kinds)
PERIODIC = [kind for kind in KINDS if kind != "molecule"]
SAMPLES = [
    f"{RUN}/samples/{kind}/{shard}.arrow"
    for kind in KINDS
    for shard in range(CFG.sample.n_shards(kind))
]


def samples_of(kind):
    """Return the shards of samples of a kind."""
    return [path for path in SAMPLES if f"/samples/{kind}/" in path]


def asked_to_evaluate_alone():
    """Return whether ``evaluate`` is the one target; the workflow learns its targets only after this file is read."""
    if not workflow.is_main_process or "evaluate" not in sys.argv:
        return False
    from snakemake.cli import parse_args

    # Without the profile: it has no targets, and its path need not lead there from the folder of the run.
    words = iter(sys.argv[1:])
    kept = []
    for word in words:
        if word == "--profile":
            next(words, None)
        elif not word.startswith("--profile="):
            kept.append(word)
    return parse_args(kept)[1].targets == ["evaluate"]


EVALUATION_ALONE = asked_to_evaluate_alone()

RELAXED = [
    f"{RUN}/relaxed/{kind}/{shard}"
    for kind in PERIODIC
    for shard in range(CFG.sample.n_shards(kind))
]

# In a job of a scheduler, the stage may requeue itself after a signal to stop.
REQUEUE = f"{slurm.REQUEUE_VARIABLE}=1 " if workflow.remote_exec else ""

# Cores of a job on one machine. Stages that can run beside others take half: shards run in pairs. On a cluster the profile's set-threads decides.
ON_CLUSTER = workflow.remote_exec or workflow.resource_settings.cores is None
ALL_CORES = 1 if ON_CLUSTER else max(1, workflow.cores)
HALF = max(1, ALL_CORES // 2)


ALLOWED = workflow.global_resources.get("longest_min")
LONGEST_MIN = getattr(ALLOWED, "value", ALLOWED) or float("inf")


# What a job may use grows with every attempt, so that one that was killed for memory or time passes the next time. The
# profile can set both for any rule (set-resources), also as expressions of `attempt`, `threads` and `input.size_mb`.
def memory(base, per_thread=0):
    """Return the memory of a rule's job, MB."""
    return lambda wc, attempt, threads: (base + per_thread * threads) * attempt


def minutes(base):
    """Return the time limit of a rule's job, min: never more than the profile says that the site allows."""
    return lambda wc, attempt: min(base * attempt, LONGEST_MIN)


wildcard_constraints:
    dataset="[a-z0-9-]+",
    kind="crystal|molecule|mof",
    shard="[0-9]+",


def stage_json(kind, **extra):
    """Return the slice of a stage as JSON: its parameter, and what the command line gets."""
    return CFG.stage(kind, **extra).model_dump_json()


def as_it_is(value):
    """Return a parameter as a function: in any other text, and list of texts, Snakemake takes {word} for a wildcard."""
    return lambda wc: value


def stage(kind, **extra):
    """Return the slice of a stage as a parameter."""
    return as_it_is(stage_json(kind, **extra))


def without_braces(paths):
    """Return the paths that can be inputs; in others Snakemake takes {word} for a wildcard, and nothing escapes it."""
    return [path for path in paths if "{" not in path and "}" not in path]


def seen(paths):
    """Return when the paths with braces were changed: a parameter in place of the input that they cannot be."""
    left = [Path(path) for path in paths if path not in without_braces(paths)]
    return [
        f"{path} {path.stat().st_mtime_ns}" if path.exists() else str(path)
        for path in left
    ]


def in_shell(text):
    """Return a text quoted for the shell and for Snakemake's formatter."""
    return shlex.quote(text).replace("{", "{{").replace("}", "}}")


def by_kind(paths):
    """Return files named after a kind as arguments: --crystal FILE --molecule FILE."""
    return [word for path in paths for word in (f"--{Path(path).stem}", path)]


# The folder of this repository, for commands.
BASE = in_shell(str(workflow.basedir))

# A stage ends when the Snakemake process that started it is gone, so that a killed run leaves nothing behind that writes.
# The package is found without being installed, so that `--sdm conda` needs nothing but the environments in envs/.
# Where raw files are looked for is no part of what a stage makes: it travels beside the parameters. So does whether outputs
# that no manifest names may be replaced.
ADOPTING = f"{ADOPT_VARIABLE}=1 " if CFG.adopt else ""
shell.prefix(
    f"export {REQUEUE}{ADOPTING}{PARENT_VARIABLE}={os.getpid()} {MIRROR_VARIABLE}={in_shell(CFG.mirror or '')}"
    f" PYTHONPATH={BASE}/src${{{{PYTHONPATH:+:$PYTHONPATH}}}}; "
)


def take_folder():
    """Return the lock of this folder, or None while another run holds it.

    It is a kernel lock: it ends with the process, however that ends.
    """
    Path(".snakemake").mkdir(exist_ok=True)
    handle = open(".snakemake/adit.lock", "a")  # a link there must not empty a file
    try:
        fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        handle.close()
        return None
    return handle


def forget_dead_locks():
    """Remove Snakemake's locks where the process that made them is gone (killed), so that the same command goes on.

    While another run works in this folder nothing is removed, and Snakemake says that the folder is locked.
    """
    handle = take_folder()
    if handle is None:
        return
    for lock in Path(".snakemake/locks").glob("*.lock"):
        lock.unlink(missing_ok=True)
    handle.close()  # a plan or a summary does not lock the folder: a run does when it starts


ANOTHER = (
    "another run works in this folder (.snakemake/adit.lock); wait for it, or stop it"
)

# Jobs on other machines read this file too: this is for the process that the user started.
if workflow.is_main_process:
    forget_dead_locks()
    # Snakemake's own words advise to unlock the folder, which would let two runs write the same files.
    LockException.__init__ = lambda self: WorkflowError.__init__(self, ANOTHER)


async def make_incomplete_again(dag):
    """Run jobs again that were cut off, as --rerun-incomplete does."""
    if not dag.ignore_incomplete:
        dag.forcefiles.update(await dag.incomplete_files())


# Snakemake reads this file before it sets its option --rerun-incomplete, so that the option cannot be set here.
DAG.check_incomplete = make_incomplete_again
DAG.incomplete_external_jobid = lambda self, job: None


def not_ours():
    """Return the files that jobs of this run would replace, and that are not this workflow's own.

    Snakemake deletes outputs and logs of a job before its stage can look at them.
    """
    foreign = []
    for job in workflow.dag.needrun_jobs():
        foreign += [
            str(file)
            for file in job.output
            if state_of(Path(file)) in (State.FOREIGN, State.CHANGED)
        ]
        kept = [(file, is_own_log) for file in job.log]
        kept += [(job.benchmark, is_own_benchmark)] if job.benchmark else []
        foreign += [
            str(file)
            for file, is_own in kept
            if Path(file).is_file()
            and Path(file).stat().st_size
            and not is_own(Path(file))
        ]
    return foreign


HELD = []


onstart:
    HELD.append(take_folder())
    if HELD[0] is None:
        sys.stderr.write(f"error: {ANOTHER}\n")
        sys.exit(4)
    foreign = [] if CFG.adopt else not_ours()
    if foreign:
        sys.stderr.write(
            f"error: {foreign[0]}: was not written by this workflow, or was changed since then"
            f" ({len(foreign)} such files); move it away, or {ADOPT_WAY}\n"
        )
        sys.exit(2)
    slurm.remember_min_job_age()
    left = slurm.left_behind(Path(".snakemake/log"))
    if left is None:
        sys.stderr.write(
            "error: jobs of an earlier run may be in the queue, and squeue does not answer; try again when it does\n"
        )
        sys.exit(4)
    if left:
        sys.stderr.write(
            f"jobs of an earlier run that was killed are still in the queue and are cancelled: {', '.join(left)}\n"
        )
        if not slurm.cancel(left):
            sys.stderr.write(f"error: they do not end: scancel {' '.join(left)}\n")
            sys.exit(4)
