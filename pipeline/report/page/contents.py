"""The page of a whole run: which sections it has, and which fall away where nobody has drawn a label."""

from collections.abc import Callable, Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from pipeline.cluster_names import ClusterNames
from pipeline.cluster_store import ClusterStore
from pipeline.embedding_store import EmbeddingStore
from pipeline.packed import Packed
from pipeline.params import Params
from pipeline.report import tables
from pipeline.report.figures import Overlay
from pipeline.report.page import charts, clusters, headline, provenance, strips
from pipeline.report.page.blocks import Section
from pipeline.report.page.builder import save_page
from pipeline.report.page.graph import read_graph
from pipeline.report.run_facts import Run

GRAPH = Path("dvc.yaml")  # DVC refuses it as a dependency; a stage that is added brings results, which are one


class Inputs(NamedTuple):
    """What a page is made of: the folders with one file a set, the files of the target, results and profiles."""

    images: Path
    labels: Path
    priors: Path
    pseudolabels: Path
    saliency: Path
    masks: Path
    embeddings: Path
    clusters: Path
    results: Path
    profiles: Path


class Drawn(NamedTuple):
    """What the stage has made already: metrics, plots, rows of the overlays, names of clusters, the facts of the run.

    Without labels there are no facts.
    """

    metrics: Mapping[str, Any]
    plots: Path
    overlays: Sequence[Overlay]
    naming: ClusterNames
    run: Run | None


def save_run_page(path: Path, inputs: Inputs, params: Params, drawn: Drawn) -> None:
    """Write the page of a run that has finished."""
    source, images = params.pack_images.target.source, drawn.metrics["images"]["target"]["images"]
    labelled = len(Packed(inputs.labels / "target.h5", "labels"))
    about = f"{images:,} images, {f'{labelled:,}' if labelled else 'none'} of them labelled"
    state = provenance.code_state(GRAPH.absolute().parent)
    about += f". Profile {provenance.parameters_table(params.model_dump(), inputs.profiles)[0]}"
    about += f". Code at commit {state}." if state else "."
    save_page(path, f"MaskContrast on {source}", about, run_sections(inputs, params, drawn))


def run_sections(inputs: Inputs, params: Params, drawn: Drawn) -> list[Section]:
    """The sections that this run has anything for, in the order in which they are read."""
    found = [
        _glance(params, drawn),
        _label_maps(drawn),
        _saliency(inputs, params, drawn),
        *_groups(inputs, params, drawn),
        _scores(inputs, drawn),
        _training(inputs, params, drawn),
        _what_ran(inputs, params, drawn),
    ]
    return [section for section in found if section.blocks]


def _glance(params: Params, drawn: Drawn) -> Section:
    classes = len(drawn.run.data.classes) if drawn.run else 0
    numbers = headline.headline(drawn.metrics, classes, params.sweep.fractions)
    lead = "mIoU in percent on the labelled images, beside the network that training started from."
    if not drawn.run:
        lead = "No image has a label, so nothing is scored; everything else is as with labels."
    return Section("glance", "At a glance", lead, [numbers] if numbers.shown else [])


def _label_maps(drawn: Drawn) -> Section:
    lead = "From an image to its label map: what was found salient takes the colour of its group."
    return Section("label-maps", "Label maps", lead, strips.overlay_strips(drawn.overlays, drawn.naming.classes))


def _saliency(inputs: Inputs, params: Params, drawn: Drawn) -> Section:
    images, truth = (Packed(inputs.images / "benchmark.h5", "images"), Packed(inputs.labels / "benchmark.h5", "labels"))
    maps = {prior: inputs.priors / f"{prior}.h5" for prior in params.sweep.priors}
    maps |= {"fused": inputs.pseudolabels, "BAS-Net": inputs.saliency}
    blocks = [strips.chain_strip(images, truth, maps, inputs.masks / "benchmark.h5")]
    lead = (
        "Hand-crafted priors are refined and fused into pseudo-labels, these train BAS-Net, and its maps become masks."
    )
    return Section("saliency", "From priors to masks", lead, [*blocks, *headline.saliency_tables(drawn.metrics)])


def _groups(inputs: Inputs, params: Params, drawn: Drawn) -> list[Section]:
    images, labels = Packed(inputs.images / "target.h5", "images"), Packed(inputs.labels / "target.h5", "labels")
    stored, found = EmbeddingStore(inputs.embeddings), ClusterStore(inputs.clusters)
    chosen = params.bundle_predictor.clusters
    members = clusters.members_of(found, stored, chosen, params.bundle_predictor.seed)
    blocks = []
    if len(members.rows):
        names = drawn.naming.titles[1:]
        points, shares = clusters.map_points(images, stored, members)
        sheet = clusters.cluster_sheet(images, stored, members, names)
        blocks = [charts.embedding_map(points, names, shares), sheet]
    lead = (
        f"{len(members.rows):,} objects in {chosen - 1} clusters (K = {chosen} with the background), grouped by what "
        "their embeddings have in common. Predictions are made with these."
    )
    strip = strips.neighbour_strip(images, stored, found.ids, _names_of(stored, labels))
    near = "Objects beside those with the most similar embeddings."
    if len(labels):
        near += " Below each stands the class of most of its labelled pixels, framed where it is not the query's."
    return [
        Section("clusters", "Clusters", lead, blocks),
        Section("neighbours", "Nearest neighbours", near, [strip] if strip.rows else []),
    ]


def _names_of(stored: EmbeddingStore, labels: Packed) -> Callable[[str], str]:
    return partial(strips.true_class, stored, labels, labels.metadata["classes"])


def _scores(inputs: Inputs, drawn: Drawn) -> Section:
    blocks: list[Any] = []
    per_class = tables.iou_per_class(inputs.results)
    if drawn.run and per_class is not None:
        blocks = [charts.class_bars(per_class)]
        pixels = tables.confusion(inputs.results, drawn.run.data.classes)
        if pixels is not None:
            blocks.append(charts.confusion_map(np.asarray(pixels), drawn.run.data.classes))
        blocks += headline.paper_blocks(drawn.plots / "paper_tables.csv", drawn.run)
    title = "The paper's tables, and this run" if drawn.run and drawn.run.data.whole else "Scores"
    lead = (
        "mIoU in percent. The linear probe is that of its best epoch, as in the paper, with the last epoch beside it."
    )
    return Section("scores", title, lead, blocks)


def _training(inputs: Inputs, params: Params, drawn: Drawn) -> Section:
    blocks = []
    losses = tables.pretraining_losses(inputs.results)
    if losses is not None:
        for title, kept in {
            "Pretraining: losses": ["loss", "contrastive", "saliency"],
            "Pretraining: what it is watched for": ["accuracy", "embedding_std", "foreground", "replaced"],
        }.items():
            long = losses.melt("epoch", [name for name in kept if name in losses], "line", "value")
            if len(long):
                blocks.append(charts.curves(title, long, "line", "epoch", "value"))
    saliency = tables.saliency_losses(inputs.results, params.sweep.priors)
    if len(saliency):
        blocks.append(charts.curves("Saliency: losses of the networks", saliency, "network", "epoch", "loss", log=True))
    probe = tables.probe_validation(inputs.results)
    if probe is not None:
        blocks.append(charts.curves("Linear probe: mIoU on the test images", probe, "network", "epoch", "miou"))
    return Section("training", "Training curves", "One point an epoch.", blocks)


def _what_ran(inputs: Inputs, params: Params, drawn: Drawn) -> Section:
    values = params.model_dump()
    made = headline.made_by_stage(drawn.metrics, values)
    name, differing = provenance.parameters_table(values, inputs.profiles)
    lead = f"Stages from top to bottom; an arc leads to what reads them. Parameters are those of the profile {name}"
    lead += f", but for {len(differing.rows)} values." if differing.rows else ", all of them."
    files = [
        path for folder in (inputs.images, inputs.labels) for path in (folder / "target.h5", folder / "benchmark.h5")
    ]
    blocks = [read_graph(GRAPH, values, made), provenance.inputs_table([*files, inputs.embeddings, inputs.clusters])]
    return Section("run", "What ran", lead, [*blocks, differing] if differing.rows else blocks)
