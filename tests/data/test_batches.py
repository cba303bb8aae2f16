"""Every sample once an epoch, in an order that is a pure function of seed and step."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from fnn import data


@st.composite
def batches(draw: st.DrawFn) -> data.Batches:
    samples = draw(st.integers(1, 200))
    return data.make_batches(samples, draw(st.integers(1, samples)), draw(st.integers(0, 2**31)))


@given(batches(), st.integers(0, 5))
@settings(deadline=None)
def test_an_epoch_shows_every_sample_exactly_once(cut: data.Batches, epoch: int) -> None:
    shown = cut.epoch(epoch)
    assert len(shown) == cut.per_epoch
    assert all(len(batch) == cut.size for batch in shown[:-1])
    assert 1 <= len(shown[-1]) <= cut.size
    assert sorted(np.concatenate(shown)) == list(range(cut.samples))


@given(batches(), st.integers(0, 20))
@settings(deadline=None)
def test_a_step_is_produced_without_those_before_it(cut: data.Batches, step: int) -> None:
    from_the_start = [batch for epoch in range(step // cut.per_epoch + 1) for batch in cut.epoch(epoch)]
    np.testing.assert_array_equal(cut.indices(step), from_the_start[step])


def test_order_differs_between_epochs_and_seeds() -> None:
    orders = [tuple(data.epoch_order(50, seed, epoch)) for seed in range(3) for epoch in range(3)]
    assert len(set(orders)) == 9


@pytest.mark.parametrize("size", [0, -1, 11])
def test_impossible_sizes_are_refused_with_the_limit(size: int) -> None:
    with pytest.raises(ValueError, match=f"from 1 to 10.*got {size}"):
        data.make_batches(10, size, seed=0)


def test_a_negative_seed_is_refused() -> None:
    with pytest.raises(ValueError, match="seed"):
        data.make_batches(10, 2, seed=-1)


@given(st.integers(1, 200), st.integers(1, 60), st.integers(1, 7), st.booleans(), st.integers(0, 3))
@settings(deadline=None)
def test_shards_together_see_what_one_alone_sees(
    samples: int, size: int, count: int, drop_last: bool, epoch: int
) -> None:
    size = min(size, samples)
    last = size if drop_last else (samples - 1) % size + 1
    if last < count:
        with pytest.raises(ValueError, match=f"{last} samples cannot be shared by {count}"):
            data.make_batches(samples, size, 1, drop_last=drop_last, shard=(0, count))
        return
    whole = data.make_batches(samples, size, 1, drop_last=drop_last).epoch(epoch)
    shards = [data.make_batches(samples, size, 1, drop_last=drop_last, shard=(n, count)) for n in range(count)]
    for step, batch in enumerate(whole):
        parts = [shard.epoch(epoch)[step] for shard in shards]
        np.testing.assert_array_equal(np.concatenate(parts), batch)
        assert max(map(len, parts)) - min(map(len, parts)) <= 1
    for shard in shards:
        np.testing.assert_array_equal(shard.order(epoch), np.concatenate(shard.epoch(epoch)))


@given(batches(), st.integers(0, 3))
@settings(deadline=None)
def test_a_dropped_last_batch_leaves_the_others_as_they_are(cut: data.Batches, epoch: int) -> None:
    dropping = data.make_batches(cut.samples, cut.size, cut.seed, drop_last=True)
    full = [batch for batch in cut.epoch(epoch) if len(batch) == cut.size]
    assert dropping.per_epoch == len(full)
    for mine, theirs in zip(dropping.epoch(epoch), full, strict=True):
        np.testing.assert_array_equal(mine, theirs)


@pytest.mark.parametrize("shard", [(2, 2), (-1, 2), (0, 0)])
def test_a_shard_that_does_not_exist_is_refused(shard: tuple[int, int]) -> None:
    with pytest.raises(ValueError, match=f"no shard {shard[0]} of {shard[1]}"):
        data.make_batches(10, 5, 0, shard=shard)


def test_an_order_cannot_be_changed_by_who_reads_it() -> None:
    with pytest.raises(ValueError, match="read-only"):
        data.epoch_order(10, 0, 0)[0] = 3
