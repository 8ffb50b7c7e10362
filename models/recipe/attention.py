"""Causal attention with shared kv heads as a differentiable torch operation (see attention.c)."""

import ctypes

import torch

from native import build

# The limits of attention.c.
LANES = 8
LENGTH_MAX = 512
_libraries = {}


def call(name, q, k, arrays):
    rows, length, heads, head_dim = q.shape
    if rows % LANES or length > LENGTH_MAX:
        expected = f"a multiple of {LANES} rows of at most {LENGTH_MAX} ids"
        raise ValueError(f"expected {expected}, found {rows} rows of {length}")
    if head_dim not in _libraries:
        _libraries[head_dim] = build("attention.c", head_dim)
    shape = (ctypes.c_int32 * 4)(rows, length, heads, k.shape[2])
    pointers = [ctypes.c_void_p(array.data_ptr()) for array in arrays]
    getattr(_libraries[head_dim], name)(shape, *pointers)


class Attention(torch.autograd.Function):
    """Arguments are rows x length x heads x head_dim; k and v may have fewer heads than q."""

    @staticmethod
    def forward(ctx, q, k, v):
        q, k, v = q.contiguous(), k.contiguous(), v.contiguous()
        rows, length, heads, _ = q.shape
        out, log_sums = torch.empty_like(q), torch.empty(rows // LANES, heads, length, LANES)
        call("attention_forward", q, k, (q, k, v, out, log_sums))
        ctx.save_for_backward(q, k, v, out, log_sums)
        return out

    @staticmethod
    def backward(ctx, dout):
        q, k, v, out, log_sums = ctx.saved_tensors
        gradients = torch.empty_like(q), torch.empty_like(k), torch.empty_like(v)
        dout = dout.contiguous()
        call("attention_backward", q, k, (q, k, v, out, log_sums, dout, *gradients))
        return gradients
