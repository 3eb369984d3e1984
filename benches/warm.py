"""A run that has nothing to do: ten nodes over 158,000 rows, without and with 100,000 images on disk."""

import data
import stages
from measure import measured, run


def warm(bench, clip_model=None):
    folder = bench.folder("warm-images" if clip_model else "warm")
    data.annotations(folder / "annotations.json", images=bool(clip_model))
    for seed, name in enumerate(("score", "reward", "judge")):
        data.scores(folder / f"{name}.json", seed)
    images = folder / "images"
    if clip_model:
        data.images(images)
    else:
        images.mkdir(exist_ok=True)
        data.vectors(folder / "vectors.npy")
    made = stages.stages(clip_model)
    assert len(made) == 10
    (folder / "p.yaml").write_text(stages.trommel(made))
    (folder / "dvc.yaml").write_text(stages.dvc(made))
    for name, all_images in (("Snakefile", False), ("Snakefile.files", True)):
        (folder / name).write_text(stages.snakemake(made, all_images))

    case = "no-op, 10 nodes, 158k rows" + (", 100k images" if clip_model else "")
    target, ratio = (1.0, None) if clip_model else (0.1, 20)
    command = [bench.trommel, "run", "p.yaml"]
    bench.say(f"{case}: the first run of trommel takes {run(command, folder):.1f} s")
    ours = measured(command, folder, 9, "nothing to run: all 10 nodes are cached")
    bench.add(case, ours, target=target)

    peers = bench.peers
    peers.start_dvc(folder)
    command = [peers.dvc, "repro"]
    bench.say(f"{case}: the first run of dvc takes {run(command, folder, **peers.environment):.1f} s")
    theirs = measured(command, folder, 3, "Data and pipelines are up to date", **peers.environment)
    bench.add(case, ours, "dvc repro", theirs, target_ratio=ratio)

    variants = [("Snakefile", "snakemake")]
    if clip_model:
        variants = [("Snakefile", "snakemake, folder"), ("Snakefile.files", "snakemake, files")]
    for file, name in variants:
        command = [peers.snakemake, "--cores", "2", "--snakefile", file]
        run(command, folder, **peers.environment)
        theirs = measured(command, folder, 3, "Nothing to be done", **peers.environment)
        bench.add(case, ours, name, theirs, target_ratio=ratio)
