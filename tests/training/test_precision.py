import pytest
import torch

from training.precision import bf16_is_fast


@pytest.mark.parametrize(("capability", "fast"), [("AVX2", False), ("AVX512", True)])
def test_a_cpu_without_avx512_trains_in_fp32(monkeypatch, capability, fast):
    monkeypatch.setattr(torch.accelerator, "is_available", lambda: False)
    monkeypatch.setattr(torch.backends.cpu, "get_cpu_capability", lambda: capability)
    assert bf16_is_fast() == fast
