"""Small photographs of ten kinds of things, CIFAR-10, in their publisher's binary format.

Data: Krizhevsky 2009, "Learning Multiple Layers of Features from Tiny Images"; six files of
records, a byte for the kind and 3,072 for the pixels: cifar-10-binary.tar.gz of
www.cs.toronto.edu/~kriz. It could not be had where this was written, so no digest is stated and
``gristmill fetch`` does not know it: unpack it, and give the files by --sources
images=FOLDER/data_batch_*.bin images=FOLDER/test_batch.bin.
"""

from schemas.check import Check
from schemas.cifar10_jpg import CLASSES
from schemas.contract import Column, DatasetSpec, GivenSplit, Label, Source
from schemas.encode import Picture
from schemas.image import ImageShape
from schemas.near import NearImages

SHAPE = ImageShape(32, 32, 3, layout="planes")
_TRAIN = tuple(f"data_batch_{number}.bin" for number in range(1, 6))
_NAMES = ", ".join(f"'{name}'" for name in CLASSES)

IMAGES = Source(
    name="images",
    location=tuple(f"build/data/cifar10/{name}" for name in (*_TRAIN, "test_batch.bin")),
    format="records",
    record_bytes=(1, SHAPE.num_bytes),
    columns=(
        Column("image_id", "string", description="digest of the record and its file's name"),
        Column("kind", "int", is_outcome=True, description="what is to be seen, 0 to 9"),
        Column("image", "binary", image=SHAPE),
    ),
    content_key="image_id",
    primary_key=("image_id",),
    max_malformed_share=0.01,
    checks=(Check("between", ("kind",), minimum=0, maximum=255),),
)

SPEC = DatasetSpec(
    name="cifar10",
    title="CIFAR-10",
    question="Which of ten things does the picture show?",
    sources=(IMAGES,),
    # a kind beyond the ten is no declared class: its row goes to quarantine
    label=Label(
        "kind_of_thing",
        f"coalesce(get(array({_NAMES}), kind), concat('kind ', kind))",
        classes=CLASSES,
    ),
    split=GivenSplit(
        train=_TRAIN, test=("test_batch.bin",), columns=("image_id",), validation_share=0.1
    ),
    encodes=(Picture("image", SHAPE),),
    # published figures are of the split as it is: what the exam shares with training is said
    near_duplicates=NearImages("image", across="report", within="report"),
)
