"""The functions of the Python package on arrays of JAX."""

import normkit
import numpy as np
import pytest

jax = pytest.importorskip("jax", reason="JAX is not installed: its arrays are not tried")
jnp = jax.numpy


@pytest.mark.parametrize("dtype", ["float32", "float16", "bfloat16"])
def test_results_are_arrays_of_jax(dtype):
    x = jnp.asarray(np.random.default_rng(1).standard_normal((4, 6, 5)), dtype)
    before = np.array(x)
    scale, offset = jnp.full(6, 2.0), jnp.ones(6)
    r = normkit.batch_norm(x, scale, offset, residual=x, return_statistics=True)
    wanted = normkit.batch_norm(np.asarray(x), np.asarray(scale), np.asarray(offset), residual=np.asarray(x))
    g = normkit.batch_norm_backward(r.y, r.sum, scale, offset, mean=r.mean, rstd=r.rstd)
    for array in (r.y, r.sum, g.x):
        assert isinstance(array, jax.Array) and array.dtype == x.dtype and array.shape == x.shape
    assert isinstance(g.scale, jax.Array) and g.scale.dtype == scale.dtype
    assert np.array_equal(np.asarray(r.y), wanted)
    assert np.array_equal(np.asarray(x), before)  # x is what it was
    transposed = normkit.layer_norm(x.T)
    assert isinstance(transposed, jax.Array) and transposed.shape == (5, 6, 4)


def test_arrays_of_jax_are_not_written_to():
    x = jnp.zeros((4, 6))
    with pytest.raises(TypeError, match="out is jaxlib.*, expected a writable array"):
        normkit.layer_norm(x, out=x)
    with pytest.raises(TypeError, match="expected f32, f64, f16 or bf16"):
        normkit.layer_norm(jnp.zeros((4, 6), jnp.int32))
