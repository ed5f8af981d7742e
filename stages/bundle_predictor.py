"""Bundle all that a prediction needs into one file, for `python -m pipeline.predict` and for use elsewhere.

`names.csv` beside it holds the names of the clusters, to be copied to data/raw, edited and set as
`bundle_predictor.names`.
"""

from pathlib import Path

from pipeline.cluster_names import read_names, write_table
from pipeline.contrast.predictor import bundle, save_predictor
from pipeline.params import load
from pipeline.runtime import log, run_stage


def main(encoder: Path, embeddings: Path, clusters: Path, names: Path, out: Path, results: Path) -> None:
    """Write the ENCODER with one of the CLUSTERS of its EMBEDDINGS to OUT, clusters called as NAMES has it."""
    chosen = load().bundle_predictor
    naming = read_names(names, chosen.clusters, chosen.seed, chosen.protocol)
    save_predictor(out, bundle(encoder, embeddings, clusters, chosen, naming))
    write_table(results / "names.csv", naming)
    log.info("bundled K %d, seed %d with the classes %s", chosen.clusters, chosen.seed, ", ".join(naming.classes))


if __name__ == "__main__":
    run_stage(main)
