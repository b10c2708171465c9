"""Laws of several processes: two that share a batch do what one does with the whole of it."""

import pytest
import torch

from tests.engine import group, pair, runs
from videonet.engine import optim, parallel
from videonet.engine.loop import gradients
from videonet.engine.precise_bn import update_statistics
from videonet.engine.precision import grad_scaler
from videonet.engine.task import ActionDetection


@pytest.fixture(scope="module")
def found(tmp_path_factory) -> dict[str, list]:
    """Of each part, what the two ranks returned."""
    folder = tmp_path_factory.mktemp("pair")
    ranks = group.run(pair.everything, 2, folder)
    return {name: [rank[name] for rank in ranks] for name in ranks[0]}


@pytest.mark.parametrize(
    "norms", [(pair.frozen_network, "equal_to_one"), (pair.training_network, "equal_to_one_with_sync")]
)
def test_two_processes_train_to_the_weights_of_one_with_the_joined_batch(found, norms):
    network, name = norms
    alone = runs.state_of(network())
    runs.run(alone, None, clip=optim.clipping(norm=0.5))
    for state in found[name]:
        assert state["step"] == alone.step
        torch.testing.assert_close(state["model"], dict(alone.model.state_dict()), rtol=1e-5, atol=1e-6)
        torch.testing.assert_close(state["ema"], dict(alone.ema.state_dict()), rtol=1e-5, atol=1e-6)


def test_boxes_weigh_the_same_on_whichever_process_they_are(found):
    model = pair.BoxModel()
    scaler = grad_scaler("fp32", torch.device("cpu"))
    gradients(model, pair.boxes_of(range(0, 6)), ActionDetection(), scaler, pair.prepare_boxes)
    for grads in found["boxes_equal_to_one"]:
        torch.testing.assert_close(grads, [weight.grad for weight in model.parameters()])


def test_two_processes_resume_bit_identically(found):
    for rank in found["resumed"]:
        assert rank["start"] == 6
        assert all(torch.equal(value, rank["rest"][key]) for key, value in rank["whole"].items())


def test_both_processes_have_the_same_weights_and_statistics(found):
    first, second = (rank["whole"] for rank in found["resumed"])
    assert all(torch.equal(value, second[key]) for key, value in first.items())


def test_a_signal_to_one_process_stops_both_at_the_same_step(found):
    first, second = found["stopped"]
    assert first == second
    assert first["finished"] is False and 4 <= first["step"] <= 6


def test_a_checkpoint_that_fails_on_the_main_process_fails_on_both(found):
    first, second = found["failed"]
    assert first == second and "cannot write" in first


def test_precise_statistics_count_every_row_once(found):
    model = runs.network()
    update_statistics(model, map(runs.batch_of, range(4)), prepare=runs.prepare, count=4)
    for state in found["statistics"]:
        torch.testing.assert_close(state["1.running_mean"], model[1].running_mean)
        torch.testing.assert_close(state["1.running_var"], model[1].running_var)


def test_an_evaluation_sees_the_same_statistics_on_both_processes(found):
    first, second = found["evaluated"]
    assert len(first) == 6 and all(map(torch.equal, first, second))


def test_gradients_are_sent_once_a_step(found):
    assert found["silent"] == [[False, True], [False, True]]


def test_one_process_needs_no_wrapper():
    model = runs.network()
    assert parallel.wrap(model) is model
