# in:  weights, data
# out: round-<n>/ and control-<n>/, each the folder of a run; kept/<kind>-<n>.arrow; comparison/index.html
# Each round is this workflow again, as a module with its own configuration: its weights are an output of the round before,
# its data hold what was kept, so that all rounds are one DAG.

from adit.config.rounds import kept_file, kept_kinds, round_configs, rounds_folder

ROUNDS = rounds_folder(CFG)
ROUND_CONFIGS = dict(round_configs(CFG))

# Rounds beyond rounds.n stay: the comparison leaves them out.
LEFT = [
    folder.name
    for folder in sorted(Path(ROUNDS).glob("round-*"))
    if folder.name not in ROUND_CONFIGS
]
if LEFT and workflow.is_main_process:
    sys.stderr.write(
        f"rounds.n is {CFG.rounds.n}: {', '.join(LEFT)} in {ROUNDS} stay as they are and are left out\n"
    )


for ROUND, ROUND_VALUES in ROUND_CONFIGS.items():
    ROUND_MODULE = ROUND.replace("-", "_")
    ROUND_PREFIX = f"{ROUND_MODULE}_"

    module:
        name: ROUND_MODULE
        snakefile:
            f"{workflow.basedir}/Snakefile"
        config:
            ROUND_VALUES

    use rule * from ROUND_MODULE as ROUND_PREFIX*


wildcard_constraints:
    round="[0-9]+",


rule keep:
    input:
        scores=f"{ROUNDS}/round-{{round}}/scores/{{kind}}.parquet",
        earlier=lambda wc: (
            [kept_file(CFG, wc.kind, int(wc.round) - 1)] if int(wc.round) else []
        ),
    output:
        f"{ROUNDS}/kept/{{kind}}-{{round}}.arrow",
        f"{ROUNDS}/kept/{{kind}}-{{round}}.decisions.parquet",
    log:
        f"{ROUNDS}/logs/keep-{{kind}}-{{round}}.log",
    conda:
        "../../envs/evaluate.yaml"
    threads: HALF
    resources:
        mem_mb=memory(8000),
        runtime=minutes(120),
    params:
        stage=stage(adit_config.KeepStage),
        run=lambda wc: f"{ROUNDS}/round-{wc.round}",
    message:
        "keep {wildcards.kind}s of round {wildcards.round}"
    shell:
        "python -m adit stage keep --config {params.stage:q} --run {params.run:q} --kind {wildcards.kind}"
        " --earlier {input.earlier:q} --out {output[0]:q} --workers {threads} --log {log:q}"


rule rounds:
    input:
        reports=[f"{ROUNDS}/{name}/report/index.html" for name in ROUND_CONFIGS],
        weights=[f"{ROUNDS}/{name}/weights/bundle.json" for name in ROUND_CONFIGS],
        kept=[
            kept_file(CFG, kind, number)
            for kind in kept_kinds(CFG)
            for number in range(CFG.rounds.n + 1)
        ],
    output:
        f"{ROUNDS}/comparison/index.html",
    log:
        f"{ROUNDS}/logs/rounds.log",
    conda:
        "../../envs/evaluate.yaml"
    params:
        runs=[f"{ROUNDS}/{name}" for name in ROUND_CONFIGS],
        out=f"{ROUNDS}/comparison",
    message:
        "put the rounds beside each other"
    shell:
        "python -m adit stage rounds --rounds {params.runs:q} --kept {input.kept:q} --out {params.out:q} --log {log:q}"
