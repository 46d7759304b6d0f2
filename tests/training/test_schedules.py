from __future__ import annotations

import pytest

from zoo.training.schedules import cosine, polynomial, tri_stage


def test_pretraining_rises_and_falls_to_zero() -> None:
    factor = polynomial(10, 110)
    assert [factor(k) for k in (0, 9, 60, 110, 200)] == pytest.approx([0.1, 1.0, 0.5, 0.0, 0.0])


def test_fine_tuning_rises_holds_and_decays() -> None:
    factor = tri_stage(10, 5, 20)
    assert factor(0) == pytest.approx(0.01)
    assert factor(10) == factor(14) == 1.0
    assert factor(25) == pytest.approx(0.05**0.5)
    assert factor(35) == factor(1000) == 0.05


def test_a_cosine_falls_to_its_final_share() -> None:
    factor = cosine(10, 110, 0.2)
    assert [factor(k) for k in (0, 9, 60, 110, 200)] == pytest.approx([0.1, 1.0, 0.6, 0.2, 0.2])
    assert polynomial(10, 110, 0.2)(60) == pytest.approx(0.6)
