"""Diabetic inpatients of 130 US hospitals, 1999 to 2008: will this one be back within 30 days?

Data: Strack et al., "Impact of HbA1c Measurement on Hospital Readmission Rates", BioMed Research
International 2014, UCI Machine Learning Repository (CC BY 4.0). The question is asked at discharge.
A patient may come several times: all of a patient's stays lie in one split.

What the codes of admission and discharge mean stands in IDs_mapping.csv, three tables stacked in
one file; it is no source, since the codes are taken as categories and names would add nothing.
``?`` is a missing value; ``None`` of a laboratory test is none: the test was not made.
"""

from schemas.contract import (
    Check,
    Column,
    DatasetSpec,
    Derived,
    HashSplit,
    Label,
    PublicFile,
    Source,
)
from schemas.encode import Bucketed, Encode, Hashed, Impute, Numeric, Vocabulary

_DRUGS = (
    "metformin", "repaglinide", "nateglinide", "chlorpropamide", "glimepiride", "acetohexamide",
    "glipizide", "glyburide", "tolbutamide", "pioglitazone", "rosiglitazone", "acarbose",
    "miglitol", "troglitazone", "tolazamide", "examide", "citoglipton", "insulin",
    "glyburide-metformin", "glipizide-metformin", "glimepiride-pioglitazone",
    "metformin-rosiglitazone", "metformin-pioglitazone",
)  # fmt: skip
_DOSES = ("No", "Steady", "Up", "Down")
# given to fewer patients, a drug says nothing by itself
_COMMON_DRUGS = (
    "metformin", "repaglinide", "nateglinide", "glimepiride", "glipizide", "glyburide",
    "pioglitazone", "rosiglitazone", "acarbose", "insulin", "glyburide_metformin",
)  # fmt: skip
_DIAGNOSES = ("diag_1", "diag_2", "diag_3")
_AGES = tuple(f"[{start}-{start + 10})" for start in range(0, 100, 10))


def _column(name: str) -> str:
    return name.replace("-", "_")


def _drug(name: str) -> Column:
    header = name if "-" in name else ""
    return Column(_column(name), "string", header=header, description="change of the dose")


STAYS = Source(
    name="stays",
    location="fetched:diabetes130/diabetic_data.csv",
    primary_key=("encounter_id",),
    null_values=("?",),
    columns=(
        Column("encounter_id", "long"),
        Column("patient_nbr", "long", is_personal=True),
        Column("race", "string", is_nullable=True),
        Column("gender", "string"),
        Column("age", "string", unit="a", description="[from-to)"),
        Column("weight", "string", is_nullable=True, unit="lb", description="[from-to)"),
        Column("admission_type_id", "int"),
        Column("discharge_disposition_id", "int"),
        Column("admission_source_id", "int"),
        Column("time_in_hospital", "int", unit="d"),
        Column("payer_code", "string", is_nullable=True),
        Column("medical_specialty", "string", is_nullable=True, description="who admitted"),
        Column("num_lab_procedures", "int"),
        Column("num_procedures", "int"),
        Column("num_medications", "int"),
        Column("number_outpatient", "int", description="visits in the year before"),
        Column("number_emergency", "int", description="visits in the year before"),
        Column("number_inpatient", "int", description="stays in the year before"),
        *(Column(name, "string", is_nullable=True, description="ICD-9") for name in _DIAGNOSES),
        Column("number_diagnoses", "int"),
        Column("max_glu_serum", "string", unit="mg/dl", description="None: not measured"),
        Column("A1Cresult", "string", unit="%", description="None: not measured"),
        *map(_drug, _DRUGS),
        Column("change", "string", description="of any diabetic drug: Ch or No"),
        Column("diabetesMed", "string"),
        Column("readmitted", "string", is_outcome=True, description="after days: <30, >30, NO"),
    ),
    checks=(
        Check("in_set", ("readmitted",), values=("NO", ">30", "<30")),
        Check("in_set", ("age",), values=_AGES),
        Check("in_set", ("gender",), values=("Female", "Male"), mostly=0.999, severity="warning",
              reason="three stays are Unknown/Invalid"),
        Check("in_set", ("A1Cresult",), values=("None", "Norm", ">7", ">8")),
        Check("in_set", ("max_glu_serum",), values=("None", "Norm", ">200", ">300")),
        *(Check("in_set", (_column(name),), values=_DOSES) for name in _DRUGS),
        *(Check("matches", (name,), pattern=r"^[EV]?[0-9]{1,3}(\.[0-9]{1,2})?$", mostly=0.999,
                reason="an ICD-9 code") for name in _DIAGNOSES),
        Check("between", ("time_in_hospital",), minimum=1, maximum=14,
              reason="longer stays were left out when the data were published"),
        Check("between", ("admission_type_id",), minimum=1, maximum=8),
        Check("between", ("discharge_disposition_id",), minimum=1, maximum=30),
        Check("between", ("admission_source_id",), minimum=1, maximum=26),
        Check("between", ("num_lab_procedures",), minimum=0, maximum=200),
        Check("between", ("num_medications",), minimum=0, maximum=150),
        Check("between", ("number_inpatient",), minimum=0, maximum=50),
        Check("not_null", ("weight",), mostly=0.02, severity="warning",
              reason="97 % are missing as published: it is used only as being there"),
        Check("not_null", ("medical_specialty",), mostly=0.4, severity="warning"),
        Check("not_null", ("diag_1",), mostly=0.99),
    ),
)  # fmt: skip


def _group(name: str) -> Derived:
    """The groups of diagnoses of the paper's table 2: chapters of ICD-9, diabetes apart."""
    code = f"try_cast({name} as double)"
    return Derived(
        Column(f"{name}_group", "string"),
        f"""case when {name} is null then 'missing'
            when {name} like '250%' then 'diabetes'
            when {code} between 390 and 459.99 or int({code}) = 785 then 'circulatory'
            when {code} between 460 and 519.99 or int({code}) = 786 then 'respiratory'
            when {code} between 520 and 579.99 or int({code}) = 787 then 'digestive'
            when {code} between 580 and 629.99 or int({code}) = 788 then 'genitourinary'
            when {code} between 140 and 239.99 then 'neoplasms'
            when {code} between 710 and 739.99 then 'musculoskeletal'
            when {code} between 800 and 999.99 then 'injury'
            when {code} between 290 and 319.99 then 'mental'
            when {code} between 240 and 279.99 then 'endocrine'
            when {code} between 680 and 709.99 then 'skin'
            when {code} between 1 and 139.99 then 'infection'
            when {name} like 'V%' then 'supplementary' else 'other' end""",
    )


DERIVED = (
    Derived(Column("age_from", "int", unit="a"), r"int(regexp_extract(age, '[0-9]+', 0))"),
    *(_group(name) for name in _DIAGNOSES),
    Derived(
        Column("visits_before", "int", description="of any kind, in the year before"),
        "number_outpatient + number_emergency + number_inpatient",
    ),
    Derived(
        Column("num_drugs", "int", description="diabetic drugs that are given"),
        " + ".join(f"int({_column(name)} <> 'No')" for name in _DRUGS),
    ),
    Derived(
        Column("num_changes", "int", description="diabetic drugs whose dose was changed"),
        " + ".join(f"int({_column(name)} in ('Up', 'Down'))" for name in _DRUGS),
    ),
)

IMPUTES = (
    Impute("race", "mode"),
    Impute("weight", "constant", value="unknown", has_indicator=True),
    Impute("payer_code", "constant", value="unknown", has_indicator=True),
    Impute("medical_specialty", "constant", value="unknown", has_indicator=True),
    *(Impute(name, "constant", value="none") for name in _DIAGNOSES),
)

_NUMBERS = (
    "age_from", "time_in_hospital", "num_lab_procedures", "num_procedures", "num_medications",
    "number_diagnoses", "num_drugs", "num_changes",
)  # fmt: skip
_VISITS = ("number_outpatient", "number_emergency", "number_inpatient", "visits_before")

ENCODES: tuple[Encode, ...] = (
    *(Numeric(name) for name in _NUMBERS),
    *(Numeric(name, is_log=True) for name in _VISITS),
    *(Numeric(f"{name}_was_missing", scale="none")
      for name in ("weight", "payer_code", "medical_specialty")),
    *(Vocabulary(name) for name in (
        "race", "gender", "age", "admission_type_id", "max_glu_serum", "A1Cresult", "change",
        "diabetesMed", *_COMMON_DRUGS)),
    *(Vocabulary(name, min_count=20) for name in (
        "discharge_disposition_id", "admission_source_id", "payer_code", "medical_specialty")),
    *(Vocabulary(f"{name}_group") for name in _DIAGNOSES),
    *(Vocabulary(name, min_count=50) for name in _DIAGNOSES),
    Bucketed("number_inpatient", boundaries=(1, 2, 3, 5, 8)),
    Bucketed("number_emergency", boundaries=(1, 2, 3, 5)),
    Hashed(("discharge_disposition_id", "diag_1_group"), 256, name="leaves_with"),
)  # fmt: skip

SPEC = DatasetSpec(
    name="diabetes130",
    title="Diabetic inpatients, 130 US hospitals, 1999 to 2008",
    question="Asked at discharge: will this patient be back in a hospital within 30 days?",
    sources=(STAYS,),
    label=Label("is_back", "int(readmitted = '<30')", "readmitted within 30 days"),
    # by patient: what is known of one stay tells of the next
    split=HashSplit(("patient_nbr",), 0.7, 0.1, 0.2),
    derived=DERIVED,
    imputes=IMPUTES,
    encodes=ENCODES,
    files=(
        PublicFile(
            "diabetic_data.csv",
            "0689e7ec031237dc63031b938805c48377748761a3b26acab621567afa24df97",
            19_159_383,
            archive="dataset_diabetes.zip",
            member="dataset_diabetes/diabetic_data.csv",
        ),
    ),
    origin="https://raw.githubusercontent.com/PranavSharma008/"
    "Re-Admission-of-Diabetic-Patients-after-Discharge/1b07479ec3f4d1f70fe60f409c3a574186fa88d9",
)
