# in:  samples/, relaxed/, hull/, dft/, data/
# out: scores/<kind>.parquet, scores/summary.json, scores/funnel.json


rule score:
    input:
        crystal=samples_of("crystal"),
        molecule=samples_of("molecule"),
        mof=samples_of("mof"),
        data=DATA,
        relaxed=RELAXED_TABLES,
        structures=RELAXED_SYSTEMS,
        hull=rules.hull.output if PERIODIC else [],
        dft=DFT_TABLES,
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
        hull=lambda wc, input: f"--hull {input.hull}" if input.hull else "",
    message:
        "score the samples"
    shell:
        "python -m adit score --config {params.stage:q} --crystal {input.crystal} --molecule {input.molecule} --mof {input.mof}"
        " --data {input.data} --relaxed {input.relaxed} {params.hull} --dft {input.dft}"
        " --out {params.out} --workers {threads} --log {log}"
