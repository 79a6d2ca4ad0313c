"""Decisions on requests: against other engines, against more statements, and with all that a decision may have beside it.

No engine keeps a decision. Peers are in the optional dependencies `bench`; before anything is measured, all must agree.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from functools import partial
from time import perf_counter

from benchmarks.measuring import interleaved
from benchmarks.policy_loads import ALICE, Asked, Load, colliding, conditional, everywhere, plain, wordless
from benchmarks.policy_peers import peers
from benchmarks.report import Bar, Result
from benchmarks.run import Run
from iamledger.policy import Request

FEW, MANY = 50, 1000
REQUESTS = 20_000
WINDOW = 0.5
"""A peer decides requests for about so many seconds in a round."""
BARS = {("cedarpy", FEW): 30, ("cedarpy", MANY): 400, ("moto", FEW): 20, ("moto", MANY): 2000}
BARS |= {("pycasbin", FEW): 60, ("pycasbin", MANY): 1000}


def measure(run: Run) -> Iterator[Result]:
    """Everything, in interleaved rounds."""
    rounds = run.rounds(7)
    for size in (FEW, MANY):
        load = plain(size)
        engines = dict(peers(load))
        run.tell(f"{size} statements beside {', '.join(engines) or 'no other engine: pip install .[bench]'}")
        _agree(load, engines)
        asked = load.requests(REQUESTS)
        contenders: dict[str, Callable[[], float]] = {"ours": partial(_rate, partial(_decide, load), asked)}
        contenders |= {name: partial(_rate_for, engine, asked) for name, engine in engines.items()}
        interleaved(1, contenders)
        found = interleaved(rounds, contenders)
        for name in engines:
            bar = Bar("ratio", "at least", BARS[name, size])
            yield Result("policy", f"decisions on {size:,} statements", "1/s", found["ours"], found[name], name, bar)
    run.tell("more statements, conditions, explanations")
    loads = {
        (make, size): make(size)
        for make in (plain, colliding, everywhere, conditional, wordless)
        for size in (FEW, MANY)
    }
    contenders = {}
    for (make, size), load in loads.items():
        contenders[f"{make.__name__} {size}"] = partial(_micros, partial(_decide, load), load)
        if make is plain:
            contenders[f"explained {size}"] = partial(_micros, partial(_explain, load), load)
            contenders[f"needed {size}"] = partial(_micros, partial(_needed, load), load, REQUESTS // size)
    interleaved(1, contenders)
    found = interleaved(rounds, contenders)
    twice = Bar("ratio", "at most", 2)
    for make in (plain, colliding, everywhere, wordless):
        what = f"a decision, {loads[make, MANY].name}, {MANY:,} statements"
        ours, beside = found[f"{make.__name__} {MANY}"], found[f"{make.__name__} {FEW}"]
        yield Result("policy", what, "µs", ours, beside, f"{FEW} statements", None if make is wordless else twice)
    for size in (FEW, MANY):
        without, of = found[f"plain {size}"], f"of {size:,} statements"
        with_ = found[f"conditional {size}"]
        yield Result(
            "policy", f"a decision {of}, conditions and variables in half", "µs", with_, without, "without", twice
        )
        explained, needed = found[f"explained {size}"], found[f"needed {size}"]
        yield Result("policy", f"an explanation {of}", "µs", explained, without, "a decision", twice)
        what = f"an explanation {of}, with what would have been needed"
        yield Result("policy", what, "µs", needed, without, "a decision")


def _decide(load: Load, asked: Asked) -> bool:
    action, resource, context = asked
    return bool(load.compiled.decide(Request(ALICE, action, resource, None, context)))


def _explain(load: Load, asked: Asked) -> object:
    action, resource, context = asked
    return load.compiled.explain(Request(ALICE, action, resource, None, context)).matched


def _needed(load: Load, asked: Asked) -> object:
    action, resource, context = asked
    return load.compiled.explain(Request(ALICE, action, resource, None, context)).would_have_matched


def _agree(load: Load, engines: dict[str, Callable[[Asked], bool]]) -> None:
    asked = load.requests(60)
    ours = [_decide(load, one) for one in asked]
    assert sum(ours) == len(ours) // 2, f"{sum(ours)} of {len(ours)} are allowed"
    for name, engine in engines.items():
        assert [engine(one) for one in asked] == ours, f"{name} decides otherwise"


def _rate(decide: Callable[[Asked], object], asked: list[Asked]) -> float:
    """Decisions a second."""
    begun = perf_counter()
    for one in asked:
        decide(one)
    return len(asked) / (perf_counter() - begun)


def _rate_for(decide: Callable[[Asked], object], asked: list[Asked]) -> float:
    """Decisions a second, of as many requests as there is time for."""
    begun = perf_counter()
    for count, one in enumerate(asked, 1):  # noqa: B007
        decide(one)
        if (passed := perf_counter() - begun) > WINDOW:
            break
    return count / passed


def _micros(decide: Callable[[Asked], object], load: Load, count: int = REQUESTS) -> float:
    return 1e6 / _rate(decide, load.requests(count))
