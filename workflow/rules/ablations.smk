# in:  data/<dataset>.arrow
# out: ablations/{autoencoders,denoisers}.csv, ablations/tables.md; on the way vae/, latents/, dit/, samples/ and scores/ of
#      every variant
# Every variant is trained, reconstructed, sampled and scored by the same verbs as the run.

ABLATIONS = f"{RUN}/ablations"
AUTOENCODERS = {name: CFG.autoencoder(name) for name in CFG.ablations.autoencoders}
DENOISERS = {name: CFG.denoiser(name) for name in CFG.ablations.denoisers}


def data_of(fields):
    """Return the prepared files that a variant is trained on."""
    return [f"{RUN}/data/{dataset.name}.arrow" for dataset in fields["data"].datasets]


def encoded_of(wc):
    """Return the folder of the autoencoder that a denoiser works with."""
    return f"{ABLATIONS}/vae/{CFG.ablations.denoisers[wc.variant].autoencoder}"


def sampled(wc):
    """Return the samples of a denoiser, one file a kind."""
    return [
        f"{ABLATIONS}/samples/{wc.variant}/{kind}.arrow"
        for kind in adit_config.kinds_of(DENOISERS[wc.variant]["data"])
    ]


wildcard_constraints:
    variant="[a-z0-9][a-z0-9.-]*",


rule ablation_vae:
    input:
        lambda wc: data_of(AUTOENCODERS[wc.variant]),
    output:
        weights=f"{ABLATIONS}/vae/{{variant}}/model.safetensors",
        config=f"{ABLATIONS}/vae/{{variant}}/config.json",
        metrics=f"{ABLATIONS}/vae/{{variant}}/metrics.csv",
    log:
        f"{RUN}/logs/ablation-vae-{{variant}}.log",
    conda:
        "../../envs/train.yaml"
    threads: HALF
    resources:
        mem_mb=lambda wc, attempt: 32000 * attempt,
        runtime=minutes(4320),
        gpu=1,
    params:
        stage=lambda wc: stage_json(adit_config.VaeStage, **AUTOENCODERS[wc.variant]),
        out=f"{ABLATIONS}/vae/{{variant}}",
        state=f"{RUN}/state/ablation-vae-{{variant}}",
    message:
        "ablation: train the autoencoder {wildcards.variant}"
    shell:
        "python -m adit stage vae --config {params.stage:q} --data {input:q} --out {params.out:q} --state {params.state:q} --log {log:q}"


rule ablation_reconstruct:
    input:
        vae=rules.ablation_vae.output,
        data=f"{RUN}/data/{{dataset}}.arrow",
    output:
        f"{ABLATIONS}/reconstructions/{{variant}}/{{dataset}}.json",
        f"{ABLATIONS}/reconstructions/{{variant}}/{{dataset}}.csv",
    log:
        f"{RUN}/logs/ablation-reconstruct-{{variant}}-{{dataset}}.log",
    conda:
        "../../envs/evaluate.yaml"
    threads: HALF
    resources:
        mem_mb=lambda wc, attempt: 16000 * attempt,
        runtime=minutes(120),
    params:
        vae=f"{ABLATIONS}/vae/{{variant}}",
        out=f"{ABLATIONS}/reconstructions/{{variant}}/{{dataset}}",
        limit=(
            [] if CFG.ablations.systems is None else ["--limit", CFG.ablations.systems]
        ),
    message:
        "ablation: reconstruct {wildcards.dataset} with {wildcards.variant}"
    shell:
        "python -m adit stage reconstruct --vae {params.vae:q} --data {input.data:q} --out {params.out:q} {params.limit:q}"
        " --workers {threads} --log {log:q}"


rule ablation_encode:
    input:
        data=f"{RUN}/data/{{dataset}}.arrow",
        vae=rules.ablation_vae.output,
    output:
        expand(
            f"{ABLATIONS}/latents/{{{{variant}}}}/{{{{dataset}}}}-{{view}}.arrow",
            view=VIEWS,
        ),
    log:
        f"{RUN}/logs/ablation-encode-{{variant}}-{{dataset}}.log",
    conda:
        "../../envs/train.yaml"
    threads: HALF
    resources:
        mem_mb=lambda wc, attempt: 16000 * attempt,
        runtime=minutes(240),
        gpu=1,
    params:
        stage=stage(adit_config.EncodeStage),
        vae=f"{ABLATIONS}/vae/{{variant}}",
    message:
        "ablation: encode {wildcards.dataset} with {wildcards.variant}"
    shell:
        "python -m adit stage encode --config {params.stage:q} --vae {params.vae:q} --data {input.data:q} --out {output:q} --log {log:q}"


rule ablation_dit:
    input:
        data=lambda wc: data_of(DENOISERS[wc.variant]),
        labels=lambda wc: labels_of(DENOISERS[wc.variant]["data"]),
        vae=lambda wc: f"{encoded_of(wc)}/model.safetensors",
        latents=lambda wc: [
            f"{ABLATIONS}/latents/{CFG.ablations.denoisers[wc.variant].autoencoder}/{dataset.name}-{view}.arrow"
            for dataset in DENOISERS[wc.variant]["data"].datasets
            for view in VIEWS
        ],
    output:
        weights=f"{ABLATIONS}/dit/{{variant}}/model.safetensors",
        config=f"{ABLATIONS}/dit/{{variant}}/config.json",
        metrics=f"{ABLATIONS}/dit/{{variant}}/metrics.csv",
    log:
        f"{RUN}/logs/ablation-dit-{{variant}}.log",
    conda:
        "../../envs/train.yaml"
    threads: HALF
    resources:
        mem_mb=lambda wc, attempt: 32000 * attempt,
        runtime=minutes(4320),
        gpu=1,
    params:
        stage=lambda wc: stage_json(adit_config.DitStage, **DENOISERS[wc.variant]),
        vae=encoded_of,
        out=f"{ABLATIONS}/dit/{{variant}}",
        state=f"{RUN}/state/ablation-dit-{{variant}}",
    message:
        "ablation: train the denoiser {wildcards.variant}"
    shell:
        "python -m adit stage dit --config {params.stage:q} --vae {params.vae:q} --data {input.data:q} --latents {input.latents:q}"
        " --labels {input.labels:q} --out {params.out:q} --state {params.state:q} --log {log:q}"


rule ablation_sample:
    input:
        vae=lambda wc: f"{encoded_of(wc)}/model.safetensors",
        dit=rules.ablation_dit.output,
        formulas=lambda wc: changed_of(wc.kind),
    output:
        f"{ABLATIONS}/samples/{{variant}}/{{kind}}.arrow",
    log:
        f"{RUN}/logs/ablation-sample-{{variant}}-{{kind}}.log",
    conda:
        SAMPLING
    threads: HALF
    resources:
        mem_mb=lambda wc, attempt: 16000 * attempt,
        runtime=minutes(240),
        gpu=1,
    params:
        stage=stage(adit_config.SampleStage),
        n=CFG.ablations.samples,
        vae=encoded_of,
        dit=f"{ABLATIONS}/dit/{{variant}}",
    message:
        "ablation: sample {wildcards.kind}s from {wildcards.variant}"
    shell:
        "python -m adit stage sample --config {params.stage:q} --vae {params.vae:q} --dit {params.dit:q} --kind {wildcards.kind}"
        " --n {params.n:q} --formulas-data {input.formulas:q} --out {output:q} --log {log:q}"


rule ablation_score:
    input:
        samples=sampled,
        data=lambda wc: data_of(DENOISERS[wc.variant]),
    output:
        f"{ABLATIONS}/scores/{{variant}}/summary.json",
    log:
        f"{RUN}/logs/ablation-score-{{variant}}.log",
    conda:
        "../../envs/evaluate.yaml"
    threads: HALF
    resources:
        mem_mb=lambda wc, attempt: 16000 * attempt,
        runtime=minutes(480),
    params:
        stage=stage(
            adit_config.ScoreStage,
            score=CFG.score.model_copy(
                update={"controls": 0, "posebusters": 0, "xtb": 0}
            ),
        ),
        out=f"{ABLATIONS}/scores/{{variant}}",
        samples=lambda wc, input: by_kind(input.samples),
    message:
        "ablation: score the samples of {wildcards.variant}"
    shell:
        "python -m adit stage score --config {params.stage:q} {params.samples:q} --data {input.data:q}"
        " --out {params.out:q} --workers {threads} --log {log:q}"


rule ablations:
    input:
        [
            f"{ABLATIONS}/reconstructions/{variant}/{dataset.name}.json"
            for variant, fields in AUTOENCODERS.items()
            for dataset in fields["data"].datasets
        ],
        expand(f"{ABLATIONS}/scores/{{variant}}/summary.json", variant=DENOISERS),
    output:
        autoencoders=f"{ABLATIONS}/autoencoders.csv",
        denoisers=f"{ABLATIONS}/denoisers.csv",
        tables=f"{ABLATIONS}/tables.md",
    log:
        f"{RUN}/logs/ablations.log",
    conda:
        "../../envs/evaluate.yaml"
    params:
        stage=stage(adit_config.AblationsStage),
        folder=ABLATIONS,
    message:
        "compare the variants"
    shell:
        "python -m adit stage ablations --config {params.stage:q} --folder {params.folder:q} --log {log:q}"
