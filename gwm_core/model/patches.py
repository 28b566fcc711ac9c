"""View tokens: linear patch tokens of a tick's frames and disparity, fitted in closed form.

A tick's two frames are taken as their mean and half their difference, which are nearly
uncorrelated; each has its own principal components, and so have mean and half difference of the
disparity. Components are divided by the square root of their standard deviation (partial
whitening): details count for more than in pixels, but noise is not blown up.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from ..compiled import kernel

PARTS = ("mean", "change", "depth", "depth_change")


@kernel
def _cut_patches(a, b, c, d, patch, unit, mean, change, depth, depth_change):
    """Half the sum and half the difference of two frames a, b u8 [H, 3 W] (times 1/255) and of
    their disparities c, d f32 [H, W], patch by patch."""
    half, columns = np.float32(0.5), c.shape[1] // patch
    for i in range(c.shape[0]):
        for column in range(columns):
            token, at, j0 = i // patch * columns + column, i % patch * patch, column * patch
            for x in range(patch):
                p, q = c[i, j0 + x], d[i, j0 + x]
                depth[token, at + x] = (p + q) * half
                depth_change[token, at + x] = (q - p) * half
            for x in range(3 * patch):
                p, q = np.float32(a[i, 3 * j0 + x]), np.float32(b[i, 3 * j0 + x])
                mean[token, 3 * at + x] = (p + q) * unit
                change[token, 3 * at + x] = (q - p) * unit


class PatchTokenizer(nn.Module):
    """Frames u8 [F, H, W, 3] and disparity f32 [F, H, W] (1/m) of one tick <-> tokens [n, width].

    width, height must be multiples of ``patch``. components: how many are kept of the mean
    colour, the colour change, the mean disparity and the disparity change; 0 leaves a part out
    and it decodes as its average.
    """

    def __init__(
        self,
        width: int = 256,
        height: int = 160,
        patch: int = 32,
        components: tuple[int, int, int, int] = (96, 32, 24, 8),
    ) -> None:
        super().__init__()
        if width % patch or height % patch:
            raise ValueError(f"patches: {width} x {height} is not a multiple of {patch}")
        self.width, self.height, self.patch = width, height, patch
        self.components = tuple(int(c) for c in components)
        self.grid = (height // patch, width // patch)
        self.tokens = self.grid[0] * self.grid[1]
        self.token_width = sum(self.components)
        self._cells: dict[str, tuple] = {}
        self._centres: dict[str, tuple] = {}
        self.config = {
            "width": width, "height": height, "patch": patch, "components": list(self.components),
        }
        for name, count in zip(PARTS, self.components, strict=True):
            size = patch * patch * (1 if name.startswith("depth") else 3)
            self.register_buffer(f"{name}_average", torch.zeros(size))
            self.register_buffer(f"{name}_basis", torch.zeros(count, size))
            self.register_buffer(f"{name}_scale", torch.ones(count))

    # ------------------------------------------------------------------ pixels and patches

    def _patches(self, x: Tensor) -> Tensor:
        """[H, W, C] -> [tokens, patch * patch * C]."""
        rows, columns = self.grid
        x = x.reshape(rows, self.patch, columns, self.patch, -1)
        return x.transpose(1, 2).reshape(self.tokens, -1)

    def _pixels(self, x: Tensor, channels: int) -> Tensor:
        """The inverse of ``_patches``."""
        rows, columns = self.grid
        x = x.reshape(rows, columns, self.patch, self.patch, channels)
        return x.transpose(1, 2).reshape(self.height, self.width, channels)

    def _parts(self, frames, disparity) -> dict[str, Tensor]:
        """Patch vectors of the four parts; a single frame has no change."""
        rgb = torch.as_tensor(frames).to(self.mean_basis.device)
        near = torch.as_tensor(disparity).to(self.mean_basis.device).float()
        view = (self.height, self.width)
        if rgb.dim() != 4 or tuple(rgb.shape[1:]) != (*view, 3) or rgb.shape[0] not in (1, 2):
            raise ValueError(f"patches: frames must be [1 or 2, {view[0]}, {view[1]}, 3], "
                             f"got {tuple(rgb.shape)}")
        if tuple(near.shape) != tuple(rgb.shape[:3]):
            raise ValueError(f"patches: disparity must be {tuple(rgb.shape[:3])}, "
                             f"got {tuple(near.shape)}")
        if rgb.device.type == "cpu" and rgb.dtype == torch.uint8 and near.is_contiguous():
            return self._cut(rgb.contiguous(), near)
        # Cut into patches as they come: bytes are moved faster than floats.
        a, b = self._patches(rgb[0]).float(), self._patches(rgb[-1]).float()
        c, d = self._patches(near[0][..., None]), self._patches(near[-1][..., None])
        return {
            "mean": (a + b).mul_(0.5 / 255),
            "change": (b - a).mul_(0.5 / 255),
            "depth": (c + d).mul_(0.5),
            "depth_change": (d - c).mul_(0.5),
        }

    def _cut(self, rgb: Tensor, near: Tensor) -> dict[str, Tensor]:
        """The same for bytes in memory, in one go."""
        size = self.patch * self.patch
        parts = {name: torch.empty(self.tokens, size * (1 if name.startswith("depth") else 3))
                 for name in PARTS}
        a, b = (x.reshape(self.height, -1).numpy() for x in (rgb[0], rgb[-1]))
        _cut_patches(a, b, near[0].numpy(), near[-1].numpy(), self.patch, np.float32(0.5 / 255),
                     *(parts[n].numpy() for n in PARTS))
        return parts

    # ------------------------------------------------------------------ tokens

    @torch.no_grad()
    def encode(self, frames: np.ndarray | Tensor, disparity: np.ndarray | Tensor) -> Tensor:
        """Tokens f32 [tokens, token_width] of one tick (1 or 2 frames)."""
        parts = self._parts(frames, disparity)
        out = []
        for name in PARTS:
            basis, scale = getattr(self, f"{name}_basis"), getattr(self, f"{name}_scale")
            out.append((parts[name] @ basis.T - self._centre(name)) / scale)
        return torch.cat(out, dim=1)

    def _centre(self, name: str) -> Tensor:
        """A part's average in its own components, kept while the weights stay."""
        basis, average = getattr(self, f"{name}_basis"), getattr(self, f"{name}_average")
        key = tuple((t.device, t.dtype, t.data_ptr(), t._version) for t in (basis, average))
        if self._centres.get(name, (None,))[0] != key:
            self._centres[name] = (key, basis @ average)
        return self._centres[name][1]

    @torch.no_grad()
    def decode(self, tokens: Tensor, frames: int = 2) -> tuple[np.ndarray, np.ndarray]:
        """(frames u8 [F, H, W, 3], disparity f32 [F, H, W], at least 0) of tokens."""
        mean, change, depth, depth_change = self._expand(tokens)
        rgb = torch.stack([mean - change, mean + change][-frames:])
        near = torch.stack([depth - depth_change, depth + depth_change][-frames:])
        rgb = (rgb * 255.0 + 0.5).clamp_(0, 255.9).to(torch.uint8)
        return rgb.cpu().numpy(), near[..., 0].clamp_(min=0).cpu().numpy()

    @torch.no_grad()
    def decode_change(self, difference: Tensor, cell: int) -> np.ndarray:
        """What a difference of tokens adds to the two frames, f32 [2, H / cell, W / cell, 3] in
        0..255 units, as means of cells of ``cell`` pixels (a divisor of the patch).

        Added to a guide's own pixels it keeps all detail that the components do not span."""
        self._check(difference)
        mean, change = difference.float().split(list(self.components), dim=1)[:2]
        rows, columns = self.grid
        side = self.patch // cell
        out = []
        for name, part in (("mean", mean), ("change", change)):
            x = (part * getattr(self, f"{name}_scale")) @ self._pooled(name, cell)
            x = x.reshape(rows, columns, side, side, 3).transpose(1, 2)
            out.append(x.reshape(rows * side, columns * side, 3) * 255.0)
        return torch.stack([out[0] - out[1], out[0] + out[1]]).cpu().numpy()

    def _pooled(self, name: str, cell: int) -> Tensor:
        """A colour basis averaged over cells, [components, (patch / cell)^2 * 3]."""
        basis = getattr(self, f"{name}_basis")
        key = (cell, basis.device, basis.data_ptr(), basis._version)
        if self._cells.get(name, (None,))[0] != key:
            side = self.patch // cell
            x = basis.reshape(len(basis), side, cell, side, cell, 3).mean((2, 4))
            self._cells[name] = (key, x.reshape(len(basis), -1))
        return self._cells[name][1]

    def _check(self, tokens: Tensor) -> None:
        if tuple(tokens.shape) != (self.tokens, self.token_width):
            raise ValueError(f"patches: tokens must be [{self.tokens}, {self.token_width}], "
                             f"got {tuple(tokens.shape)}")

    def _expand(self, tokens: Tensor) -> list[Tensor]:
        self._check(tokens)
        out = []
        split = tokens.float().split(list(self.components), dim=1)
        for name, part in zip(PARTS, split, strict=True):
            x = (part * getattr(self, f"{name}_scale")) @ getattr(self, f"{name}_basis")
            x = x + getattr(self, f"{name}_average")
            out.append(self._pixels(x, 1 if name.startswith("depth") else 3))
        return out

    # ------------------------------------------------------------------ fitting

    @torch.no_grad()
    def fit(
        self, frames: np.ndarray, disparity: np.ndarray, limit: int = 12_000, seed: int = 0
    ) -> dict[str, Any]:
        """Fit all parts to ticks: frames u8 [T, 2, H, W, 3], disparity f32 [T, 2, H, W].

        At most ``limit`` patches are used. Returns the share of the variance that each part's
        components explain and the PSNR of decoding what was fitted.
        """
        if len(frames) < 1:
            raise ValueError("patches: at least one tick is needed to fit")
        rng = np.random.default_rng(seed)
        ticks = max(1, -(-limit // self.tokens))
        chosen = np.sort(rng.permutation(len(frames))[:ticks])
        parts = [self._parts(frames[i], disparity[i]) for i in chosen]
        report: dict[str, Any] = {"patches": len(chosen) * self.tokens}
        scales = []
        for name, count in zip(PARTS, self.components, strict=True):
            x = torch.cat([p[name] for p in parts])
            average = x.mean(0)
            if name.endswith("change"):  # standing still must be the token zero
                average = torch.zeros_like(average)
            x = x - average
            basis, deviation = _components(x, count, seed)
            getattr(self, f"{name}_average").copy_(average)
            getattr(self, f"{name}_basis").copy_(basis)
            scales.append(deviation.clamp(min=1e-4).sqrt())
            total = float(x.square().sum(1).mean())
            share = float(deviation.square().sum()) / total if total > 0 else 1.0
            report[f"explained_{name}"] = min(share, 1.0)
        # tokens of about unit variance over the mean's and the depth's components together
        for name, scale in zip(PARTS, scales, strict=True):
            variance = float(scale.square().mean()) if scale.numel() else 1.0
            getattr(self, f"{name}_scale").copy_(scale * variance**0.5)
        errors = []
        for i in chosen[: min(len(chosen), 64)]:
            again, _ = self.decode(self.encode(frames[i], disparity[i]))
            errors.append(np.square(again.astype(np.float32) - frames[i]).mean())
        report["psnr"] = float(10 * np.log10(255**2 / max(float(np.mean(errors)), 1e-9)))
        return report


def _components(x: Tensor, count: int, seed: int) -> tuple[Tensor, Tensor]:
    """Leading principal directions [count, d] of centred rows x [n, d] and their deviations, by
    randomised subspace iteration (exact to what matters after a few rounds)."""
    rows, size = x.shape
    if count == 0:
        return x.new_zeros(0, size), x.new_zeros(0)
    generator = torch.Generator(device="cpu").manual_seed(seed)
    wanted = min(count + 16, size)
    q = torch.randn(size, wanted, generator=generator).to(x)
    for _ in range(5):
        q = torch.linalg.qr(x.T @ (x @ q))[0]
    small = x @ q
    values, vectors = torch.linalg.eigh((small.T @ small).double() / max(rows, 1))
    order = torch.argsort(values, descending=True)[:count]
    basis = (q.double() @ vectors[:, order]).T.to(x.dtype)
    # a sign rule: the same data gives the same basis everywhere
    pivot = basis.gather(1, basis.abs().argmax(1, keepdim=True)).sign()
    return basis * pivot, values[order].clamp(min=0).sqrt().to(x.dtype)
