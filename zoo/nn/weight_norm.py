"""Weight norm: in its place while training, folded into plain weights to compute with.

Released vocoders store every convolution as a direction `v` and a length `g` (over all axes but
the first). Training keeps the two apart; at inference the product is computed once.
"""

from __future__ import annotations

from collections.abc import Sequence
from copy import deepcopy
from dataclasses import dataclass
from typing import Generic, TypeVar, cast

import torch
from torch import Tensor, nn
from torch.nn.utils import parametrize
from torch.nn.utils.parametrizations import weight_norm

M = TypeVar("M", bound=nn.Module)
_Mark = tuple[Tensor, int, int]


def normed(module: M) -> M:
    """`module` with its weight split into length and direction (`dim=0`, as released files)."""
    return weight_norm(module)  # type: ignore[no-any-return]


def initialised(module: M, std: float | None) -> M:
    """`module` with its weight drawn from N(0, std) where that is given, before `normed` splits it."""
    if std is None:
        return module
    weight = module.weight
    assert isinstance(weight, Tensor)
    nn.init.normal_(weight, 0.0, std)
    return module


def fold(module: M) -> M:
    """A copy of `module` in which every parametrized weight is one plain frozen tensor."""
    copy = deepcopy(module)
    for name, part in list(copy.named_modules()):
        if not parametrize.is_parametrized(part, "weight"):
            continue
        plain = _plain(part)
        if not name:
            copy = cast(M, plain)
            break
        parent, _, own = name.rpartition(".")
        setattr(copy.get_submodule(parent), own, plain)
    copy.requires_grad_(False)
    return copy.train(False)


def _plain(part: nn.Module) -> nn.Module:
    """The module as it was before its weight was parametrized.

    torch's own `remove_parametrizations` takes the weight from the class, which a copy shares with
    the original: the original would lose it as well.
    """
    plain: nn.Module = object.__new__(type(part).__bases__[0])
    plain.__dict__.update(part.__dict__)
    weight = nn.Parameter(torch.as_tensor(part.weight).detach().clone())
    plain._parameters = {"weight": weight, **part._parameters}
    plain._modules = {k: v for k, v in part._modules.items() if k != "parametrizations"}
    return plain


@dataclass
class Folded(Generic[M]):
    """A folded copy that is made when it is first asked for, and again when weights change.

    It is not a module, so the copy is neither saved nor moved with the original.
    """

    _copy: M | None = None
    _marks: Sequence[_Mark] = ()

    def of(self, module: M) -> M:
        """The folded copy of `module` as it is now."""
        marks = [(p, p.data_ptr(), _version(p)) for p in module.parameters()]
        if self._copy is None or not _same(marks, self._marks):
            self._copy, self._marks = fold(module), marks
        return self._copy

    def __deepcopy__(self, memo: object) -> Folded[M]:
        return Folded()

    def __getstate__(self) -> dict[str, object]:
        return {"_copy": None, "_marks": ()}


def _version(parameter: Tensor) -> int:
    # of a model that was loaded in inference mode nobody counts the changes
    return 0 if parameter.is_inference() else parameter._version


def _same(one: Sequence[_Mark], two: Sequence[_Mark]) -> bool:
    return len(one) == len(two) and all(
        a[0] is b[0] and a[1:] == b[1:] for a, b in zip(one, two, strict=True)
    )
