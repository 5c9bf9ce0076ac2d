"""The benchmark of models: both sides of every case give the same answer, for every model that is registered."""

import numpy as np
import pytest

import hdc
from tests import benchmarks

pytestmark = pytest.mark.slow
torch = pytest.importorskip("torch", reason="the extra bench is not installed")
for needed in ("torchhd", "faiss"):
    pytest.importorskip(needed, reason="the extra bench is not installed")
for module in ("measuring", "model_peers"):
    benchmarks.module(module)
model_cases, bench_models = benchmarks.module("model_cases"), benchmarks.module("bench_models")
SIZES = model_cases.Sizes(dim=1024, pairs=4, members=5, items=12, queries=10, records=20, letters=40)


@pytest.mark.filterwarnings("ignore")  # of torchhd's own, and of capacity
@pytest.mark.parametrize("name", hdc.list_models())
def test_both_sides_agree(name):
    torch.manual_seed(0)
    operations = []
    for operation, make in model_cases.Workload(name, SIZES).cases():
        case = make()
        answer = case.ours()
        for rival, other in case.rivals.items():
            assert other.same(answer, other.run()), f"{operation} beside {rival}"
        operations.append(operation)
    assert operations[:6] == ["bind", "bind-one", "bundle", "similarity", "cleanup-one", "cleanup"]


def test_a_wrong_answer_is_seen():
    work = model_cases.Workload("MAP-I", SIZES)
    case = work.bundle()
    answer = case.ours()
    assert case.rivals["torchhd"].same(answer, case.rivals["torchhd"].run())
    assert not case.rivals["torchhd"].same(-answer, case.rivals["torchhd"].run())
    case = work.cleanup(1)
    scores, places = case.ours()
    assert not case.rivals["torchhd"].same((scores, np.asarray(places) + 1), case.rivals["torchhd"].run())


def test_packed_and_integer_models_have_to_be_ten_times_as_fast():
    assert [bench_models.least(name) for name in ("MAP-I", "MAP-B", "MCR", "HRR", "FHRR")] == [10, 10, 10, 1, 1]
