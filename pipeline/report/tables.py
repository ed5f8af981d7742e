"""Tables that `dvc plots` draws: losses of each epoch, IoU of each class."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pandas as pd
from jaxtyping import Int64


def save_tables(results: Path, priors: Sequence[str], digits: int, plots: Path) -> None:
    """Write all of them as CSV files into `plots`; those of saliency scores with so many significant digits."""
    plots.mkdir(parents=True, exist_ok=True)
    tables = {
        "pretrain": pretraining_losses(results),
        "iou_per_class": iou_per_class(results),
        "probe_linear": probe_validation(results),
    }
    for name, table in tables.items():
        if table is not None:
            table.to_csv(plots / f"{name}.csv", index=False)
    for name in ("scores", "gains"):
        table = pd.read_csv(results / "score_saliency" / f"{name}.csv")
        table.to_csv(plots / f"saliency_{name}.csv", index=False, float_format=f"%.{digits}g")
    saliency_losses(results, priors).to_csv(plots / "saliency_losses.csv", index=False)


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


def iou_per_class(results: Path) -> pd.DataFrame | None:
    """IoU in percent, mean over seeds, of each class: K-means, retrieval and linear probe of MaskContrast.

    Of the linear probe it is the last epoch, since the best one is chosen on the images that are scored. What labels
    did not reach for is left out; None where that is all.
    """
    stages = {"K-means": "match_clusters", "retrieval": "retrieve", "linear": "probe_linear"}
    files = {name: results / stage / "iou_per_class.csv" for name, stage in stages.items()}
    tables = {name: _of_maskcontrast(pd.read_csv(file)) for name, file in files.items() if file.exists()}
    means = {name: _rows_to_show(table).pivot_table("iou", "class", sort=False) for name, table in tables.items()}
    return pd.concat(means, names=["protocol"]).round(2).reset_index() if means else None


def _rows_to_show(table: pd.DataFrame) -> pd.DataFrame:
    """Of K-means those of protocol a and K = the number of classes, of the linear probe those of the last epoch."""
    if "clusters" in table:
        return table.loc[(table["protocol"] == "a") & (table["clusters"] == table["class"].nunique())]
    return table.loc[table["epoch"] == "last"] if "epoch" in table else table


def probe_validation(results: Path) -> pd.DataFrame | None:
    """MIoU in percent of the linear probe's evaluated epochs on squares of the test images, mean over seeds.

    None where nothing was probed.
    """
    if not (results / "probe_linear" / "validation.csv").exists():
        return None
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
