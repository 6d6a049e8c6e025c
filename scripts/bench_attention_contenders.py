"""Who is measured by scripts/bench_attention.py: our paths, jax.nn, and what else is installed.

A contender makes a `Program` of a case, or raises: NotImplementedError where it has no such argument, ImportError where
it is not installed. Each gets its own layout, and masks in the best form that it takes.
"""

import importlib
import time
from collections.abc import Callable
from functools import cache, partial
from typing import Any, NamedTuple, TypeAlias

import jax
import jax.numpy as jnp
from bench_attention_cases import Case

from attn_jax.ops.attention.dot_product import dot_product_attention
from attn_jax.ops.attention.scores import ALiBi
from attn_jax.types import Array


class Program(NamedTuple):
    """One compiled call on arrays of its own."""

    run: Callable[[], object] | None  # ends when the result is there; None where the case is not to be timed
    compile_s: float | None  # tracing included
    temporary_bytes: int | None
    note: str = ""


Contender: TypeAlias = Callable[[Case, bool], Program]  # (case, with the backward pass)


def ours(implementation: str | None, case: Case, backward: bool) -> Program:
    """`attn_jax.dot_product_attention` on one of its paths."""
    attend = partial(
        dot_product_attention,
        is_causal=case.is_causal,
        local_window_size=None if case.window is None else (case.window, 0),
        segment_ids=None if case.documents is None else jnp.asarray(case.segment_ids),
        score_mod=ALiBi(jnp.asarray(case.slopes)) if case.alibi else None,
        logits_soft_cap=case.soft_cap,
        dropout_rate=case.dropout,
        dropout_key=jax.random.key(0) if case.dropout else None,
        implementation=implementation,  # pyright: ignore[reportArgumentType]: names of PATHS
    )
    return _jax_program(attend, case, backward, {"bias": _added(case)} if case.bias else {})


def jax_nn(case: Case, backward: bool) -> Program:
    """`jax.nn.dot_product_attention`; ALiBi as a bias, documents as a mask."""
    _refuse(case, "soft_cap", "dropout")
    attend = partial(
        jax.nn.dot_product_attention,
        is_causal=case.is_causal,
        local_window_size=None if case.window is None else (case.window, 0),
    )
    mask = None if case.documents is None else jnp.asarray(case.visible())
    extras = dict(_given({"bias": _added(case), "mask": mask}))
    return _jax_program(partial(_of_full_rank, attend), case, backward, extras)


def _of_full_rank(attend: Callable[..., Array], q: Array, k: Array, v: Array, **extras: Array) -> Array:
    """jax.nn wants bias and mask of the rank of the scores."""
    return attend(q, k, v, **{name: x.reshape((1,) * (4 - x.ndim) + x.shape) for name, x in extras.items()})


def equinox(case: Case, backward: bool) -> Program:
    """What `equinox.nn.MultiheadAttention` computes between its projections, on one head, under vmap."""
    _refuse(case, "soft_cap", "dropout", "bias", "alibi")
    if case.kv_heads != case.heads:
        raise NotImplementedError("no grouped heads")
    head: Any = importlib.import_module("equinox.nn._attention").dot_product_attention
    over_heads = jax.vmap(head, in_axes=(1, 1, 1, None), out_axes=1)
    attend = jax.vmap(over_heads, in_axes=(0, 0, 0, None))
    # 1 GB at T = 32768: compiling wants its shape alone
    mask = case.visible() if case.timed else jax.ShapeDtypeStruct((case.T, case.T), bool)
    return _jax_program(partial(_with_mask, attend), case, backward, dict(_given({"mask": mask})))


def _with_mask(attend: Callable[..., Array], q: Array, k: Array, v: Array, mask: Array | None = None) -> Array:
    """The mask by name, for `_jax_program`."""
    return attend(q, k, v, mask)


def torch_sdpa(case: Case, backward: bool) -> Program:
    """`torch.nn.functional.scaled_dot_product_attention`; every mask but the causal one is an array."""
    _refuse(case, "soft_cap")
    torch: Any = importlib.import_module("torch")
    tensors = _torch_tensors(torch, case)
    visible = None if case.is_causal else case.visible()
    mask = None if visible is None else torch.from_numpy(visible)
    if (added := _added(case)) is not None:
        mask = torch.from_dlpack(added).requires_grad_(backward and case.learned)
    options = {"attn_mask": mask, "dropout_p": case.dropout, "is_causal": case.is_causal}
    options["enable_gqa"] = case.kv_heads != case.heads
    attend = partial(torch.nn.functional.scaled_dot_product_attention, **options)
    kernel = torch._fused_sdp_choice(*_with_gradients(tensors[:3], backward), **options)
    learned = [mask] if case.learned else []
    run = partial(_torch_run, torch, attend, *tensors, learned, backward)
    return Program(run, None, None, str(torch.nn.attention.SDPBackend(kernel).name).lower().replace("_", " "))


def torch_flex(case: Case, backward: bool) -> Program:
    """`torch.nn.attention.flex_attention`, compiled; the first call is its compile time."""
    _refuse(case, "dropout")
    torch: Any = importlib.import_module("torch")
    flex: Any = importlib.import_module("torch.nn.attention.flex_attention")
    tensors = _torch_tensors(torch, case)
    score_mod, learned = _flex_score(torch, case, backward)
    block_mask = flex.create_block_mask(_flex_mask(torch, case), None, None, case.T, case.T, device="cpu")
    options = {"score_mod": score_mod, "block_mask": block_mask, "enable_gqa": case.kv_heads != case.heads}
    compiled = torch.compile(flex.flex_attention, dynamic=False)
    run = partial(_torch_run, torch, partial(compiled, **options), *tensors, learned, backward)
    start = time.perf_counter()
    run()
    return Program(run, time.perf_counter() - start, None)


def _flex_mask(torch: Any, case: Case) -> Callable[..., Any]:
    """The mask as a function of places."""
    if case.documents is not None:
        ids = torch.from_numpy(case.segment_ids)
        return lambda b, h, q, k: ids[q] == ids[k]
    if case.window is not None:
        return lambda b, h, q, k: (k <= q) & (k >= q - case.window)
    if case.is_causal:
        return lambda b, h, q, k: k <= q
    return lambda b, h, q, k: k >= 0


def _flex_score(torch: Any, case: Case, backward: bool) -> tuple[Callable[..., Any] | None, list[Any]]:
    """(the score modification, what of it is learned)."""
    if case.soft_cap is not None:
        return lambda s, b, h, q, k: case.soft_cap * torch.tanh(s / case.soft_cap), []
    if case.alibi:
        slopes = torch.from_numpy(case.slopes)
        return lambda s, b, h, q, k: s - slopes[h] * (q - k).abs(), []
    if case.bias:
        bias = torch.from_dlpack(_added(case)).requires_grad_(backward and case.learned)
        return lambda s, b, h, q, k: s + bias[h, q, k], [bias] if case.learned else []
    return None, []


CONTENDERS: dict[str, Contender] = {
    "attn_jax": partial(ours, None),
    "attn_jax dense": partial(ours, "dense"),
    "attn_jax blockwise": partial(ours, "blockwise"),
    "jax.nn": jax_nn,
    "torch SDPA": torch_sdpa,
    "torch flex": torch_flex,
    "equinox": equinox,
}


def forget_arrays() -> None:
    """Frees the arrays of all cases so far; their contenders share them."""
    _arrays.cache_clear()
    _added_alike.cache_clear()


@cache
def _arrays(case: Case) -> tuple[Array, ...]:
    """Query, key, value and cotangent on the device."""
    return jax.device_put(case.arrays())


def _added(case: Case) -> Array | None:
    """What is added to the scores on the device, [N, T, T]; half a GB at T = 4096."""
    return _added_alike(Case(case.T, heads=case.heads, bias=case.bias, alibi=case.alibi))


@cache
def _added_alike(case: Case) -> Array | None:
    """The same for all cases that add alike."""
    added = case.added()
    return None if added is None else jnp.asarray(added)


def _refuse(case: Case, *fields: str) -> None:
    """Raises for what a contender has no argument for."""
    for name in fields:
        if getattr(case, name):
            raise NotImplementedError(f"no {name.replace('_', '-')}")


def _given(arrays: dict[str, Any]) -> Any:
    """The items that are not None."""
    return [(name, array) for name, array in arrays.items() if array is not None]


def _jax_program(attend: Callable[..., Array], case: Case, backward: bool, extras: dict[str, Any]) -> Program:
    """`attend(q, k, v, **extras)`, or that and its gradients, compiled for the case's arrays."""
    call = partial(_with_extras, attend)
    if case.runs is not None:
        call = jax.vmap(call, in_axes=(0, 0, 0, None))
    program = partial(_with_gradient, call, case.learned) if backward else partial(_without_gradient, call)
    *lead_and_T, N, H = (*case.lead, case.T, case.heads, case.head_dim)
    q, k = (jax.ShapeDtypeStruct((*lead_and_T, n, H), jnp.float32) for n in (N, case.kv_heads))
    start = time.perf_counter()
    compiled = jax.jit(program).lower(q, k, k, q, extras).compile()
    compile_s = time.perf_counter() - start
    run = None
    if case.timed:
        run = partial(_jax_run, compiled, (*_arrays(case), extras))
    analysis = compiled.memory_analysis()
    return Program(run, compile_s, None if analysis is None else analysis.temp_size_in_bytes)


def _with_extras(attend: Callable[..., Array], q: Array, k: Array, v: Array, extras: dict[str, Array]) -> Array:
    """Extras by name, so that vmap and vjp can have them by place."""
    return attend(q, k, v, **extras)


def _without_gradient(call: Callable[..., Array], q: Array, k: Array, v: Array, g: Array, extras: Any) -> Array:
    """The forward pass; the cotangent stays unread."""
    del g
    return call(q, k, v, extras)


def _with_gradient(
    call: Callable[..., Array], learned: bool, q: Array, k: Array, v: Array, g: Array, extras: Any
) -> tuple[Array, Any]:
    """The output, and the gradients of q, k, v and of what is learned."""
    if learned:
        out, pull = jax.vjp(call, q, k, v, extras)
    else:
        out, pull = jax.vjp(lambda q, k, v: call(q, k, v, extras), q, k, v)
    return out, pull(g)


def _jax_run(compiled: Any, arrays: tuple[Any, ...]) -> object:
    """One call, waited for."""
    return jax.block_until_ready(compiled(*arrays))


def _torch_tensors(torch: Any, case: Case) -> list[Any]:
    """Query, key, value and cotangent in torch's layout, [B, N, T, H], the runs of a vmap in B."""
    if not case.timed:
        raise NotImplementedError("no analysis of memory")
    torch.set_num_threads(1)
    folded = (x.reshape(-1, *x.shape[-3:]).swapaxes(1, 2) for x in case.arrays())
    return [torch.from_numpy(x).contiguous() for x in folded]


def _with_gradients(tensors: list[Any], backward: bool) -> list[Any]:
    """The tensors, marked as those whose gradients are wanted."""
    return [x.requires_grad_(backward) for x in tensors]


def _torch_run(
    torch: Any, attend: Callable[..., Any], q: Any, k: Any, v: Any, g: Any, learned: list[Any], backward: bool
) -> object:
    """One call, or that and its gradients."""
    if not backward:
        with torch.no_grad():
            return attend(q, k, v)
    inputs = _with_gradients([q, k, v], True)
    return torch.autograd.grad(attend(*inputs), [*inputs, *learned], g)
