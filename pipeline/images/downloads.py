"""The data sets that `pipeline.images.download` can fetch: addresses of their own hosts, checksums, what goes where.

A checksum stands here when it was published: VOC's and SBD's by torchvision, COCO's by TensorFlow Datasets, that of
PASCAL-S by pysaliency. For the others the first download decides.
"""

from dataclasses import dataclass
from fnmatch import fnmatchcase


@dataclass(frozen=True)
class Part:
    """What of an archive goes where: names that match `pattern` to `to` below data/raw.

    With a `*` in the pattern, `to` is a folder that holds the files side by side; without, it is the file. A name may
    lead through a zip file inside the archive.
    """

    pattern: str
    to: str

    @property
    def is_folder(self) -> bool:
        """Whether the part is many files."""
        return "*" in self.pattern

    def holds(self, name: str) -> bool:
        """Whether the member of that name belongs to the part; hidden files do not."""
        return fnmatchcase(name, self.pattern) and not name.rpartition("/")[2].startswith(".")


@dataclass(frozen=True)
class Archive:
    """A file to fetch; `checksum` is `md5:...` or `sha256:...`, or empty where none is published."""

    url: str
    parts: tuple[Part, ...]
    checksum: str = ""
    renamed: str = ""

    @property
    def file(self) -> str:
        """Its name in data/raw: the last part of the address, but where that says too little."""
        return self.renamed or self.url.rpartition("/")[2]


@dataclass(frozen=True)
class DataSet:
    """Archives, and what to know; a set without archives has to be placed by hand."""

    title: str
    archives: tuple[Archive, ...]
    note: str = ""


VOC = "VOCdevkit/VOC2012"
SBD = "benchmark_RELEASE/dataset"
PANOPTIC = "annotations/panoptic_"
ONE_MSRA = "its images go to data/raw/msra, as those of the other MSRA set do: fetch one of the two"

SETS = {
    "voc": DataSet(
        "PASCAL VOC 2012, segmentation, 2 GB",
        (
            Archive(
                "http://host.robots.ox.ac.uk/pascal/VOC/voc2012/VOCtrainval_11-May-2012.tar",
                (
                    Part(f"{VOC}/JPEGImages/*.jpg", "voc/JPEGImages"),
                    Part(f"{VOC}/SegmentationClass/*.png", "voc/SegmentationClass"),
                    Part(f"{VOC}/ImageSets/Segmentation/*.txt", "voc/ImageSets/Segmentation"),
                ),
                "md5:6cd6e144f989b92b3379bac3b3de84fd",
            ),
        ),
    ),
    "sbd": DataSet(
        "SBD, the labels of trainaug beside VOC's, 1.4 GB",
        (
            Archive(
                "https://www2.eecs.berkeley.edu/Research/Projects/CS/vision/grouping/semantic_contours/benchmark.tgz",
                (
                    Part(f"{SBD}/cls/*.mat", "voc/SBD/dataset/cls"),
                    Part(f"{SBD}/train.txt", "voc/SBD/dataset/train.txt"),
                    Part(f"{SBD}/val.txt", "voc/SBD/dataset/val.txt"),
                ),
                "md5:82b4d87ceb2ed10f6038a1cba92111cb",
            ),
        ),
    ),
    "coco": DataSet(
        "COCO 2017, images and panoptic labels of train and val, 21 GB",
        (
            Archive(
                "http://images.cocodataset.org/annotations/panoptic_annotations_trainval2017.zip",
                tuple(
                    part
                    for name in ("train2017", "val2017")
                    for part in (
                        Part(f"{PANOPTIC}{name}.json", f"coco/{PANOPTIC}{name}.json"),
                        Part(f"{PANOPTIC}{name}.zip/panoptic_{name}/*.png", f"coco/{PANOPTIC}{name}"),
                    )
                ),
                "sha256:c05f76d2129b6b561eb70efe16e7006df62f73fb92889132d373b9d90e31a370",
            ),
            Archive(
                "http://images.cocodataset.org/zips/val2017.zip",
                (Part("val2017/*.jpg", "coco/val2017"),),
                "sha256:4f7e2ccb2866ec5041993c9cf2a952bbed69647b115d0f74da7ce8f4bef82f05",
            ),
            Archive(
                "http://images.cocodataset.org/zips/train2017.zip",
                (Part("train2017/*.jpg", "coco/train2017"),),
                "sha256:69a8bb58ea5f8f99d24875f21416de2e9ded3178e903f1f7603e283b9e06d929",
            ),
        ),
    ),
    "msra_b": DataSet(
        "MSRA-B, 5,000 images to learn saliency on, 0.1 GB",
        (Archive("http://mftp.mmcheng.net/Data/MSRA-B.zip", (Part("MSRA-B/*.jpg", "msra"),)),),
        ONE_MSRA,
    ),
    "msra10k": DataSet(
        "MSRA10K, 10,000 images to learn saliency on, 0.2 GB",
        (Archive("http://mftp.mmcheng.net/Data/MSRA10K_Imgs_GT.zip", (Part("MSRA10K_Imgs_GT/Imgs/*.jpg", "msra"),)),),
        ONE_MSRA,
    ),
    "ecssd": DataSet(
        "ECSSD, 1,000 images with masks to score saliency with, 0.1 GB",
        tuple(
            Archive(
                f"https://www.cse.cuhk.edu.hk/leojia/projects/hsaliency/data/ECSSD/{name}.zip",
                (Part(f"{name}/*.{suffix}", f"benchmark/ecssd/{to}"),),
                renamed=f"ECSSD_{name}.zip",
            )
            for name, suffix, to in (("images", "jpg", "images"), ("ground_truth_mask", "png", "masks"))
        ),
    ),
    "pascal_s": DataSet(
        "PASCAL-S, 850 images with masks to score saliency with, 0.2 GB",
        (
            Archive(
                "http://cbs.ic.gatech.edu/salobj/download/salObj.zip",
                (
                    Part("datasets/imgs/pascal/*.jpg", "benchmark/pascal_s/images"),
                    Part("datasets/masks/pascal/*.png", "benchmark/pascal_s/masks"),
                ),
                "md5:e48b4e5deac08bddcaec55ce56e4d420",
            ),
        ),
        "no stable address: its host has been away and its certificate invalid for years, so a mirror may be needed",
    ),
    "duts_tr": DataSet(
        "DUTS-TR, 10,553 images with masks for the profile supervised_saliency, 0.3 GB",
        (
            Archive(
                "http://saliencydetection.net/duts/download/DUTS-TR.zip",
                (
                    Part("DUTS-TR/DUTS-TR-Image/*.jpg", "duts/duts_tr/images"),
                    Part("DUTS-TR/DUTS-TR-Mask/*.png", "duts/duts_tr/masks"),
                ),
            ),
        ),
    ),
    "imagenet": DataSet(
        "ImageNet (ILSVRC 2012), 1.28 million images, 138 GB",
        (),
        "it has no public address: register at image-net.org, unpack ILSVRC2012_img_train.tar and the archives in it"
        " to data/raw/imagenet/n01440764/*.JPEG and so on",
    ),
}
