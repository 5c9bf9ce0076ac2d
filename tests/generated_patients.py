"""Documents in the shape of phenopackets, drawn at random: for tests that need many, with known values."""

import random

TERMS = [f"{place} {trouble}" for place in ("cardiac", "renal", "nasal", "focal", "distal", "ocular", "dental", "oral")
         for trouble in ("pain", "lesion", "seizure", "atrophy", "defect", "oedema", "weakness", "cyst")]  # fmt: skip


def patients(count, seed=0):
    """Return documents with a sex, an age, a city of a hundred, often a status, and 3 to 12 findings."""
    draw = random.Random(seed)
    return [_patient(draw, number) for number in range(count)]


def _patient(draw, number):
    findings = draw.sample(TERMS, draw.randint(3, 12))
    patient = {
        "id": f"patient {draw.randrange(10**9)}",
        "subject": {"sex": draw.choice(["MALE", "FEMALE"]), "age": draw.randint(0, 90)},
        "city": f"city-{min(int(draw.expovariate(0.05)), 99)}",
        "findings": [{"label": label, "excluded": draw.random() < 0.3} for label in findings],
    }
    if draw.random() < 0.6:
        patient["status"] = draw.choice(["ALIVE", "DECEASED", "UNKNOWN"])
    return patient
