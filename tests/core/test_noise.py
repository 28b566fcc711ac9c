"""Random numbers are a function of what they are for, today and after an update."""

import threading

import numpy as np
import pytest

from gwm_core.errors import GWMError
from gwm_core.noise import check_seed, noise, rng

PINNED_INTEGERS = [488066093, 2124448174, 87156449]
PINNED_NORMALS = [3.0381308, -0.4499902, -0.9902873, -0.0742485]


def test_same_arguments_same_numbers():
    a = noise(7, 3, 1, "view.eye", (4, 5))
    assert a.dtype == np.float32 and a.shape == (4, 5)
    assert np.array_equal(a, noise(7, 3, 1, "view.eye", (4, 5)))
    assert np.array_equal(a, noise(np.int64(7), np.int32(3), 1, "view.eye", [4, 5]))


def test_every_argument_counts():
    given = [(7, 3, 1, "a"), (8, 3, 1, "a"), (7, 4, 1, "a"), (7, 3, 2, "a"), (7, 3, 1, "b"),
             (7, 3, 1, 1), (7, 1, 3, "a"), (7, 3, 1, ""), (73, 1, 1, "a")]
    assert len({noise(*keys, 8).tobytes() for keys in given}) == len(given)
    assert rng(1, "ab", "c").integers(2**60) != rng(1, "a", "bc").integers(2**60)
    assert rng(1, "1").integers(2**60) != rng(1, 1).integers(2**60)


def test_shared_worlds_rely_on_these_very_numbers():
    assert [int(n) for n in rng(7, 3, "view").integers(0, 2**32, 3)] == PINNED_INTEGERS
    assert np.allclose(noise(7, 3, 1, "view.eye", 4), PINNED_NORMALS, rtol=0, atol=1e-6)


def test_is_standard_normal():
    values = noise(0, 0, 0, "a", 200_000)
    assert abs(values.mean()) < 0.01 and abs(values.std() - 1) < 0.01


def test_threads_and_other_generators_do_not_matter():
    wanted = noise(1, 2, 3, "a", 1000)
    found = []

    def work():
        np.random.default_rng(0).normal()
        found.append(all(np.array_equal(noise(1, 2, 3, "a", 1000), wanted) for _ in range(20)))

    threads = [threading.Thread(target=work) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert found == [True] * 4


def test_empty_and_bad_input():
    assert noise(0, 0, 0, "a", (0, 3)).shape == (0, 3)
    assert check_seed(2**64 - 1) == 2**64 - 1
    for seed in (-1, 2**64, 1.0, "1", None, True):
        with pytest.raises(GWMError, match="seed"):
            rng(seed)
    with pytest.raises(GWMError, match="negative"):
        noise(0, 0, 0, "a", (-1,))
    with pytest.raises(GWMError, match="key"):
        rng(0, 1.5)
