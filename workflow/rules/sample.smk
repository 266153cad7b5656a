# in:  vae/, dit/
# out: samples/<kind>/<shard>.arrow; on request trajectories/<kind>.extxyz and tune/


def changed_of(kind):
    """Return the data whose formulas are changed by substitution, if those of a kind are."""
    if kind == "molecule" or CFG.sample.of_kind(kind).formulas != "substitution":
        return []
    return DATA


# Formulas by substitution need pymatgen and smact.
SAMPLING = f"../../envs/{'evaluate' if any(map(changed_of, KINDS)) else 'train'}.yaml"


# Evaluation starts at samples that are there: made elsewhere (sample.from), or before by this model. Then no rule makes
# them, so that nothing that happens to the models, missing or newer, can start a training.
if CFG.sample.from_ is not None:

    rule take:
        input:
            without_braces([CFG.sample.from_]),
        output:
            SAMPLES,
        log:
            f"{RUN}/logs/take.log",
        benchmark:
            f"{RUN}/benchmarks/take.tsv"
        conda:
            "../../envs/evaluate.yaml"
        threads: ALL_CORES
        resources:
            mem_mb=memory(8000),
            runtime=minutes(120),
        params:
            stage=stage(adit_config.TakeStage),
            seen=as_it_is(seen([CFG.sample.from_])),
            kinds=[word for kind in KINDS for word in (f"--{kind}", *samples_of(kind))],
        message:
            "take samples made elsewhere"
        shell:
            "python -m adit stage take --config {params.stage:q} {params.kinds:q} --workers {threads} --log {log:q}"

elif EVALUATION_ALONE:
    missing = [path for path in SAMPLES if not Path(path).is_file()]
    if missing:
        sys.stderr.write(
            f"error: evaluate: {missing[0]} is missing ({len(missing)} of {len(SAMPLES)} shards are);"
            " make them with the target `samples`, or name samples made elsewhere in sample.from\n"
        )
        sys.exit(3)

elif CFG.sample.command is not None:

    # A program of the user's writes the samples: nothing of the models is needed. What it reads is its own matter.
    rule sample:
        output:
            f"{RUN}/samples/{{kind}}/{{shard}}.arrow",
        log:
            f"{RUN}/logs/sample-{{kind}}-{{shard}}.log",
        benchmark:
            f"{RUN}/benchmarks/sample-{{kind}}-{{shard}}.tsv"
        conda:
            "../../envs/evaluate.yaml"
        threads: HALF
        resources:
            mem_mb=memory(16000),
            runtime=minutes(60),
            gpu=1,
            in_turn=1,
        params:
            stage=stage(adit_config.CommandStage),
            state=f"{RUN}/state/sample",
        message:
            "sample {wildcards.kind}s with sample.command, shard {wildcards.shard}"
        shell:
            "python -m adit stage sample-command --config {params.stage:q} --kind {wildcards.kind} --shard {wildcards.shard}"
            " --out {output:q} --state {params.state:q} --workers {threads} --log {log:q}"

else:

    def motif_of(kind):
        """Return the file whose atoms are held, if samples of a kind have one."""
        conditions = CFG.sample.conditions.of(kind)
        return [conditions.motif] if conditions.motif else []

    rule sample:
        input:
            vae=rules.vae.output,
            dit=rules.dit.output,
            motif=lambda wc: without_braces(motif_of(wc.kind)),
            formulas=lambda wc: changed_of(wc.kind),
        output:
            f"{RUN}/samples/{{kind}}/{{shard}}.arrow",
        log:
            f"{RUN}/logs/sample-{{kind}}-{{shard}}.log",
        benchmark:
            f"{RUN}/benchmarks/sample-{{kind}}-{{shard}}.tsv"
        conda:
            SAMPLING
        threads: HALF
        resources:
            mem_mb=memory(16000),
            runtime=minutes(60),
            gpu=1,
            in_turn=1,
        params:
            stage=stage(adit_config.SampleStage),
            seen=lambda wc: seen(motif_of(wc.kind)),
            vae=f"{RUN}/vae",
            dit=f"{RUN}/dit",
            state=f"{RUN}/state/sample",
        message:
            "sample {wildcards.kind}s, shard {wildcards.shard}"
        shell:
            "python -m adit stage sample --config {params.stage:q} --vae {params.vae:q} --dit {params.dit:q}"
            " --kind {wildcards.kind} --shard {wildcards.shard} --formulas-data {input.formulas:q}"
            " --out {output:q} --state {params.state:q} --log {log:q}"


rule trajectory:
    input:
        vae=rules.vae.output,
        dit=rules.dit.output,
        formulas=lambda wc: changed_of(wc.kind),
    output:
        f"{RUN}/trajectories/{{kind}}.extxyz",
    log:
        f"{RUN}/logs/trajectory-{{kind}}.log",
    conda:
        SAMPLING
    threads: HALF
    resources:
        mem_mb=memory(16000),
        runtime=minutes(60),
        gpu=1,
    params:
        stage=stage(adit_config.SampleStage),
        vae=f"{RUN}/vae",
        dit=f"{RUN}/dit",
    message:
        "decode the denoising path of {wildcards.kind}s"
    shell:
        "python -m adit stage trajectory --config {params.stage:q} --vae {params.vae:q} --dit {params.dit:q}"
        " --kind {wildcards.kind} --formulas-data {input.formulas:q} --out {output:q} --log {log:q}"


# Tuning: every point of the grid is sampled with a separate seed, scored by the commands of a run, and compared.
# Only one point runs on the machine at a time, so that times can be compared.
POINTS = {point.name: point for point in CFG.tune.points()}
TUNE_SEED = CFG.tune.seed_of(CFG.seed)


wildcard_constraints:
    point="[^/]+",


def tuning_stage(wc):
    point = POINTS[wc.point]
    return CFG.stage(
        adit_config.SampleStage, sample=CFG.sample.at(point), seed=TUNE_SEED
    ).model_dump_json()


rule tune_sample:
    input:
        vae=rules.vae.output,
        dit=rules.dit.output,
        formulas=lambda wc: changed_of(wc.kind),
    output:
        samples=f"{RUN}/tune/{{point}}/{{kind}}.arrow",
        timing=f"{RUN}/tune/{{point}}/{{kind}}.json",
    log:
        f"{RUN}/logs/tune-{{point}}-{{kind}}.log",
    conda:
        SAMPLING
    threads: ALL_CORES
    resources:
        mem_mb=memory(16000),
        runtime=minutes(240),
        gpu=1,
    params:
        stage=tuning_stage,
        n=CFG.tune.samples,
        vae=f"{RUN}/vae",
        dit=f"{RUN}/dit",
    message:
        "tuning: sample {wildcards.kind}s at {wildcards.point}"
    shell:
        "python -m adit stage sample --config {params.stage:q} --vae {params.vae:q} --dit {params.dit:q} --kind {wildcards.kind}"
        " --n {params.n:q} --formulas-data {input.formulas:q} --out {output.samples:q} --timing {output.timing:q} --log {log:q}"


rule tune_score:
    input:
        samples=expand(f"{RUN}/tune/{{{{point}}}}/{{kind}}.arrow", kind=KINDS),
        data=DATA,
    output:
        f"{RUN}/tune/{{point}}/scores/summary.json",
    log:
        f"{RUN}/logs/tune-{{point}}-score.log",
    conda:
        "../../envs/evaluate.yaml"
    threads: ALL_CORES
    resources:
        mem_mb=memory(16000),
        runtime=minutes(480),
    params:
        stage=stage(
            adit_config.ScoreStage,
            score=CFG.score.model_copy(update={"controls": 0, "posebusters": 0}),
        ),
        out=f"{RUN}/tune/{{point}}/scores",
        samples=lambda wc, input: by_kind(input.samples),
    message:
        "tuning: score {wildcards.point}"
    shell:
        "python -m adit stage score --config {params.stage:q} {params.samples:q} --data {input.data:q}"
        " --out {params.out:q} --workers {threads} --log {log:q}"


rule tune:
    input:
        scores=expand(f"{RUN}/tune/{{point}}/scores/summary.json", point=POINTS),
        timing=expand(f"{RUN}/tune/{{point}}/{{kind}}.json", point=POINTS, kind=KINDS),
    output:
        f"{RUN}/tune/points.csv",
        f"{RUN}/tune/pareto.csv",
        expand(
            f"{RUN}/tune/tune-{{kind}}.{{suffix}}", kind=KINDS, suffix=("svg", "png")
        ),
    log:
        f"{RUN}/logs/tune.log",
    conda:
        "../../envs/evaluate.yaml"
    params:
        stage=stage(adit_config.TuneStage),
        points=expand(f"{RUN}/tune/{{point}}", point=POINTS),
        out=f"{RUN}/tune",
    message:
        "compare the points of the grid"
    shell:
        "python -m adit stage tune --config {params.stage:q} --points {params.points:q} --out {params.out:q} --log {log:q}"


rule trajectories:
    input:
        expand(f"{RUN}/trajectories/{{kind}}.extxyz", kind=KINDS),
