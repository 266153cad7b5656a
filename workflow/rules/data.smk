# in:  public datasets (mirror, network), your own files, or the built-in set
# out: data/<dataset>.arrow, data/<dataset>.stats.json, data/<dataset>.labels.parquet
# Finished shards lie in state/, which no rule declares: Snakemake deletes the outputs of a failed job.


def own_files(name):
    """Return the files of a dataset of the user's own: it is prepared again when they change."""
    described = CFG.data.custom.get(name)
    if described is None:
        return []
    path = Path(described.path)
    return (
        sorted(
            str(file)
            for file in path.rglob("*")
            if file.is_file()
            and not file.name.startswith(".")
            and HIDDEN not in file.parts
        )
        if path.is_dir()
        else [str(path)]
    )


rule prepare:
    input:
        lambda wc: without_braces(own_files(wc.dataset)),
    output:
        systems=f"{RUN}/data/{{dataset}}.arrow",
        stats=f"{RUN}/data/{{dataset}}.stats.json",
    log:
        f"{RUN}/logs/prepare-{{dataset}}.log",
    benchmark:
        f"{RUN}/benchmarks/prepare-{{dataset}}.tsv"
    conda:
        "../../envs/evaluate.yaml"
    threads: HALF
    resources:
        mem_mb=memory(8000),
        runtime=minutes(120),
        in_turn=1,
    params:
        stage=lambda wc: stage_json(
            adit_config.PrepareStage,
            dataset=CFG.data.chosen(wc.dataset),
            custom=CFG.data.custom.get(wc.dataset),
        ),
        seen=lambda wc: seen(own_files(wc.dataset)),
        state=lambda wc: f"{RUN}/state/prepare/{wc.dataset}",
    message:
        "prepare {wildcards.dataset}"
    shell:
        "python -m adit stage prepare --config {params.stage:q} --out {output.systems:q} --stats {output.stats:q}"
        " --state {params.state:q} --workers {threads} --log {log:q}"


rule labels:
    input:
        f"{RUN}/data/{{dataset}}.arrow",
    output:
        f"{RUN}/data/{{dataset}}.labels.parquet",
    log:
        f"{RUN}/logs/labels-{{dataset}}.log",
    benchmark:
        f"{RUN}/benchmarks/labels-{{dataset}}.tsv"
    conda:
        "../../envs/evaluate.yaml"
    threads: HALF
    resources:
        mem_mb=memory(8000),
        runtime=minutes(120),
    params:
        stage=stage(adit_config.LabelsStage),
        state=lambda wc: f"{RUN}/state/labels/{wc.dataset}",
    message:
        "label {wildcards.dataset}"
    shell:
        "python -m adit stage labels --config {params.stage:q} --data {input:q} --out {output:q}"
        " --state {params.state:q} --workers {threads} --log {log:q}"
