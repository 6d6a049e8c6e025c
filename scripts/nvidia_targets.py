"""NVIDIA GPUs as XLA's compiler is told of them where there is none: its TargetConfig, as text."""

from typing import NamedTuple


class Gpu(NamedTuple):
    """What sets one apart, from its maker's data sheet."""

    name: str
    multiprocessors: int
    bandwidth: int  # bytes a second
    cache: int  # bytes, level 2
    clock: float  # GHz
    memory: int  # bytes
    major: int  # compute capability


GPUS = {
    "h100": Gpu("NVIDIA H100 80GB HBM3", 132, 3_352_320_000_000, 52_428_800, 1.98, 84_942_979_072, 9),
    "b200": Gpu("NVIDIA B200", 148, 7_672_320_000_000, 132_644_864, 1.965, 191_514_411_008, 10),
}


def target_text(gpu: Gpu) -> str:
    """A TargetConfig in protobuf's text form.

    >>> "core_count: 132" in target_text(GPUS["h100"])
    True
    """
    return f"""
gpu_device_info {{
  threads_per_block_limit: 1024
  threads_per_warp: 32
  shared_memory_per_block: 49152
  shared_memory_per_core: 233472
  threads_per_core_limit: 2048
  core_count: {gpu.multiprocessors}
  fpus_per_core: 128
  block_dim_limit_x: 2147483647
  block_dim_limit_y: 65535
  block_dim_limit_z: 65535
  memory_bandwidth: {gpu.bandwidth}
  l2_cache_size: {gpu.cache}
  clock_rate_ghz: {gpu.clock}
  device_memory_size: {gpu.memory}
  shared_memory_per_block_optin: 232448
  cuda_compute_capability {{ major: {gpu.major} feature_extension: ACCELERATED_FEATURES }}
  registers_per_core_limit: 65536
  registers_per_block_limit: 65536
  thread_dim_limit_x: 1024
  thread_dim_limit_y: 1024
  thread_dim_limit_z: 64
  device_vendor: "NVIDIA Corporation"
  device_address_bits: 64
  ecc_enabled: true
  name: "{gpu.name}"
  driver_version: "13.0.0"
  runtime_version: "12.8.0"
  compile_time_toolkit_version: "12.8.0"
  dnn_version: "9.10.0"
}}
platform_name: "CUDA"
dnn_version_info {{ major: 9 minor: 10 }}
device_description_str: "{gpu.name}"
"""
