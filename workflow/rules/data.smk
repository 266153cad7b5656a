# in:  public datasets (mirror, network) or the built-in set
# out: data/<dataset>.arrow, data/<dataset>.stats.json


def dataset_config(name):
    return next(dataset for dataset in CFG.data.datasets if dataset.name == name)


rule prepare:
    output:
        systems=f"{RUN}/data/{{dataset}}.arrow",
        stats=f"{RUN}/data/{{dataset}}.stats.json",
    log:
        f"{RUN}/logs/prepare-{{dataset}}.log",
    benchmark:
        f"{RUN}/benchmarks/prepare-{{dataset}}.tsv"
    conda:
        "../../envs/evaluate.yaml"
    resources:
        mem_mb=8000,
        runtime=120,
    params:
        stage=lambda wc: stage(
            adit_config.PrepareStage, dataset=dataset_config(wc.dataset)
        ),
    message:
        "prepare {wildcards.dataset}"
    shell:
        "python -m adit prepare --config {params.stage:q} --out {output.systems} --stats {output.stats} --log {log}"
