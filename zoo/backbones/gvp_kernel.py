"""GVP's messages in one pass over edges, in Numba: nothing of an edge's width is kept.

Edges go in blocks of `BLOCK`, whose numbers stay in the processor's cache; the backward pass
computes them again. The three axes of a block's vectors lie one after the other, (3 edges,
channels), so that mixing channels is one product, and lengths and scales are one long loop. Rows
are padded with zeros to whole vectors. Names and formulas are those of `gvp_message`.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
from llvmlite import ir
from numba import njit, types
from numba.extending import intrinsic, overload

from zoo.backbones.tiles import (
    WITHIN,
    add_outer,
    add_product,
    add_strided,
    aligned,
    kept,
    put_sum,
)

BLOCK = 64
"""Edges at a time."""
RUN = 16
"""Blocks whose gradients of weights are added up apart, so that rounding grows less."""
SMALLEST = 1e-8
"""As in `gvp_message`."""


class Weights(NamedTuple):
    """Matrices (in, out) of the three GVPs."""

    edge: Any
    length1: Any
    edge_v: Any
    v1: Any
    scalar2: Any
    length2: Any
    bias2: Any
    h2: Any
    v2: Any
    h3: Any


class Ends(NamedTuple):
    """The graph, and what the first maps make of nodes; vectors are (3 nodes, channels)."""

    src: Any
    dst: Any
    s_src: Any
    s_dst: Any
    v_src: Any
    v_dst: Any
    edge_s: Any
    edge_v: Any


class Room(NamedTuple):
    """A block's scalars `s`, lengths `l`, hidden vectors `h`, and vectors `v`, scaled from `p`."""

    s1: Any
    h1: Any
    l1: Any
    p1: Any
    v1: Any
    s2: Any
    h2: Any
    l2: Any
    p2: Any
    v2: Any
    h3: Any
    l3: Any


@intrinsic
def _from_bits(context, bits):  # type: ignore[no-untyped-def]
    def generate(context, builder, signature, args):  # type: ignore[no-untyped-def]
        return builder.bitcast(args[0], ir.FloatType())

    return types.float32(types.int32), generate


def _exp(x: Any) -> Any:
    return np.exp(x)


@overload(_exp, inline="always")
def _exp_of_type(x):  # type: ignore[no-untyped-def]
    if x == types.float32:
        return _exp_in_single
    return lambda x: np.exp(x)


def _exp_in_single(x):  # type: ignore[no-untyped-def]
    """Return e^x to 2e-7, in a form that LLVM makes vectors of; between 2^-126 and 2^126."""
    t = x * np.float32(1.4426950408889634)
    t = np.float32(-126) if t < np.float32(-126) else t
    t = np.float32(126) if t > np.float32(126) else t
    whole = np.floor((t if t > np.float32(-126) else np.float32(-126)) + np.float32(0.5))
    r = t - whole
    p = np.float32(1.5252733804e-5)
    p = p * r + np.float32(1.5403530394e-4)
    p = p * r + np.float32(1.3333558147e-3)
    p = p * r + np.float32(9.6181291076e-3)
    p = p * r + np.float32(5.5504108665e-2)
    p = p * r + np.float32(2.4022650696e-1)
    p = p * r + np.float32(6.9314718056e-1)
    p = p * r + np.float32(1)
    return p * _from_bits((np.int32(whole) + np.int32(127)) << np.int32(23))


@njit(**WITHIN)
def _axes(v, edges):  # type: ignore[no-untyped-def]
    """Return the three axes of a block's vectors, end to end."""
    flat, size = v.reshape(-1), edges * v.shape[1]
    return flat[:size], flat[size : 2 * size], flat[2 * size : 3 * size]


@njit(**WITHIN)
def _put_lengths(length, v, edges):  # type: ignore[no-untyped-def]
    x, y, z = _axes(v, edges)
    out, least = length.reshape(-1), v.dtype.type(SMALLEST)
    for i in range(len(x)):
        square = x[i] * x[i] + y[i] * y[i] + z[i] * z[i]
        out[i] = np.sqrt(least if square < least else square)


@njit(**WITHIN)
def _clear(out, rows):  # type: ignore[no-untyped-def]
    flat, nothing = out.reshape(-1), out.dtype.type(0)
    for i in range(rows * out.shape[1]):
        flat[i] = nothing


@njit(**WITHIN)
def _put_product(out, a, b, rows):  # type: ignore[no-untyped-def]
    _clear(out, rows)
    add_product(out, a, b, rows)


@njit(**WITHIN)
def _put_scaled(v, p, length, edges):  # type: ignore[no-untyped-def]
    """Put vectors times a sigmoid of their own lengths into `v`."""
    _put_lengths(length, p, edges)
    scale, one = length.reshape(-1)[: edges * p.shape[1]], p.dtype.type(1)
    for i in range(len(scale)):
        scale[i] = one / (one + _exp(-scale[i]))
    to, of = _axes(v, edges), _axes(p, edges)
    for c in range(3):
        for i in range(len(scale)):
            to[c][i] = of[c][i] * scale[i]


@njit(**WITHIN)
def _rectify(s, edges):  # type: ignore[no-untyped-def]
    flat, nothing = s.reshape(-1), s.dtype.type(0)
    for i in range(edges * s.shape[1]):
        flat[i] = nothing if flat[i] < nothing else flat[i]


@njit(**WITHIN)
def _put_ends(room, w, ends, begin, edges):  # type: ignore[no-untyped-def]
    """Put what nodes and edges give to the first GVP."""
    for e in range(edges):
        u, d = ends.src[begin + e], ends.dst[begin + e]
        put_sum(room.s1, e, ends.s_src, u, ends.s_dst, d)
        for c in range(3):
            put_sum(room.h1, c * edges + e, ends.v_src, 3 * u + c, ends.v_dst, 3 * d + c)
    add_product(room.s1, ends.edge_s[begin:], w.edge, edges)
    many = ends.edge_v.shape[1]
    for c in range(3):
        axis = ends.edge_v[begin:].reshape(-1)[c:]
        add_strided(room.h1[c * edges :], axis, 3 * many, 3, w.edge_v, edges, many)


@njit(**WITHIN)
def _put_vectors(v, p, hidden, to_v, following, length, to_following, edges):  # type: ignore[no-untyped-def]
    """Put the vectors of a GVP, and the hidden vectors of the next one with their lengths."""
    _put_product(p, hidden, to_v, 3 * edges)
    _put_scaled(v, p, length, edges)
    _put_product(following, v, to_following, 3 * edges)
    _put_lengths(length, following, edges)


@njit(**WITHIN)
def _put_messages(room, w, ends, begin, edges):  # type: ignore[no-untyped-def]
    """Compute a block, up to what the last GVP needs the mean of."""
    _put_ends(room, w, ends, begin, edges)
    _put_lengths(room.l1, room.h1, edges)
    add_product(room.s1, room.l1, w.length1, edges)
    _rectify(room.s1, edges)
    _put_vectors(room.v1, room.p1, room.h1, w.v1, room.h2, room.l2, w.h2, edges)
    for e in range(edges):
        for j in range(w.bias2.shape[1]):
            room.s2[e, j] = w.bias2[0, j]
    add_product(room.s2, room.s1, w.scalar2, edges)
    add_product(room.s2, room.l2, w.length2, edges)
    _rectify(room.s2, edges)
    _put_vectors(room.v2, room.p2, room.h2, w.v2, room.h3, room.l3, w.h3, edges)


@njit(**WITHIN)
def _room(w):  # type: ignore[no-untyped-def]
    one, three, x = BLOCK, 3 * BLOCK, w.edge
    scalars, v1, v2 = w.edge.shape[1], w.v1.shape[1], w.v2.shape[1]
    h1, h2, h3 = w.edge_v.shape[1], w.h2.shape[1], w.h3.shape[1]
    return Room(
        aligned(one, scalars, x), aligned(three, h1, x), aligned(one, h1, x),
        aligned(three, v1, x), aligned(three, v1, x),
        aligned(one, scalars, x), aligned(three, h2, x), aligned(one, max(h2, v1), x),
        aligned(three, v2, x), aligned(three, v2, x),
        aligned(three, h3, x), aligned(one, max(h3, v2), x),
    )  # fmt: skip


@kept
def forward(w, ends, begin, stop, s, length, v):  # type: ignore[no-untyped-def]
    """Add up the messages of the edges from `begin` to `stop` at their destinations.

    Args:
        w: `Weights`.
        ends: `Ends`.
        begin: first edge.
        stop: the edge after the last; both are where a destination begins.
        s: (nodes, scalars), changed.
        length: (nodes, hidden channels of the last GVP), changed.
        v: (3 nodes, vectors), changed.
    """
    room = _room(w)
    for first in range(begin, stop, BLOCK):
        edges = min(BLOCK, stop - first)
        _put_messages(room, w, ends, first, edges)
        for e in range(edges):
            d = ends.dst[first + e]
            put_sum(s, d, s, d, room.s2, e)
            put_sum(length, d, length, d, room.l3, e)
            for c in range(3):
                put_sum(v, 3 * d + c, v, 3 * d + c, room.v2, c * edges + e)


@njit(**WITHIN)
def _add_slope_of_lengths(g_v, g_length, v, length, edges):  # type: ignore[no-untyped-def]
    """Add the gradient of lengths to that of their vectors; there is none at the least length."""
    ratio, size = g_length.reshape(-1)[: edges * v.shape[1]], length.reshape(-1)
    least, nothing = v.dtype.type(SMALLEST * 1.001), v.dtype.type(0)
    for i in range(len(ratio)):
        ratio[i] = nothing if size[i] * size[i] <= least else ratio[i] / size[i]
    to, of = _axes(g_v, edges), _axes(v, edges)
    for c in range(3):
        for i in range(len(ratio)):
            to[c][i] += of[c][i] * ratio[i]


@njit(**WITHIN)
def _slope_of_scaled(g, p, spare, edges):  # type: ignore[no-untyped-def]
    """Turn the gradient of scaled vectors into that of the vectors."""
    to, of = _axes(g, edges), _axes(p, edges)
    scale, along, _ = _axes(spare, edges)
    _put_lengths(spare, p, edges)
    one, nothing, least = p.dtype.type(1), p.dtype.type(0), p.dtype.type(SMALLEST * 1.001)
    for i in range(len(along)):
        along[i] = to[0][i] * of[0][i] + to[1][i] * of[1][i] + to[2][i] * of[2][i]
    for i in range(len(along)):
        length = scale[i]
        f = one / (one + _exp(-length))
        slope = along[i] * f * (one - f) / length
        along[i] = nothing if length * length <= least else slope
        scale[i] = f
    for c in range(3):
        for i in range(len(along)):
            to[c][i] = to[c][i] * scale[i] + of[c][i] * along[i]


@njit(**WITHIN)
def _slope_of_rectified(g, s, edges):  # type: ignore[no-untyped-def]
    slope, flat, nothing = g.reshape(-1), s.reshape(-1), s.dtype.type(0)
    for i in range(edges * s.shape[1]):
        slope[i] = nothing if flat[i] <= nothing else slope[i]


@njit(**WITHIN)
def _back_to_first(room, g, back, dw, edges):  # type: ignore[no-untyped-def]
    """Go back from the sums to what the first GVP gave."""
    _clear(g.h3, 3 * edges)
    _add_slope_of_lengths(g.h3, g.l3, room.h3, room.l3, edges)
    add_outer(dw.h3, room.v2, g.h3, 3 * edges)
    add_product(g.v2, g.h3, back.h3, 3 * edges)
    _slope_of_scaled(g.v2, room.p2, g.p2, edges)
    _slope_of_rectified(g.s2, room.s2, edges)
    for e in range(edges):
        put_sum(dw.bias2, 0, dw.bias2, 0, g.s2, e)
    add_outer(dw.scalar2, room.s1, g.s2, edges)
    add_outer(dw.length2, room.l2, g.s2, edges)
    add_outer(dw.v2, room.h2, g.v2, 3 * edges)
    _put_product(g.s1, g.s2, back.scalar2, edges)
    _put_product(g.l2, g.s2, back.length2, edges)
    _put_product(g.h2, g.v2, back.v2, 3 * edges)
    _add_slope_of_lengths(g.h2, g.l2, room.h2, room.l2, edges)
    add_outer(dw.h2, room.v1, g.h2, 3 * edges)
    _put_product(g.v1, g.h2, back.h2, 3 * edges)


@njit(**WITHIN)
def _back_to_ends(room, g, back, dw, ends, begin, edges):  # type: ignore[no-untyped-def]
    """Go back through the first GVP."""
    _slope_of_scaled(g.v1, room.p1, g.p1, edges)
    _slope_of_rectified(g.s1, room.s1, edges)
    add_outer(dw.edge, ends.edge_s[begin:], g.s1, edges)
    add_outer(dw.length1, room.l1, g.s1, edges)
    add_outer(dw.v1, room.h1, g.v1, 3 * edges)
    _put_product(g.l1, g.s1, back.length1, edges)
    _put_product(g.h1, g.v1, back.v1, 3 * edges)
    _add_slope_of_lengths(g.h1, g.l1, room.h1, room.l1, edges)
    many = ends.edge_v.shape[1]
    for c in range(3):
        axis = ends.edge_v[begin:].reshape(-1)[c:]
        add_strided(dw.edge_v, axis, 3, 3 * many, g.h1[c * edges :], many, edges)


@njit(**WITHIN)
def _put_edges(g, back, d_edge_s, d_edge_v, spare, edges):  # type: ignore[no-untyped-def]
    add_product(d_edge_s, g.s1, back.edge, edges)
    _put_product(spare, g.h1, back.edge_v, 3 * edges)
    for c in range(3):
        for e in range(edges):
            for i in range(d_edge_v.shape[1]):
                d_edge_v[e, i, c] = spare[c * edges + e, i]


@njit(**WITHIN)
def _move(few, dw):  # type: ignore[no-untyped-def]
    """Add the gradients of a few blocks to those of all, and begin anew."""
    for k in range(len(few)):
        part, total, nothing = few[k].reshape(-1), dw[k].reshape(-1), few[k].dtype.type(0)
        for i in range(len(part)):
            total[i] += part[i]
            part[i] = nothing


@kept
def backward(w, back, ends, begin, stop, asked, few, dw, d, with_edges):  # type: ignore[no-untyped-def]
    """Add up the gradients that the edges from `begin` to `stop` give.

    Args:
        w: `Weights`.
        back: the same matrices (out, in).
        ends: `Ends`.
        begin: first edge.
        stop: the edge after the last; both are where a destination begins.
        asked: gradients of what `forward` adds up.
        few: zeros in the shape of `w`, for the gradients of a few blocks.
        dw: gradients of `w`, changed.
        d: gradients of `ends`, changed; those of edges only `with_edges`.
        with_edges: whether anyone asks for the gradients of edges.
    """
    room, g = _room(w), _room(w)
    spare = aligned(3 * BLOCK, ends.edge_v.shape[1], w.edge)
    none = aligned(1, max(w.edge.shape[1], w.h3.shape[1], w.v2.shape[1]), w.edge)
    for first in range(begin, stop, BLOCK):
        edges = min(BLOCK, stop - first)
        _put_messages(room, w, ends, first, edges)
        for e in range(edges):
            at = ends.dst[first + e]
            put_sum(g.s2, e, asked[0], at, none, 0)
            put_sum(g.l3, e, asked[1], at, none, 0)
            for c in range(3):
                put_sum(g.v2, c * edges + e, asked[2], 3 * at + c, none, 0)
        _back_to_first(room, g, back, few, edges)
        _back_to_ends(room, g, back, few, ends, first, edges)
        for e in range(edges):
            u, at = ends.src[first + e], ends.dst[first + e]
            put_sum(d.s_src, u, d.s_src, u, g.s1, e)
            put_sum(d.s_dst, at, d.s_dst, at, g.s1, e)
            for c in range(3):
                put_sum(d.v_src, 3 * u + c, d.v_src, 3 * u + c, g.h1, c * edges + e)
                put_sum(d.v_dst, 3 * at + c, d.v_dst, 3 * at + c, g.h1, c * edges + e)
        if with_edges:
            _put_edges(g, back, d.edge_s[first:], d.edge_v[first:], spare, edges)
        if (first - begin) // BLOCK % RUN == RUN - 1:
            _move(few, dw)
    _move(few, dw)
