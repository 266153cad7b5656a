# in:  samples/, relaxed/, hull/, dft/, data/
# out: checks/<kind>/<shard>.json, scores/<kind>.parquet, scores/summary.json, scores/funnel.json, stability/

CHECKED = [kind for kind in KINDS if kind != "crystal"]
CHECKS = [
    f"{RUN}/checks/{kind}/{shard}.json"
    for kind in CHECKED
    for shard in range(CFG.sample.n_shards(kind))
]


rule checks:
    input:
        shard=f"{RUN}/samples/{{kind}}/{{shard}}.arrow",
        samples=lambda wc: samples_of(wc.kind),
    output:
        f"{RUN}/checks/{{kind}}/{{shard}}.json",
    log:
        f"{RUN}/logs/checks-{{kind}}-{{shard}}.log",
    benchmark:
        f"{RUN}/benchmarks/checks-{{kind}}-{{shard}}.tsv"
    conda:
        "../../envs/evaluate.yaml"
    threads: HALF
    resources:
        mem_mb=memory(2000, per_thread=1500),
        runtime=minutes(60),
        in_turn=1,
    params:
        stage=stage(adit_config.ChecksStage),
    message:
        "check {wildcards.kind}s, shard {wildcards.shard}"
    shell:
        "python -m adit stage checks --config {params.stage:q} --kind {wildcards.kind} --samples {input.samples:q}"
        " --shard {input.shard:q} --out {output:q} --workers {threads} --log {log:q}"


rule score:
    input:
        crystal=samples_of("crystal"),
        molecule=samples_of("molecule"),
        mof=samples_of("mof"),
        data=DATA,
        relaxed=RELAXED_TABLES + MOLECULE_TABLES,
        structures=RELAXED_SYSTEMS + MOLECULE_SYSTEMS,
        hull=rules.hull.output if PERIODIC else [],
        dft=DFT_TABLES + MOLECULE_DFT_TABLES,
        judge=JUDGE_HULL,
        checks=CHECKS,
    output:
        tables=expand(f"{RUN}/scores/{{kind}}.parquet", kind=KINDS),
        summary=f"{RUN}/scores/summary.json",
        funnel=f"{RUN}/scores/funnel.json",
        measures=f"{RUN}/scores/measures.json",
        separation=f"{RUN}/scores/separation.json",
        card=f"{RUN}/scores/card.json",
    log:
        f"{RUN}/logs/score.log",
    benchmark:
        f"{RUN}/benchmarks/score.tsv"
    conda:
        "../../envs/evaluate.yaml"
    threads: ALL_CORES
    resources:
        mem_mb=memory(16000),
        runtime=minutes(480),
    params:
        stage=stage(adit_config.ScoreStage),
        out=f"{RUN}/scores",
        hull=lambda wc, input: ["--hull", *input.hull] if input.hull else [],
        judge=lambda wc, input: ["--judge", *input.judge] if input.judge else [],
    message:
        "score the samples"
    shell:
        "python -m adit stage score --config {params.stage:q} --crystal {input.crystal:q} --molecule {input.molecule:q} --mof {input.mof:q}"
        " --data {input.data:q} --relaxed {input.relaxed:q} {params.hull:q} {params.judge:q} --dft {input.dft:q} --checks {input.checks:q}"
        " --out {params.out:q} --workers {threads} --log {log:q}"


# Off unless the configuration asks for it.
STABILITY = (
    [f"{RUN}/stability/stability.parquet"]
    if CFG.sample.crystal and CFG.stability.top
    else []
)


rule check_stability:
    input:
        rules.score.output,
        structures=RELAXED_SYSTEMS,
        dft=DFT_TABLES,
    output:
        table=f"{RUN}/stability/stability.parquet",
        dos=f"{RUN}/stability/dos.parquet",
        structures=f"{RUN}/stability/relaxed.arrow",
    log:
        f"{RUN}/logs/check-stability.log",
    benchmark:
        f"{RUN}/benchmarks/check_stability.tsv"
    conda:
        "../../envs/evaluate.yaml"
    threads: ALL_CORES
    resources:
        mem_mb=memory(2000, per_thread=3000),
        runtime=minutes(480),
    params:
        stage=stage(adit_config.StabilityStage),
        run=RUN,
        cache=f"{RUN}/state/stability",
    message:
        "phonons of the best crystals"
    shell:
        "python -m adit stage check-stability --config {params.stage:q} --run {params.run:q} --out {output.table:q} --dos {output.dos:q}"
        " --structures {output.structures:q} --cache {params.cache:q} --workers {threads} --log {log:q}"


# Nothing is looked up unless the configuration names where.
LOOKUP = [f"{RUN}/known/known.parquet"] if CFG.lookup.used else []


# Compute nodes may have no network: it runs where Snakemake runs.
localrules:
    lookup,


rule lookup:
    input:
        rules.score.output,
        structures=RELAXED_SYSTEMS + MOLECULE_SYSTEMS,
        dft=DFT_TABLES,
        references=without_braces(CFG.lookup.references),
    output:
        f"{RUN}/known/known.parquet",
    log:
        f"{RUN}/logs/known.log",
    benchmark:
        f"{RUN}/benchmarks/lookup.tsv"
    conda:
        "../../envs/evaluate.yaml"
    threads: ALL_CORES
    resources:
        mem_mb=memory(8000),
        runtime=minutes(480),
    params:
        stage=stage(adit_config.KnownStage),
        run=RUN,
        cache=f"{RUN}/state/known",
        seen=as_it_is(seen(CFG.lookup.references)),
    message:
        "look up whether the candidates are known"
    shell:
        "python -m adit stage known --config {params.stage:q} --run {params.run:q} --out {output:q} --cache {params.cache:q}"
        " --workers {threads} --log {log:q}"
