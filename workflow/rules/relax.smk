# in:  samples/<kind>/<shard>.arrow, data/<dataset>.arrow
# out: relaxed/<kind>/<shard>.{parquet,arrow,extxyz}, of molecules .sdf too, judge/<kind>/<shard>.parquet, hull/{reference,hull,judge,dft}.parquet, dft/

RELAXED_TABLES = [f"{path}.parquet" for path in RELAXED]
RELAXED_SYSTEMS = [f"{path}.arrow" for path in RELAXED]
RELAXED_MOLECULES = [
    path.replace("/samples/molecule/", "/relaxed/molecule/").removesuffix(".arrow")
    for path in samples_of("molecule")
]
MOLECULE_TABLES = [f"{path}.parquet" for path in RELAXED_MOLECULES]
MOLECULE_SYSTEMS = [f"{path}.arrow" for path in RELAXED_MOLECULES]

# No judge, no jobs of it: the page says nothing of one.
JUDGE = PERIODIC and CFG.judge.engine is not None
JUDGED = (
    [path.replace("/relaxed/", "/judge/") for path in RELAXED_TABLES] if JUDGE else []
)
JUDGE_HULL = [f"{RUN}/hull/judge.parquet"] if JUDGE else []

DFT_TABLES = [f"{RUN}/dft/{shard}.parquet" for shard in range(CFG.n_dft_shards)]

PRESETS = f"{workflow.basedir}/config/dft"

# A changed preset reruns DFT. VASP's presets are atomate2's own and have no file.
DFT_PRESETS = [
    path
    for engine in (CFG.dft.engine, CFG.dft.fallback)
    for path in without_braces([f"{PRESETS}/{engine}-{CFG.dft.preset}.yaml"])
    if Path(path).is_file()
]

# Molecules go to DFT where select.molecule lets any.
MOLECULE_DFT_TABLES = [
    f"{RUN}/dft/molecules/{shard}.parquet" for shard in range(CFG.n_molecule_dft_shards)
]
MOLECULE_PRESETS = [
    path
    for engine in (CFG.dft.engine, CFG.dft.fallback)
    for path in without_braces(
        [
            f"{PRESETS}/{engine}-molecule-{CFG.dft_molecule_preset}.yaml",
            f"{PRESETS}/{engine}-{CFG.dft_molecule_preset}.yaml",
        ]
    )
    if Path(path).is_file()
]

# A hull for the DFT energies: the Materials Project for VASP's mp-gga, own references for every other method.
DFT_REFERENCES = PERIODIC and CFG.dft.references != "none"
DFT_HULL = (
    [f"{RUN}/hull/dft.parquet"]
    if PERIODIC and (DFT_REFERENCES or CFG.on_mp_hull)
    else []
)


rule relax:
    input:
        f"{RUN}/samples/{{kind}}/{{shard}}.arrow",
    output:
        table=f"{RUN}/relaxed/{{kind}}/{{shard}}.parquet",
        structures=f"{RUN}/relaxed/{{kind}}/{{shard}}.arrow",
        extxyz=f"{RUN}/relaxed/{{kind}}/{{shard}}.extxyz",
    log:
        f"{RUN}/logs/relax-{{kind}}-{{shard}}.log",
    benchmark:
        f"{RUN}/benchmarks/relax-{{kind}}-{{shard}}.tsv"
    wildcard_constraints:
        kind="crystal|mof",
    conda:
        "../../envs/evaluate.yaml"
    threads: HALF
    resources:
        mem_mb=memory(0, per_thread=3000),
        runtime=minutes(480),
    params:
        stage=stage(adit_config.RelaxStage),
        cache=f"{RUN}/state/relax",
    message:
        "pre-relax {wildcards.kind}s, shard {wildcards.shard}"
    shell:
        "python -m adit stage relax --config {params.stage:q} --samples {input:q} --out {output.table:q} --structures {output.structures:q}"
        " --extxyz {output.extxyz:q} --cache {params.cache:q} --workers {threads} --log {log:q}"


rule relax_molecules:
    input:
        f"{RUN}/samples/molecule/{{shard}}.arrow",
    output:
        table=f"{RUN}/relaxed/molecule/{{shard}}.parquet",
        structures=f"{RUN}/relaxed/molecule/{{shard}}.arrow",
        extxyz=f"{RUN}/relaxed/molecule/{{shard}}.extxyz",
        sdf=f"{RUN}/relaxed/molecule/{{shard}}.sdf",
    log:
        f"{RUN}/logs/relax-molecules-{{shard}}.log",
    benchmark:
        f"{RUN}/benchmarks/relax_molecules-{{shard}}.tsv"
    conda:
        "../../envs/evaluate.yaml"
    threads: HALF
    resources:
        mem_mb=memory(1000, per_thread=500),
        runtime=minutes(240),
        in_turn=1,
    params:
        stage=stage(adit_config.MoleculeRelaxStage),
        cache=f"{RUN}/state/relax",
    message:
        "relax molecules, shard {wildcards.shard}"
    shell:
        "python -m adit stage relax-molecules --config {params.stage:q} --samples {input:q} --out {output.table:q}"
        " --structures {output.structures:q} --extxyz {output.extxyz:q} --sdf {output.sdf:q} --cache {params.cache:q}"
        " --workers {threads} --log {log:q}"


# Servers are asked for the samples' chemical systems, where Snakemake runs: compute nodes may have no network.
if CFG.hull.is_live:

    localrules:
        reference,


rule reference:
    input:
        data=DATA if CFG.hull.reference == "builtin" else [],
        relaxed=RELAXED_TABLES if CFG.hull.is_live else [],
        structures=RELAXED_SYSTEMS if CFG.hull.is_live else [],
        machine=machine("cpu"),
    output:
        f"{RUN}/hull/reference.parquet",
    log:
        f"{RUN}/logs/reference.log",
    benchmark:
        f"{RUN}/benchmarks/reference.tsv"
    conda:
        "../../envs/evaluate.yaml"
    threads: HALF
    resources:
        mem_mb=memory(0, per_thread=3000),
        runtime=minutes(480),
    params:
        stage=stage(adit_config.ReferenceStage),
        cache=f"{RUN}/state/reference",
    message:
        "reference energies of the hull"
    shell:
        "python -m adit stage reference --config {params.stage:q} --data {input.data:q} --relaxed {input.relaxed:q}"
        " --out {output:q} --cache {params.cache:q} --workers {threads} --log {log:q}"


rule hull:
    input:
        relaxed=RELAXED_TABLES,
        structures=RELAXED_SYSTEMS,
        reference=rules.reference.output,
    output:
        f"{RUN}/hull/hull.parquet",
    log:
        f"{RUN}/logs/hull.log",
    benchmark:
        f"{RUN}/benchmarks/hull.tsv"
    conda:
        "../../envs/evaluate.yaml"
    threads: ALL_CORES if CFG.hull.competing == "prototypes" else 1
    resources:
        mem_mb=memory(
            8000, per_thread=3000 if CFG.hull.competing == "prototypes" else 0
        ),
        runtime=minutes(480 if CFG.hull.competing == "prototypes" else 60),
    params:
        stage=stage(adit_config.HullStage),
        cache=f"{RUN}/state/prototypes.parquet",
    message:
        "energies above the hull"
    shell:
        "python -m adit stage hull --config {params.stage:q} --relaxed {input.relaxed:q} --reference {input.reference:q}"
        " --cache {params.cache:q} --workers {threads} --out {output:q} --log {log:q}"


rule judge:
    input:
        f"{RUN}/relaxed/{{kind}}/{{shard}}.arrow",
    output:
        f"{RUN}/judge/{{kind}}/{{shard}}.parquet",
    log:
        f"{RUN}/logs/judge-{{kind}}-{{shard}}.log",
    benchmark:
        f"{RUN}/benchmarks/judge-{{kind}}-{{shard}}.tsv"
    conda:
        "../../envs/evaluate.yaml"
    threads: HALF
    resources:
        mem_mb=memory(0, per_thread=3000),
        runtime=minutes(480),
    params:
        stage=stage(adit_config.JudgeStage),
        cache=f"{RUN}/state/judge",
    message:
        "judge {wildcards.kind}s, shard {wildcards.shard}"
    shell:
        "python -m adit stage judge --config {params.stage:q} --structures {input:q} --out {output:q} --cache {params.cache:q}"
        " --workers {threads} --log {log:q}"


rule judge_hull:
    input:
        structures=RELAXED_SYSTEMS,
        judged=JUDGED,
        hull=rules.hull.output,
        reference=rules.reference.output,
        data=DATA if CFG.hull.reference == "builtin" else [],
    output:
        f"{RUN}/hull/judge.parquet",
    log:
        f"{RUN}/logs/judge-hull.log",
    benchmark:
        f"{RUN}/benchmarks/judge_hull.tsv"
    conda:
        "../../envs/evaluate.yaml"
    threads: ALL_CORES
    resources:
        mem_mb=memory(0, per_thread=3000),
        runtime=minutes(480),
    params:
        stage=stage(adit_config.JudgeStage),
        cache=f"{RUN}/state/judge",
        prototypes=f"{RUN}/state/prototypes.parquet",
    message:
        "the judge's hull and verdicts"
    shell:
        "python -m adit stage judge-hull --config {params.stage:q} --structures {input.structures:q} --judged {input.judged:q}"
        " --hull {input.hull:q} --reference {input.reference:q} --data {input.data:q} --out {output:q} --cache {params.cache:q}"
        " --prototypes {params.prototypes:q} --workers {threads} --log {log:q}"


rule select:
    input:
        relaxed=RELAXED_TABLES,
        structures=RELAXED_SYSTEMS,
        hull=rules.hull.output,
        judge=JUDGE_HULL,
        presets=DFT_PRESETS,
    output:
        f"{RUN}/dft/selected.parquet",
    log:
        f"{RUN}/logs/select.log",
    benchmark:
        f"{RUN}/benchmarks/select.tsv"
    conda:
        "../../envs/evaluate.yaml"
    resources:
        mem_mb=memory(8000),
        runtime=minutes(60),
    params:
        stage=stage(adit_config.SelectStage),
        settings=as_it_is(PRESETS),
        judge=lambda wc, input: ["--judge", *input.judge] if input.judge else [],
    message:
        "select structures for DFT"
    shell:
        "python -m adit stage select --config {params.stage:q} --relaxed {input.relaxed:q} --hull {input.hull:q} {params.judge:q} --out {output:q}"
        " --settings {params.settings:q} --log {log:q}"


rule dft:
    input:
        selected=rules.select.output,  # made again whenever a relaxed shard is
        presets=DFT_PRESETS,
        machine=machine("cpu"),
    output:
        table=f"{RUN}/dft/{{shard}}.parquet",
        structures=f"{RUN}/dft/{{shard}}.arrow",
    log:
        f"{RUN}/logs/dft-{{shard}}.log",
    benchmark:
        f"{RUN}/benchmarks/dft-{{shard}}.tsv"
    conda:
        "../../envs/evaluate.yaml"
    threads: ALL_CORES
    resources:
        mem_mb=memory(0, per_thread=4000),
        runtime=minutes(1440),
    params:
        stage=stage(adit_config.DftStage),
        relaxed=RELAXED_TABLES,  # no input: 100 shards of 100 files would make the DAG of the paper's run half as slow again
        folder=f"{RUN}/dft",
        settings=as_it_is(PRESETS),
    message:
        "DFT, shard {wildcards.shard}"
    shell:
        "python -m adit stage dft --config {params.stage:q} --selected {input.selected:q} --relaxed {params.relaxed:q} --shard {wildcards.shard}"
        " --folder {params.folder:q} --out {output.table:q} --structures {output.structures:q} --workers {threads}"
        " --settings {params.settings:q} --log {log:q}"


rule select_molecules:
    input:
        relaxed=MOLECULE_TABLES,
        structures=MOLECULE_SYSTEMS,
        data=DATA,
        presets=MOLECULE_PRESETS,
    output:
        f"{RUN}/dft/selected-molecules.parquet",
    log:
        f"{RUN}/logs/select-molecules.log",
    benchmark:
        f"{RUN}/benchmarks/select_molecules.tsv"
    conda:
        "../../envs/evaluate.yaml"
    resources:
        mem_mb=memory(8000),
        runtime=minutes(60),
    params:
        stage=stage(adit_config.MoleculeSelectStage),
        settings=as_it_is(PRESETS),
    message:
        "select molecules for DFT"
    shell:
        "python -m adit stage select-molecules --config {params.stage:q} --relaxed {input.relaxed:q} --data {input.data:q}"
        " --out {output:q} --settings {params.settings:q} --log {log:q}"


rule dft_molecules:
    input:
        selected=rules.select_molecules.output,
        presets=MOLECULE_PRESETS,
        machine=machine("cpu"),
    output:
        table=f"{RUN}/dft/molecules/{{shard}}.parquet",
        structures=f"{RUN}/dft/molecules/{{shard}}.arrow",
    log:
        f"{RUN}/logs/dft-molecules-{{shard}}.log",
    benchmark:
        f"{RUN}/benchmarks/dft_molecules-{{shard}}.tsv"
    conda:
        "../../envs/evaluate.yaml"
    threads: ALL_CORES
    resources:
        mem_mb=memory(0, per_thread=2000),
        runtime=minutes(1440),
    params:
        stage=stage(adit_config.MoleculeDftStage),
        relaxed=MOLECULE_TABLES,
        folder=f"{RUN}/dft",
        settings=as_it_is(PRESETS),
    message:
        "DFT of molecules, shard {wildcards.shard}"
    shell:
        "python -m adit stage dft --molecules --config {params.stage:q} --selected {input.selected:q} --relaxed {params.relaxed:q}"
        " --shard {wildcards.shard} --folder {params.folder:q} --out {output.table:q} --structures {output.structures:q}"
        " --workers {threads} --settings {params.settings:q} --log {log:q}"


rule dft_references:
    input:
        relaxed=DFT_TABLES,
        structures=[path.replace(".parquet", ".arrow") for path in DFT_TABLES],
        data=DATA,
        presets=DFT_PRESETS,
    output:
        f"{RUN}/dft/references.parquet",
    log:
        f"{RUN}/logs/dft-references.log",
    benchmark:
        f"{RUN}/benchmarks/dft_references.tsv"
    conda:
        "../../envs/evaluate.yaml"
    threads: ALL_CORES
    resources:
        mem_mb=memory(0, per_thread=4000),
        runtime=minutes(1440),
    params:
        stage=stage(adit_config.DftStage),
        folder=f"{RUN}/dft",
        settings=as_it_is(PRESETS),
    message:
        "DFT of elements and competing phases"
    shell:
        "python -m adit stage dft-references --config {params.stage:q} --relaxed {input.relaxed:q} --data {input.data:q}"
        " --folder {params.folder:q} --out {output:q} --workers {threads} --settings {params.settings:q} --log {log:q}"


rule dft_hull:
    input:
        relaxed=DFT_TABLES,
        structures=[path.replace(".parquet", ".arrow") for path in DFT_TABLES],
        reference=(
            rules.dft_references.output if DFT_REFERENCES else rules.reference.output
        ),
    output:
        f"{RUN}/hull/dft.parquet",
    log:
        f"{RUN}/logs/dft-hull.log",
    benchmark:
        f"{RUN}/benchmarks/dft_hull.tsv"
    conda:
        "../../envs/evaluate.yaml"
    resources:
        mem_mb=memory(8000),
        runtime=minutes(60),
    params:
        stage=stage(adit_config.HullStage),
    message:
        "DFT energies above the hull"
    shell:
        "python -m adit stage hull --config {params.stage:q} --relaxed {input.relaxed:q} --reference {input.reference:q}"
        " --out {output:q} --log {log:q}"
