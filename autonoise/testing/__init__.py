"""The contract for techniques, for whoever writes one in a package of their own."""

from __future__ import annotations

from autonoise.technique.registry import Technique, get_technique
from autonoise.testing.identity import IDENTITY
from autonoise.testing.promises import PROMISES, Promise
from autonoise.testing.raw_promises import RAW_PROMISES
from autonoise.testing.stage_promises import stage_promises
from autonoise.types import DataType, Stage

__all__ = ["check_technique", "promises_of"]


def promises_of(kind: type[Technique], data_type: DataType) -> tuple[Promise, ...]:
    """All promises of a technique for a data type: functions of both that raise AssertionError."""
    if kind.stage is Stage.RAW:
        return (*IDENTITY, *RAW_PROMISES)
    return (*IDENTITY, *PROMISES, *stage_promises(kind, data_type))


def check_technique(kind: type[Technique] | str) -> None:
    """Check the promises that the injector, the search and the policy file rely on, for each data type of a technique.

    It trains small models for a few updates with the technique at its default parameters, on the CPU. Among the
    promises: training is unchanged at strength 0 and the more it is changed the more strength there is; the same seed
    gives the same noise; batches and targets handed in are not written to; shapes, dtypes, missing values, padding,
    special tokens and categories stay; numbers stay finite in half precision too; eval mode adds nothing; resuming goes
    on as if training had not stopped; parameters outside their range are refused.

    Takes about a second for each data type. Raises AssertionError with one line for each broken promise, and
    UnknownNameError for a name that no technique has.

    Example:
        >>> from autonoise.testing import check_technique
        >>> check_technique("swap_noise")
    """
    kind = get_technique(kind) if isinstance(kind, str) else kind
    broken: dict[str, list[str]] = {}
    for data_type in sorted(kind.data_types):
        for promise in promises_of(kind, data_type):
            found = _broken(promise, kind, data_type)
            if found:
                broken.setdefault(found, []).append(data_type)
    if broken:
        lines = [f"  {', '.join(data_types)}: {found}" for found, data_types in broken.items()]
        raise AssertionError(f"{kind.name} breaks its contract:\n" + "\n".join(lines))


def _broken(promise: Promise, kind: type[Technique], data_type: DataType) -> str:
    """What breaks the promise, in one line; empty where it holds."""
    rule = (promise.__doc__ or "").splitlines()[0].rstrip(".")
    try:
        promise(kind, data_type)
    except AssertionError as e:
        return f"{rule}. Found: {e}"
    except Exception as e:  # whatever somebody's code raises
        return f"{rule}. Found: {type(e).__name__}: {' '.join(str(e).split())[:200]}"
    return ""
