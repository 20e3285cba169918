"""Products of small matrices and sums of rows for kernels in Numba, in whole vectors.

Numba by itself keeps no block of sums in registers, and reaches a quarter of what a processor can
do. A tile here is a few rows of one vector each, written down for LLVM as such, and LLVM makes of
it what the processor at hand has. Every row is summed in the same order, in whatever tile it is.

Matrices are contiguous. Rows of `out` and `b` are whole vectors, see `padded`; `a` is any.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
from llvmlite import binding, ir
from numba import njit, types
from numba.core import cgutils
from numba.extending import intrinsic

LINE = 64 if binding.get_host_cpu_features().get("avx512f") else 32
"""Bytes of a vector."""
OPTIONS: dict[str, Any] = {"error_model": "numpy", "fastmath": {"contract"}, "nogil": True}
"""Of every kernel. A product may be fused with its sum; nothing is assumed about NaN."""
WITHIN: dict[str, Any] = OPTIONS | {"no_cpython_wrapper": True, "no_cfunc_wrapper": True}
"""Of what only other kernels call."""
Intrinsic = Callable[..., Any]


def kept(function: Callable[..., Any]) -> Callable[..., Any]:
    """Compile a kernel at its first call, and keep it on the disk for other processes.

    Where no folder can be written to, each process compiles it. What is kept is made anew when the
    kernel's own file changes: after a change here, touch that file.
    """
    try:
        return njit(**OPTIONS, cache=True)(function)
    except RuntimeError:
        return njit(**OPTIONS)(function)


class _Writer:
    """Writes vectors of arrays in LLVM's language; the first array gives the type."""

    def __init__(self, context: Any, builder: Any, signature: Any, args: Any) -> None:
        self.context, self.builder, self.signature, self.args = context, builder, signature, args
        self.number = context.get_value_type(signature.args[0].dtype)
        self.size = context.get_abi_sizeof(self.number)
        self.vector = ir.VectorType(self.number, LINE // self.size)

    def array(self, i: int) -> Any:
        """Return where the data of an argument begin."""
        make = self.context.make_array(self.signature.args[i])
        return make(self.context, self.builder, self.args[i]).data

    def place(self, array: Any, begin: Any, step: Any, times: Any, kind: Any) -> Any:
        """Return the place of a vector or number, `times` steps after where it begins."""
        offset = self.builder.add(begin, self.builder.mul(step, times))
        return self.builder.bitcast(self.builder.gep(array, [offset]), kind.as_pointer())

    def load(self, place: Any) -> Any:
        """Return what is there, wherever it begins."""
        return self.builder.load(place, align=self.size)

    def store(self, value: Any, place: Any) -> None:
        """Put it there."""
        self.builder.store(value, place, align=self.size)

    def spread(self, one: Any) -> Any:
        """Return a vector of one number."""
        nothing, word = ir.Constant(self.vector, ir.Undefined), ir.IntType(32)
        first = self.builder.insert_element(nothing, one, ir.Constant(word, 0))
        zeros = ir.Constant(ir.VectorType(word, self.vector.count), None)
        return self.builder.shuffle_vector(first, nothing, zeros)


def _tile(rows: int) -> Intrinsic:
    """Return an intrinsic: `a @ b` is added to one vector of columns of `rows` rows of `out`."""

    @intrinsic
    def add_product(context, out, at, stride, a, a_at, a_row, a_step, b, b_at, b_stride, depth):  # type: ignore[no-untyped-def]
        signature = types.void(out, at, stride, a, a_at, a_row, a_step, b, b_at, b_stride, depth)
        return signature, lambda *given: _write_tile(rows, _Writer(*given))

    return add_product


def _write_tile(rows: int, w: _Writer) -> Any:
    _, at, stride, _, a_at, a_row, a_step, _, b_at, b_stride, depth = w.args
    out, a, b = w.array(0), w.array(3), w.array(7)
    index = [ir.Constant(at.type, r) for r in range(rows)]
    ends = [w.place(out, at, stride, r, w.vector) for r in index]
    sums = [cgutils.alloca_once(w.builder, w.vector) for _ in index]
    for end, total in zip(ends, sums, strict=True):
        w.builder.store(w.load(end), total)
    with cgutils.for_range(w.builder, depth) as loop:
        column = w.load(w.place(b, b_at, b_stride, loop.index, w.vector))
        begin = w.builder.add(a_at, w.builder.mul(a_step, loop.index))
        for r, total in zip(index, sums, strict=True):
            one = w.spread(w.load(w.place(a, begin, a_row, r, w.number)))
            product = w.builder.fmul(one, column, flags=("contract",))
            more = w.builder.fadd(w.builder.load(total), product, flags=("contract",))
            w.builder.store(more, total)
    for end, total in zip(ends, sums, strict=True):
        w.store(w.builder.load(total), end)
    return w.context.get_dummy_value()


_add_to_8, _add_to_4, _add_to_1 = _tile(8), _tile(4), _tile(1)


@intrinsic
def _put_sum(context, out, at, a, a_at, b, b_at, width):  # type: ignore[no-untyped-def]
    def write(*given):  # type: ignore[no-untyped-def]
        w = _Writer(*given)
        places = [(w.array(i), w.args[i + 1]) for i in (0, 2, 4)]
        step = ir.Constant(places[0][1].type, w.vector.count)
        with cgutils.for_range(w.builder, w.builder.sdiv(w.args[6], step)) as loop:
            end, *parts = (w.place(x, begin, step, loop.index, w.vector) for x, begin in places)
            w.store(w.builder.fadd(*(w.load(part) for part in parts)), end)
        return w.context.get_dummy_value()

    return types.void(out, at, a, a_at, b, b_at, width), write


@njit(**WITHIN)
def put_sum(out, i, a, j, b, k):  # type: ignore[no-untyped-def]
    """Put the sum of row `j` of `a` and row `k` of `b` into row `i` of `out`, of one width."""
    width = out.shape[1]
    _put_sum(out, i * width, a, j * width, b, k * width, width)


@njit(**WITHIN)
def add_strided(out, a, a_row, a_step, b, rows, depth):  # type: ignore[no-untyped-def]
    """Add to `rows` rows of `out`, where number k of row r of `a` is at r a_row + k a_step."""
    width = out.shape[1]
    eights = rows // 8 * 8
    fours = rows // 4 * 4
    for c in range(0, width, LINE // out.itemsize):
        for r in range(0, eights, 8):
            _add_to_8(out, r * width + c, width, a, r * a_row, a_row, a_step, b, c, width, depth)
        for r in range(eights, fours, 4):
            _add_to_4(out, r * width + c, width, a, r * a_row, a_row, a_step, b, c, width, depth)
        for r in range(fours, rows):
            _add_to_1(out, r * width + c, width, a, r * a_row, a_row, a_step, b, c, width, depth)


@njit(**WITHIN)
def add_product(out, a, b, rows):  # type: ignore[no-untyped-def]
    """Add `a[:rows, :depth] @ b` to `out`, where `b` has `depth` rows."""
    add_strided(out, a, a.shape[1], 1, b, rows, b.shape[0])


@njit(**WITHIN)
def add_outer(out, a, b, rows):  # type: ignore[no-untyped-def]
    """Add `a[:rows, :len(out)].T @ b[:rows]` to `out`."""
    add_strided(out, a, 1, a.shape[1], b, out.shape[0], rows)


@njit(**WITHIN)
def aligned(rows, columns, like):  # type: ignore[no-untyped-def]
    """Return zeros (rows, columns made up to whole vectors), which begin where a vector may."""
    lanes = LINE // like.itemsize
    columns = (columns + lanes - 1) // lanes * lanes
    block = np.zeros(rows * columns + lanes, like.dtype)
    skip = (-block.ctypes.data) % LINE // like.itemsize
    return block[skip : skip + rows * columns].reshape(rows, columns)
