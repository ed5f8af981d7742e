"""Names of clusters: the classes that the labels matched them with, or those of a table that somebody wrote.

Clusters are numbered as in label maps: 0 is the background, 1 to K - 1 are those of objects. A table is a CSV file with
the columns `cluster` and `name`, a line for each cluster that has a name. Several may have the same one, that of the
background too, which takes a cluster that holds no objects out of exports.
"""

import csv
import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import NamedTuple

import h5py
import numpy as np
from jaxtyping import UInt8

from pipeline.errors import InputError
from pipeline.packed import replacing
from pipeline.runtime import log

BACKGROUND = "background"
COLUMNS = ("cluster", "name")


class ClusterNames(NamedTuple):
    """`names[k]` is that of cluster k, `cluster 5` where nobody gave one; `classes` are all names, background first."""

    names: list[str]
    classes: list[str]

    @property
    def class_of(self) -> UInt8[np.ndarray, " k"]:
        """The index into `classes` of every cluster."""
        return np.array([self.classes.index(name) for name in self.names], dtype=np.uint8)

    @property
    def titles(self) -> list[str]:
        """Every cluster by its number, the background too, with the name that it has besides: `cluster 5: cat`."""
        numbers = [f"cluster {k}" for k in range(len(self.names))]
        pairs = zip(numbers, self.names, strict=True)
        return [number if name == number else f"{number}: {name}" for number, name in pairs]


def named(given: Mapping[int, str], clusters: int, classes: Sequence[str] = (BACKGROUND,)) -> ClusterNames:
    """Names of all `clusters` (background included) of which some are `given`.

    `classes` come first in the order of classes, then names in the order in which they are given.
    """
    names = [classes[0], *(given.get(k, f"cluster {k}") for k in range(1, clusters))]
    return ClusterNames(names, list(dict.fromkeys([*classes, *given.values(), *names])))


def read_names(source: Path, clusters: int, seed: int, protocol: str) -> ClusterNames:
    """The names that `source` gives: a table, or the results of the stage `match_clusters`."""
    if not source.is_dir():
        return read_table(source, clusters)
    return matched_names(source, clusters, seed, protocol)


def matched_names(results: Path, clusters: int, seed: int, protocol: str) -> ClusterNames:
    """What one protocol of `match_clusters` calls the clusters of MaskContrast; no names where there was no label.

    Cluster 0 is what is not salient, and keeps the name of the background, whatever it was matched with.
    """
    mapping = results / "mapping.csv"
    if not mapping.exists():
        return named({}, clusters)
    wanted = {"name": "maskcontrast", "clusters": str(clusters), "seed": str(seed), "protocol": protocol}
    with mapping.open(newline="") as file:
        rows = [row for row in csv.DictReader(file) if wanted.items() <= row.items()]
    with h5py.File(results / "confusions.h5") as file:
        classes = json.loads(str(file.attrs["classes"]))
    given = {int(row["cluster"]): row["class"] for row in rows}
    if (matched := given.pop(0, classes[0])) != classes[0]:
        log.warning("what is not salient was scored as %s, and is called %s in names all the same", matched, classes[0])
    return named(given, clusters, classes)


def read_table(path: Path, clusters: int) -> ClusterNames:
    """The names in a table; InputError names the line of a cluster that is unknown, twice there or has no name."""
    try:
        with path.open(newline="", encoding="utf-8-sig") as file:
            lines = csv.DictReader(file, restkey="", restval="")
            columns, rows = lines.fieldnames or [], [(lines.line_num, row) for row in lines]
    except (OSError, UnicodeDecodeError, csv.Error) as error:
        raise InputError(f"{path} cannot be read ({type(error).__name__}); give a CSV file in UTF-8") from None
    if not set(COLUMNS) <= {column.strip() for column in columns}:
        found = ", ".join(map(repr, columns)) or "none"
        raise InputError(f"{path} needs the columns cluster and name in its first line and has {found}; add them")
    given: dict[int, str] = {}
    for line, row in rows:
        cells = {column.strip(): str(value).strip() for column, value in row.items()}
        cluster, name = _checked(f"{path}, line {line}", cells["cluster"], cells["name"], clusters)
        if cluster in given:
            raise InputError(f"{path}, line {line}: cluster {cluster} is there twice; keep one of its names")
        given[cluster] = name
    if not given:
        raise InputError(f"{path} names no cluster; add a line such as `1,cat`, or leave the file out")
    return named(given, clusters)


def _checked(where: str, cluster: str, name: str, clusters: int) -> tuple[int, str]:
    number = int(cluster) if cluster.isascii() and cluster.isdecimal() else 0
    if not 1 <= number < clusters:
        raise InputError(
            f"{where}: cluster {cluster!r} is none of the clusters 1 to {clusters - 1}; correct the number"
        )
    if not name:
        raise InputError(f"{where}: cluster {number} has an empty name; write one, or leave the line out")
    return number, name


def write_table(path: Path, naming: ClusterNames) -> None:
    """Write the names of all clusters but the background, to be read again by `read_table`."""
    with replacing(path) as temporary, temporary.open("w", newline="", encoding="utf-8") as file:
        writer = csv.writer(file, lineterminator="\n")
        writer.writerow(COLUMNS)
        writer.writerows(list(enumerate(naming.names))[1:])
