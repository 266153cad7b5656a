# The whole pipeline: data -> VAE -> latents -> DiT -> samples -> CHGNet -> DFT -> hull -> scores -> report.
#
#   snakemake --cores 2 --configfile config/demo.yaml      the laptop's run
#   snakemake --profile slurm all                          the paper's run on a cluster
#
# Rules only call the command line `adit`; each gets its own slice of the validated configuration as a parameter, so that
# changing a key reruns the stages that use it, and no other.

from snakemake.utils import min_version

min_version("9.0")


configfile: f"{workflow.basedir}/config/config.yaml"
configfile: f"{workflow.basedir}/config/datasets.yaml"


include: "workflow/rules/common.smk"
include: "workflow/rules/doctor.smk"
include: "workflow/rules/data.smk"
include: "workflow/rules/train.smk"
include: "workflow/rules/sample.smk"
include: "workflow/rules/ablations.smk"
include: "workflow/rules/relax.smk"
include: "workflow/rules/score.smk"
include: "workflow/rules/report.smk"


if CFG.rounds.n:

    include: "workflow/rules/rounds.smk"


rule all:
    default_target: True
    input:
        REPORT,
        DFT_HULL,
        DOSSIERS,


rule models:
    input:
        f"{RUN}/vae/model.safetensors",
        f"{RUN}/dit/model.safetensors",


rule samples:
    input:
        SAMPLES,


rule evaluate:
    input:
        f"{RUN}/scores/summary.json",
        REPORT,
        DOSSIERS,


rule report:
    input:
        REPORT,
