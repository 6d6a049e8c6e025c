"""Random calls that `jax.nn.dot_product_attention` accepts, and the comparison of our paths with it; no test in it.

`python tests/ops/attention/jax_nn_cases.py 2000` compares so many, a minute a hundred; it must say 0 differences.
"""

import functools
import sys

import jax
import jax.numpy as jnp
import numpy as np
from attention_cases import blockwise, dense

from attn_jax.ops.attention.dot_product import dot_product_attention

CHOICES = {  # option: its values, each as a draw takes it
    "rank": (2, 3, 3, 4, 4),  # 2 is one query
    "ranks differ": (False, True),  # keys and values with a leading one more, or less, than the query
    "heads": ((1, 1), (2, 2), (4, 2), (3, 1)),  # (N, K)
    "dtype": ("float32", "float32", "bfloat16", "float16"),  # float16 jax.nn runs on no CPU
    "bias": (None, "float32", "bfloat16", "int32", "bool", "-inf"),
    "bias axes": ("1111", "BNTS", "N1S", "TS", "11TS", "S"),
    "mask": (None, "list", "array", "NumPy"),
    "mask axes": ("1111", "BNTS", "NTS", "1T1", "B11S", "TS"),
    "scale": (None, 0.5, 2, np.float32(0.25), "array", "array of one", "1", "11TS", "S", "K11", "B1T1", "BKTS"),
    "is_causal": (False, False, False, True, 1, np.bool_(True)),  # more hidden rows would leave little to compare
    "query_seq_lengths": (None, "array", "list"),
    "key_value_seq_lengths": (None, "array", "list"),
    "local_window_size": (
        *(None, None, None, 1, (2, 0), [1, 3], (0, 2), (2, -1), (-1, 3), (1.0, 0.5), True),
        *("traced", "S and 1", "1 and T1", "2TS", "2S"),  # one a key, a query, a pair
    ),
    "implementation": (None, "xla"),
    "arrays": (np.asarray, jnp.asarray),
}


def draw_call(seed, **fixed):
    """(what was chosen, the positional arrays, the options) of one accepted call."""
    random = np.random.default_rng(seed)
    chosen = {name: values[random.integers(len(values))] for name, values in CHOICES.items()} | fixed
    T, S, H = (int(random.integers(1, most)) for most in (9, 9, 5))
    T = 1 if chosen["rank"] == 2 else T
    B, (N, K) = 1 if chosen["rank"] < 4 or chosen["ranks differ"] else int(random.integers(1, 4)), chosen["heads"]
    lead = () if chosen["rank"] < 4 else (B,)
    other = lead if not chosen["ranks differ"] else (() if lead else (1,))
    dtype, sizes = jnp.dtype(chosen["dtype"]), {"B": B, "N": N, "K": K, "T": T, "S": S, "1": 1, "2": 2}
    arrays = [
        chosen["arrays"](random.standard_normal(shape).astype(dtype))
        for shape in ((*lead, T, N, H), (*other, S, K, H), (*other, S, K, H))
    ]
    arrays[0] = arrays[0][0] if chosen["rank"] == 2 else arrays[0]

    def pairs(axes):
        return random.standard_normal([sizes[axis] for axis in axes])

    options = {name: chosen[name] for name in ("is_causal", "local_window_size", "implementation")}
    if isinstance(chosen["local_window_size"], str):
        options["local_window_size"] = _window(chosen["local_window_size"], lambda axes: np.abs(3 * pairs(axes)) - 1)
    if chosen["bias"]:
        bias = 2 * pairs(chosen["bias axes"])
        if chosen["bias"] == "-inf" and bias.shape[-1] > 1:
            bias[..., -1] = -np.inf
        of = "float32" if chosen["bias"] == "-inf" else chosen["bias"]
        options["bias"] = chosen["arrays"](bias.astype(jnp.dtype(of)))
    if chosen["mask"]:
        mask = pairs(chosen["mask axes"]) > -1
        options["mask"] = {"list": mask.tolist(), "array": jnp.asarray(mask), "NumPy": mask}[chosen["mask"]]
    scales = {"array": jnp.float32(0.7), "array of one": np.array([0.3], np.float32)}
    options["scale"] = chosen["scale"]
    if isinstance(chosen["scale"], str):
        options["scale"] = scales[chosen["scale"]] if chosen["scale"] in scales else pairs(chosen["scale"]).astype("f4")
    for name, most in (("query_seq_lengths", T), ("key_value_seq_lengths", S)):
        lengths = random.integers(most // 2, most + 2, B).astype(np.int32)
        options[name] = {"array": lengths, "list": lengths.tolist(), None: None}[chosen[name]]
    return chosen, arrays, options


def _window(kind, draw):
    """A window that is traced, or of one number a key, a query or a pair."""
    if kind == "traced":
        return jnp.array([2, -1])
    if kind == "1 and T1":
        return 1, jnp.asarray(draw("T1"), jnp.int32)
    return (jnp.asarray(draw("S")), 1) if kind == "S and 1" else jnp.asarray(draw(kind))


def value_and_gradients(attention, arrays, seen, options):
    """out, residual and the gradients of all floating arrays by name, over the rows `seen`."""
    moved = {name: x for name, x in arrays.items() if jnp.issubdtype(x.dtype, jnp.floating)}

    def loss(moved):
        out, residual = attention(**arrays | moved, **options, return_residual=True)
        weights = jnp.cos(jnp.arange(out.size, dtype=jnp.float32)).reshape(out.shape)
        return (jnp.where(seen[..., None], out, 0) * weights).sum(), (out, residual)

    gradients, (out, residual) = jax.grad(loss, has_aux=True)(moved)
    found = {"out": jnp.where(seen[..., None], out, 0), "residual": jnp.where(seen, residual, 0)}
    return found | {f"d {name}": x for name, x in gradients.items()}


def compare(arrays, options):
    """(rows that may attend something, the others being 0 by contract; what each attention gives over them)."""
    ours = {name: option for name, option in options.items() if name != "implementation"}
    seen = dense(**arrays, **ours, return_lse=True)[1] > -jnp.inf
    ways = ((jax.nn.dot_product_attention, options), (dense, ours), (blockwise, ours))
    return seen, [value_and_gradients(way, arrays, seen, given) for way, given in ways]


def differences(seed, **fixed):
    """(what differs between jax.nn and our paths, one line each; how many rows were compared, and left out)."""
    chosen, drawn, options = draw_call(seed, **fixed)
    arrays = [jnp.asarray(x) for x in drawn]
    shapes = [  # of what was drawn, NumPy's arrays too
        jax.eval_shape(functools.partial(attention, *drawn, **options, return_residual=True))
        for attention in (jax.nn.dot_product_attention, dot_product_attention)
    ]
    if shapes[0] != shapes[1]:
        return [f"{seed}: {shapes[1]}, jax.nn {shapes[0]}; {chosen}"], 0, 0
    if chosen["dtype"] == "float16" and jax.default_backend() == "cpu":  # jax.nn does not run there
        return [], 0, 0
    arrays = dict(zip(("query", "key", "value"), arrays, strict=True))
    arrays |= {name: options.pop(name) for name in ("bias", "scale") if np.ndim(options.get(name, 0))}
    traced = isinstance(chosen["local_window_size"], str)
    window = {"local_window_size": options.pop("local_window_size")} if traced else {}

    @jax.jit
    def run(arrays, window):
        return compare(arrays, options | window)

    try:
        seen, (want, *ours) = run(arrays, window)
    except jax.errors.JaxRuntimeError as error:
        if "ALG_DOT_BF16" not in str(error):
            raise
        return [], 0, 0  # jax.nn asks the CPU for a product of two bfloat16 vectors, T = S = 1, which it has not
    found, most = [], 2e-5 if chosen["dtype"] == "float32" else 4 * float(jnp.finfo(chosen["dtype"]).eps)
    for name, got in zip(("dense", "blockwise"), ours, strict=True):
        for part in want:
            mine, theirs = (np.asarray(x[part], np.float64) for x in (got, want))
            worst = np.abs(mine - theirs).max(initial=0) / max(1, np.abs(theirs).max(initial=0))
            if not worst <= max(most, 1e-2 if part == "d bias" and chosen["bias"] == "bfloat16" else 0):
                found.append(f"{seed} {name} {part}: off by {worst:.3g}; {chosen}")
    return found, int(seen.sum()), int((~seen).sum())


if __name__ == "__main__":
    totals = [0, 0, 0]
    for seed in range(*(int(x) for x in sys.argv[1:])):
        found, compared, left_out = differences(seed)
        print("\n".join(found), end="\n" * bool(found), flush=True)
        totals = [a + b for a, b in zip(totals, (len(found), compared, left_out), strict=True)]
    print("differences {}, rows compared {}, left out {}".format(*totals))
