"""A protein's backbone as a shaded ribbon, coloured by a number for each residue: NumPy, no viewer.

The ribbon's surface is sampled densely, and every pixel keeps the sample nearest to the eye.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from matplotlib.colors import Colormap
from numpy.typing import NDArray
from scipy.interpolate import CubicSpline, PchipInterpolator
from scipy.ndimage import gaussian_filter, maximum_filter, uniform_filter1d

from zoo.proteins.protein import Chain

Array = NDArray[np.float64]

HELIX, COIL = (1.45, 0.28), (0.42, 0.42)
"""Half a ribbon's width and half its thickness, in angstrom."""
LIGHT = np.array([-0.45, 0.65, 0.75]) / np.linalg.norm([-0.45, 0.65, 0.75])
OUTLINE = 1.2
"""A step in depth, in angstrom, that is drawn as an outline."""


@dataclass(frozen=True)
class View:
    """How a protein is looked at: turned first, then projected onto the picture's plane.

    Attributes:
        pixels: width and height of the picture.
        turn: degrees about the x, y and z axes, after the longest axis was laid along x.
        margin: of the picture, in angstrom.
    """

    pixels: tuple[int, int]
    turn: tuple[float, float, float] = (0.0, 0.0, 0.0)
    margin: float = 3.0


def cartoon(chain: Chain, scores: Array, colours: Colormap, view: View) -> Array:
    """Return (height, width, 4) red, green, blue and opacity, each from 0 to 1.

    Args:
        chain: without gaps.
        scores: a number from 0 to 1 for each residue.
        colours: what a score is drawn in.
        view: of the protein.
    """
    wide = View((2 * view.pixels[0], 2 * view.pixels[1]), view.turn, view.margin)
    points = _turned(chain.coords.astype(float), wide)
    depth, normal, score = _nearest(points, scores, wide)
    there = np.isfinite(depth)
    colour = colours(np.clip(score, 0, 1))[..., :3] * _brightness(normal)[..., None]
    colour += 0.25 * _gloss(normal)[..., None]
    shade, line = _shadows(depth, there)
    colour = np.clip(colour * shade[..., None], 0, 1)
    colour[line] *= 0.25
    picture = np.concatenate([colour, (there | line)[..., None]], axis=-1)
    picture[..., :3] *= picture[..., 3:]
    small = picture.reshape(view.pixels[1], 2, view.pixels[0], 2, 4).mean(axis=(1, 3))
    small[..., :3] /= np.maximum(small[..., 3:], 1e-6)
    return np.clip(small, 0, 1)


def _turned(coords: Array, view: View) -> Array:
    """Return coordinates in pixels, x to the right, y up, z towards the eye."""
    centred = coords - coords[:, 1].mean(axis=0)
    _, _, axes = np.linalg.svd(centred[:, 1], full_matrices=False)
    axes[2] *= np.sign(np.linalg.det(axes))  # no mirror image
    turned = centred @ axes.T
    for axis, degrees in enumerate(view.turn):
        cos, sin = np.cos(np.radians(degrees)), np.sin(np.radians(degrees))
        first, second = [(1, 2), (2, 0), (0, 1)][axis]
        matrix = np.eye(3)
        matrix[[first, first, second, second], [first, second, first, second]] = cos, -sin, sin, cos
        turned = turned @ matrix.T
    low, high = turned[:, 1].min(axis=0), turned[:, 1].max(axis=0)
    return turned - (low + high) / 2


def _helix(ca: Array) -> Array:
    """Return for each residue whether it lies in a helix, from distances of CA to CA."""
    inside = np.zeros(len(ca))
    for i in range(len(ca) - 4):
        three, four = (np.linalg.norm(ca[i + step] - ca[i]) for step in (3, 4))
        if 4.5 < three < 6.0 and 5.2 < four < 7.2:
            inside[i : i + 5] = 1
    return inside


def _nearest(points: Array, scores: Array, view: View) -> tuple[Array, Array, Array]:
    """Return depth, normal and score of the sample nearest to the eye, for each pixel."""
    width, height = view.pixels
    ca = points[:, 1]
    extent = np.ptp(ca, axis=0)[:2] + 2 * view.margin
    scale = min(width / extent[0], height / extent[1])
    depth = np.full(height * width, -np.inf)
    normal = np.zeros((height * width, 3))
    score = np.zeros(height * width)
    for where, facing, value in _surface(points, scores, scale):
        x = np.round(where[:, 0] * scale + width / 2).astype(int)
        y = np.round(height / 2 - where[:, 1] * scale).astype(int)
        inside = (x >= 0) & (x < width) & (y >= 0) & (y < height)
        pixel, z = (y * width + x)[inside], where[inside, 2]
        order = np.argsort(z)  # of two samples in one pixel the later, nearer one stays
        pixel, z = pixel[order], z[order]
        front = z > depth[pixel]
        pixel, chosen = pixel[front], np.flatnonzero(inside)[order][front]
        depth[pixel], normal[pixel], score[pixel] = z[front], facing[chosen], value[chosen]
    shape = height, width
    return depth.reshape(shape), normal.reshape(*shape, 3), score.reshape(shape)


def _surface(points: Array, scores: Array, scale: float) -> Iterator[tuple[Array, Array, Array]]:
    """Yield samples of the ribbon piece by piece: positions, normals and scores."""
    number = np.arange(len(points))
    ca, carbonyl = points[:, 1], points[:, 3] - points[:, 2]
    for i in range(1, len(carbonyl)):  # neighbours point to opposite sides in a strand
        if carbonyl[i] @ carbonyl[i - 1] < 0:
            carbonyl[i] = -carbonyl[i]
    path, side = CubicSpline(number, ca), CubicSpline(number, uniform_filter1d(carbonyl, 3, axis=0))
    shape = PchipInterpolator(number, np.outer(_helix(ca), HELIX) + np.outer(1 - _helix(ca), COIL))
    value = PchipInterpolator(number, scores)
    around = np.linspace(0, 2 * np.pi, int(14 * scale), endpoint=False)
    for start in number[:-1]:
        at = np.linspace(start, start + 1, int(9 * scale))
        tangent = path(at, 1)
        tangent /= np.linalg.norm(tangent, axis=1, keepdims=True)
        across = side(at)
        across -= (across * tangent).sum(1, keepdims=True) * tangent
        across /= np.linalg.norm(across, axis=1, keepdims=True)
        up = np.cross(tangent, across)
        a, b = shape(at).T[:, :, None, None]
        cos, sin = np.cos(around)[None, :, None], np.sin(around)[None, :, None]
        where = path(at)[:, None] + a * cos * across[:, None] + b * sin * up[:, None]
        facing = cos / a * across[:, None] + sin / b * up[:, None]
        facing /= np.linalg.norm(facing, axis=-1, keepdims=True)
        shown = np.broadcast_to(value(at)[:, None], where.shape[:2])
        yield where.reshape(-1, 3), facing.reshape(-1, 3), shown.ravel()
    for end in (0, len(ca) - 1):  # rounded ends
        sphere = np.random.default_rng(0).normal(size=(int(8 * scale**2), 3))
        sphere /= np.linalg.norm(sphere, axis=1, keepdims=True)
        yield ca[end] + COIL[0] * sphere, sphere, np.full(len(sphere), scores[end])


def _brightness(normal: Array) -> Array:
    return 0.62 + 0.5 * np.clip(normal @ LIGHT, 0, 1)


def _gloss(normal: Array) -> Array:
    half = LIGHT + [0, 0, 1]
    return np.clip(normal @ (half / np.linalg.norm(half)), 0, 1) ** 40


def _shadows(depth: Array, there: NDArray[np.bool_]) -> tuple[Array, NDArray[np.bool_]]:
    """Return how dark each pixel is that lies behind its surroundings, and where outlines run."""
    floor = depth[there].min() - 2.0
    filled = np.where(there, depth, floor)
    shade = np.ones_like(depth)
    for radius, strength in ((12, 0.05), (40, 0.03)):
        weight = gaussian_filter(there.astype(float), radius)
        mean = gaussian_filter(np.where(there, depth, 0.0), radius) / np.maximum(weight, 1e-6)
        shade -= strength * np.clip(mean - filled, 0, 6)
    line = maximum_filter(filled, 5) - filled > OUTLINE
    return np.clip(shade, 0.35, 1), line
