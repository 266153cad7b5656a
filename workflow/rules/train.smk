# in:  data/<dataset>.arrow
# out: vae/, latents/<dataset>-<view>.arrow, dit/, weights/
# The resume state is in state/, which is not declared by a rule: Snakemake deletes the outputs of a failed job.


import json

# A training runs on the GPUs and nodes of its job: the profile says how many (gpu: of all nodes together).
TRAIN = f"{BASE}/workflow/scripts/train.sh {{resources.nodes}} {{resources.gpu}}"

# Weights that a run starts from, or uses unchanged.
BUNDLE = (
    []
    if CFG.model.source == "train"
    else without_braces([str(Path(CFG.model.weights) / "bundle.json")])
)

VIEWS = range(CFG.latents.views)
DATA = expand(f"{RUN}/data/{{dataset}}.arrow", dataset=DATASETS)
STATS = expand(f"{RUN}/data/{{dataset}}.stats.json", dataset=DATASETS)


def labels_of(data):
    """Return the tables of labels that are computed for a mixture."""
    names = data.molecules if CFG.labels.gaps else []
    return [f"{RUN}/data/{name}.labels.parquet" for name in names]


rule vae:
    input:
        data=DATA,
        stats=STATS,
        bundle=BUNDLE,
        machine=machine("gpu"),
    output:
        weights=f"{RUN}/vae/model.safetensors",
        config=f"{RUN}/vae/config.json",
        metrics=f"{RUN}/vae/metrics.csv",
    log:
        f"{RUN}/logs/vae.log",
    benchmark:
        f"{RUN}/benchmarks/vae.tsv"
    conda:
        "../../envs/train.yaml"
    threads: ALL_CORES
    resources:
        mem_mb=memory(32000),
        runtime=4320,
        gpu=1,
        nodes=1,
    params:
        stage=stage(adit_config.VaeStage),
        out=f"{RUN}/vae",
        state=f"{RUN}/state/vae",
    message:
        "train the autoencoder"
    shell:
        f"{TRAIN} stage vae --config {{params.stage:q}} --data {{input.data:q}} --out {{params.out:q}} --state {{params.state:q}} --log {{log:q}}"


rule encode:
    input:
        data=f"{RUN}/data/{{dataset}}.arrow",
        vae=rules.vae.output,
    output:
        expand(f"{RUN}/latents/{{{{dataset}}}}-{{view}}.arrow", view=VIEWS),
    log:
        f"{RUN}/logs/encode-{{dataset}}.log",
    benchmark:
        f"{RUN}/benchmarks/encode-{{dataset}}.tsv"
    conda:
        "../../envs/train.yaml"
    threads: HALF
    resources:
        mem_mb=memory(16000),
        runtime=minutes(240),
        gpu=1,
    params:
        stage=stage(adit_config.EncodeStage),
        vae=f"{RUN}/vae",
    message:
        "encode {wildcards.dataset}"
    shell:
        "python -m adit stage encode --config {params.stage:q} --vae {params.vae:q} --data {input.data:q} --out {output:q} --log {log:q}"


rule dit:
    input:
        data=DATA,
        stats=STATS,
        bundle=BUNDLE,
        vae=rules.vae.output,
        labels=labels_of(CFG.data),
        latents=expand(
            f"{RUN}/latents/{{dataset}}-{{view}}.arrow", dataset=DATASETS, view=VIEWS
        ),
    output:
        weights=f"{RUN}/dit/model.safetensors",
        config=f"{RUN}/dit/config.json",
        metrics=f"{RUN}/dit/metrics.csv",
    log:
        f"{RUN}/logs/dit.log",
    benchmark:
        f"{RUN}/benchmarks/dit.tsv"
    conda:
        "../../envs/train.yaml"
    threads: ALL_CORES
    resources:
        mem_mb=memory(32000),
        runtime=4320,
        gpu=1,
        nodes=1,
    params:
        stage=stage(adit_config.DitStage),
        vae=f"{RUN}/vae",
        out=f"{RUN}/dit",
        state=f"{RUN}/state/dit",
    message:
        "train the denoiser"
    shell:
        f"{TRAIN} stage dit --config {{params.stage:q}} --vae {{params.vae:q}} --data {{input.data:q}} --latents {{input.latents:q}}"
        " --labels {input.labels:q} --out {params.out:q} --state {params.state:q} --log {log:q}"


# The trained pair in files to ship; the settings of sampling that differ from the defaults go with it.
SUITED = {
    key: value
    for key, value in CFG.sample.model_dump(mode="json", exclude_defaults=True).items()
    if key in (*adit_config.OF_ONE_KIND, "by_kind")
}


rule bundle:
    input:
        vae=rules.vae.output,
        dit=rules.dit.output,
    output:
        f"{RUN}/weights/bundle.json",
    log:
        f"{RUN}/logs/bundle.log",
    benchmark:
        f"{RUN}/benchmarks/bundle.tsv"
    conda:
        "../../envs/train.yaml"
    resources:
        mem_mb=memory(4000),
        runtime=minutes(10),
    params:
        vae=f"{RUN}/vae",
        dit=f"{RUN}/dit",
        out=f"{RUN}/weights",
        sample=as_it_is([f"{key}={json.dumps(value)}" for key, value in SUITED.items()]),
    message:
        "pack the weights"
    shell:
        "python -m adit stage bundle --vae {params.vae:q} --dit {params.dit:q} --out {params.out:q} --log {log:q}"
        " --sample {params.sample:q}"
