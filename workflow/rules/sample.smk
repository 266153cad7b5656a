# in:  vae/, dit/
# out: samples/<kind>/<shard>.arrow


rule sample:
    input:
        vae=rules.vae.output,
        dit=rules.dit.output,
    output:
        f"{RUN}/samples/{{kind}}/{{shard}}.arrow",
    log:
        f"{RUN}/logs/sample-{{kind}}-{{shard}}.log",
    benchmark:
        f"{RUN}/benchmarks/sample-{{kind}}-{{shard}}.tsv"
    conda:
        "../../envs/train.yaml"
    threads: HALF
    resources:
        mem_mb=16000,
        runtime=240,
        gpu=1,
    params:
        stage=stage(adit_config.SampleStage),
        vae=f"{RUN}/vae",
        dit=f"{RUN}/dit",
    message:
        "sample {wildcards.kind}s, shard {wildcards.shard}"
    shell:
        "python -m adit sample --config {params.stage:q} --vae {params.vae} --dit {params.dit}"
        " --kind {wildcards.kind} --shard {wildcards.shard} --out {output} --log {log}"
