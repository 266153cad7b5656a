# in:  everything of the run
# out: report/index.html with its scripts, report/manifest.json, summary.json, references.bib, figures/, tables/
# figures/ and tables/ are no declared outputs: Snakemake deletes a declared folder with all that is in it.


# It only writes what was computed elsewhere: seconds, where Snakemake runs.
localrules:
    page,


def baseline_of(folder):
    """Return when the scores of another run, which the page shows, were changed."""
    scores = Path(folder, "scores/summary.json") if folder else None
    return [str(scores.stat().st_mtime_ns)] if scores and scores.is_file() else []


rule page:
    input:
        rules.score.output,
        judge=JUDGE_HULL,
        lookup=LOOKUP,
        stability=STABILITY,
        samples=SAMPLES,
        dft=DFT_TABLES + MOLECULE_DFT_TABLES,
        data=DATA,
        stats=STATS,
    output:
        page=REPORT,
        manifest=f"{RUN}/report/manifest.json",
        summary=report(
            f"{RUN}/report/summary.json",
            caption="../report/summary.rst",
            category="Summary",
        ),
        citations=f"{RUN}/report/references.bib",
    log:
        f"{RUN}/logs/report.log",
    benchmark:
        f"{RUN}/benchmarks/report.tsv"
    conda:
        "../../envs/evaluate.yaml"
    resources:
        mem_mb=memory(8000),
        runtime=minutes(60),
    params:
        stage=stage(adit_config.ReportStage),
        run=RUN,
        out=f"{RUN}/report",
        config=as_it_is(CFG.model_dump_json()),
        baseline=as_it_is(baseline_of(CFG.report.baseline)),
    message:
        "write the report"
    shell:
        "python -m adit stage report --config {params.stage:q} --run {params.run:q} --out {params.out:q} --run-config {params.config:q}"
        " --log {log:q}"


DOSSIERS = [f"{RUN}/dossiers/index.html"] if CFG.report.dossiers else []


rule dossiers:
    input:
        rules.page.output.manifest,
        rules.score.output,
        lookup=LOOKUP,
        relaxed=RELAXED_SYSTEMS + MOLECULE_SYSTEMS,
        dft=DFT_TABLES + MOLECULE_DFT_TABLES,
        hull=rules.hull.output if PERIODIC else [],
        data=DATA,
    output:
        page=f"{RUN}/dossiers/index.html",
        table=f"{RUN}/dossiers/dossiers.csv",
    log:
        f"{RUN}/logs/dossiers.log",
    benchmark:
        f"{RUN}/benchmarks/dossiers.tsv"
    conda:
        "../../envs/evaluate.yaml"
    threads: ALL_CORES
    resources:
        mem_mb=memory(2000, per_thread=2000),
        runtime=minutes(60),
    params:
        stage=stage(adit_config.ReportStage),
        run=RUN,
        out=f"{RUN}/dossiers",
    message:
        "write dossiers of the best candidates"
    shell:
        "python -m adit stage dossiers --config {params.stage:q} --run {params.run:q} --out {params.out:q}"
        " --workers {threads} --log {log:q}"


onsuccess:
    if Path(REPORT).is_file():
        sys.stderr.write(f"\nreport: {Path(REPORT).resolve().as_uri()}\n")
