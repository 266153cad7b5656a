# in:  nothing
# out: doctor/{cpu,gpu}.json
# Machine checks: on a node of each kind, before the first stage that needs it.


def machine(kind):
    """Return the finding for a kind of node; it has no age, so that a new one makes nothing run again."""
    return ancient(f"{RUN}/doctor/{kind}.json")


# No parameters: were it made again for a changed one, Snakemake would leave out what depends on it in the same run, for it
# has no age. What the configuration asks for is checked where Snakemake runs, by `adit doctor`.
ASKED = in_shell(stage_json(adit_config.DoctorStage))
DOCTOR = (
    f"python -m adit stage doctor --config {ASKED} --lock {BASE}/requirements.lock"
    " --out {output:q} --log {log:q} --on "
)


rule doctor_cpu:
    output:
        f"{RUN}/doctor/cpu.json",
    log:
        f"{RUN}/logs/doctor-cpu.log",
    priority: 1000
    conda:
        "../../envs/evaluate.yaml"
    resources:
        mem_mb=memory(4000),
        runtime=minutes(15),
    message:
        "check a machine that evaluates"
    shell:
        DOCTOR + "cpu"


rule doctor_gpu:
    output:
        f"{RUN}/doctor/gpu.json",
    log:
        f"{RUN}/logs/doctor-gpu.log",
    priority: 1000
    conda:
        "../../envs/train.yaml"
    resources:
        mem_mb=memory(4000),
        runtime=minutes(15),
        gpu=1,
    message:
        "check a machine that trains"
    shell:
        DOCTOR + "gpu"


# By itself: snakemake --profile slurm doctor
rule doctor:
    input:
        f"{RUN}/doctor/cpu.json",
        f"{RUN}/doctor/gpu.json",
