"""Tables that `dvc plots` draws: losses of each epoch, IoU of each class."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pandas as pd
from jaxtyping import Int64


def save_tables(results: Path, priors: Sequence[str], digits: int, plots: Path) -> None:
    """Write all of them as CSV files into `plots`; those of saliency scores with so many significant digits."""
    plots.mkdir(parents=True, exist_ok=True)
    losses = pretraining_losses(results)
    if losses is not None:
        losses.to_csv(plots / "pretrain.csv", index=False)
    for name in ("scores", "gains"):
        table = pd.read_csv(results / "score_saliency" / f"{name}.csv")
        table.to_csv(plots / f"saliency_{name}.csv", index=False, float_format=f"%.{digits}g")
    saliency_losses(results, priors).to_csv(plots / "saliency_losses.csv", index=False)
    if scored(results):
        iou_per_class(results).to_csv(plots / "iou_per_class.csv", index=False)
        probe_validation(results).to_csv(plots / "probe_linear.csv", index=False)


def scored(results: Path) -> bool:
    """Whether label maps were there to score by."""
    return (results / "match_clusters" / "mapping.csv").exists()


def saliency_losses(results: Path, priors: Sequence[str]) -> pd.DataFrame:
    """Losses of the pseudo-label networks and of BAS-Net, one row an epoch, with the network's name."""
    folders = {f"refine {prior}": results / "refine_pseudolabels" / prior for prior in priors}
    folders |= {"fuse": results / "fuse_pseudolabels", "basnet": results / "train_basnet"}
    logs = {
        name: pd.read_csv(folder / "log.csv")[["epoch", "loss"]]
        for name, folder in folders.items()
        if (folder / "log.csv").read_text().strip()  # empty where a network was used as it came
    }
    return pd.concat(logs, names=["network"]).reset_index("network")


def pretraining_losses(results: Path) -> pd.DataFrame | None:
    """Losses of the pretraining, one row an epoch; None where published weights were used as they came."""
    log = results / "pretrain" / "log.csv"
    return pd.read_csv(log) if log.read_text().strip() else None


def iou_per_class(results: Path) -> pd.DataFrame:
    """IoU in percent, mean over seeds, of each class: K-means, retrieval and linear probe of MaskContrast.

    Of the linear probe it is the last epoch, since the best one is chosen on the images that are scored.
    """
    linear = _of_maskcontrast(pd.read_csv(results / "probe_linear" / "iou_per_class.csv"))
    kmeans = _of_protocol_a(pd.read_csv(results / "match_clusters" / "iou_per_class.csv"))
    classes = kmeans["class"].nunique()
    tables = {
        "K-means": kmeans[(kmeans["name"] == "maskcontrast") & (kmeans["clusters"] == classes)],
        "retrieval": _of_maskcontrast(pd.read_csv(results / "retrieve" / "iou_per_class.csv")),
        "linear": linear[linear["epoch"] == "last"],
    }
    means = {name: table.groupby("class", sort=False)["iou"].mean() for name, table in tables.items()}
    return pd.concat(means, names=["protocol"]).round(2).reset_index()


def _of_protocol_a(table: pd.DataFrame) -> pd.DataFrame:
    return table.loc[table["protocol"] == "a"]


def probe_validation(results: Path) -> pd.DataFrame:
    """MIoU in percent of the linear probe's evaluated epochs on squares of the test images, mean over seeds."""
    table = pd.read_csv(results / "probe_linear" / "validation.csv")
    means = table.rename(columns={"init": "network"}).pivot_table("miou", ["network", "epoch"], sort=False)
    return means.round(2).reset_index()


def _of_maskcontrast(table: pd.DataFrame) -> pd.DataFrame:
    return table.loc[table.iloc[:, 0] == "maskcontrast"]


def confusion(results: Path, classes: Sequence[str]) -> Int64[np.ndarray, "c c"] | None:
    """Pixels by predicted (rows) and true class (columns); None where no K equals the number of classes."""
    path = results / "match_clusters" / "confusion.csv"
    if not path.exists():
        return None
    table = pd.read_csv(path).pivot(index="predicted", columns="class", values="pixels")
    return table.loc[list(classes), list(classes)].to_numpy(dtype=np.int64)
