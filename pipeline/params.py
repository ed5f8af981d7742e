"""params.yaml as frozen, validated sections, one per stage; nothing else reads the file.

No field has a default: a key that is missing, misspelt or out of range is refused by name, and since every
stage validates the whole file, it is refused by the first stage that runs.
"""

import difflib
from collections.abc import MutableMapping
from pathlib import Path
from typing import Any, get_args

from pydantic import ValidationError, model_validator
from ruamel.yaml import YAML
from ruamel.yaml.error import YAMLError

from pipeline.errors import InputError
from pipeline.sections.contrast import (
    Cells as Cells,
    Embed as Embed,
    Encoder as Encoder,
    Jitter as Jitter,
    Pooling as Pooling,
    Pretrain as Pretrain,
    Views as Views,
)
from pipeline.sections.data import (
    Base as Base,
    DrawSample as DrawSample,
    ImageSource as ImageSource,
    PackImages as PackImages,
    PrepareWeights as PrepareWeights,
    Sweep as Sweep,
)
from pipeline.sections.evaluation import (
    Baseline as Baseline,
    BaselineName as BaselineName,
    BundlePredictor as BundlePredictor,
    Cluster as Cluster,
    DrawSplits as DrawSplits,
    Finetune as Finetune,
    FinetuneRates as FinetuneRates,
    LabelCrf as LabelCrf,
    MatchClusters as MatchClusters,
    MatchingProtocol as MatchingProtocol,
    ProbeLinear as ProbeLinear,
    Report as Report,
    RetrievalSheet as RetrievalSheet,
    Retrieve as Retrieve,
)
from pipeline.sections.saliency import (
    ComputePriors as ComputePriors,
    Crf as Crf,
    Dsr as Dsr,
    ExtractMasks as ExtractMasks,
    FusePseudolabels as FusePseudolabels,
    Hs as Hs,
    Mc as Mc,
    PredictSaliency as PredictSaliency,
    Rbd as Rbd,
    RefinePseudolabels as RefinePseudolabels,
    Regions as Regions,
    SaliencyNetwork as SaliencyNetwork,
    Scale as Scale,
    ScoreSaliency as ScoreSaliency,
    TrainBasnet as TrainBasnet,
)
from pipeline.sections.section import Section as Section


class Params(Section):
    """The whole of params.yaml."""

    base: Base
    sweep: Sweep
    draw_sample: DrawSample
    pack_images: PackImages
    prepare_weights: PrepareWeights
    compute_priors: ComputePriors
    refine_pseudolabels: RefinePseudolabels
    fuse_pseudolabels: FusePseudolabels
    train_basnet: TrainBasnet
    predict_saliency: PredictSaliency
    extract_masks: ExtractMasks
    pretrain: Pretrain
    embed: Embed
    cluster: Cluster
    match_clusters: MatchClusters
    bundle_predictor: BundlePredictor
    retrieve: Retrieve
    probe_linear: ProbeLinear
    draw_splits: DrawSplits
    finetune: Finetune
    score_baselines: dict[BaselineName, Baseline]
    score_saliency: ScoreSaliency
    report: Report

    @model_validator(mode="after")
    def _every_set_is_read(self) -> "Params":
        wanted, more = self.base.pretraining_set, self.pack_images.model_extra or {}
        if wanted != "target" and wanted not in more:
            raise ValueError(
                f"base.pretraining_set is {wanted!r}; name target, or a set beside the three in pack_images"
            )
        for name in more:
            if name != wanted:
                raise ValueError(
                    f"pack_images.{name} is read by no stage; name it in base.pretraining_set or remove it"
                )
        return self

    @model_validator(mode="after")
    def _the_predictor_has_a_clustering(self) -> "Params":
        chosen = self.bundle_predictor
        for key, value, known in (
            ("clusters", chosen.clusters, self.cluster.clusters),
            ("seed", chosen.seed, self.cluster.seeds),
            ("protocol", chosen.protocol, [name for name, _ in self.match_clusters]),
        ):
            if value not in known:
                listed = ", ".join(map(str, known))
                raise ValueError(f"bundle_predictor.{key} is {value!r}, which is none of {listed}; choose one of these")
        return self


def load(path: Path = Path("params.yaml"), origin: str = "") -> Params:
    """Read and check the whole file; InputError names the first wrong key, its value and what was expected.

    `origin` stands for the path in messages where the user does not know the file.
    """
    try:
        return Params.model_validate(read_mapping(path, YAML(typ="safe"), origin))
    except ValidationError as error:
        raise InputError(f"{origin or path}: {_sentence(error)}") from None


def read_mapping(path: Path, yaml: YAML, origin: str = "") -> MutableMapping:
    """The mapping in a YAML file; InputError names the line of bad syntax or of a key that is there twice."""
    try:
        content = yaml.load(path)
    except FileNotFoundError:
        raise InputError(f"{path} does not exist; run from the root of the repository") from None
    except YAMLError as error:
        mark, problem = getattr(error, "problem_mark", None), getattr(error, "problem", None)
        line = f", line {mark.line + 1}" if mark else ""
        raise InputError(f"{origin or path}{line}: {problem or str(error).splitlines()[0]}; correct it") from None
    if not isinstance(content, MutableMapping):
        found = "nothing" if content is None else f"{content!r:.60}"
        raise InputError(f"{origin or path} holds {found}, not keys with values; write them as in profiles/sample.yaml")
    return content


def _sentence(error: ValidationError) -> str:
    # A misspelt key is both "unknown" and "missing"; naming the unknown one helps more.
    first = min(error.errors(), key=lambda item: item["type"] != "extra_forbidden")
    key = ".".join(map(str, first["loc"]))
    if first["type"] == "extra_forbidden":
        known = _known_keys(first["loc"][:-1])
        close = difflib.get_close_matches(str(first["loc"][-1]), known, n=1)
        hint = f"did you mean {close[0]}?" if close else f"known keys are {', '.join(known)}"
        return f"{key} (value {first['input']!r}) is not a known key; {hint}"
    if first["type"] == "missing":
        return f"{key} is missing; add it (no parameter has a default)"
    if not key:  # two sections contradict each other
        return first["msg"].removeprefix("Value error, ")
    return f"{key} is {first['input']!r}; {first['msg'][0].lower()}{first['msg'][1:]}"


def _known_keys(location: tuple[int | str, ...]) -> list[str]:
    kind: Any = Params
    for part in location:
        kind = _kind_below(kind, str(part))
    return list(kind.model_fields)


def _kind_below(kind: Any, name: str) -> Any:
    """What stands under a key of a section, of a mapping, or in a list; the two hold sections of one kind."""
    if get_args(kind):
        return get_args(kind)[-1]
    field = kind.model_fields.get(name)
    return field.annotation if field else get_args(kind.__annotations__["__pydantic_extra__"])[-1]
