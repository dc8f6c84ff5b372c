"""Where a service's CPU time goes, by samples: cheap enough that what is seen is the service and not the profiler.

`python -m bench.profiling OUTPUT MODULE` is the sampled service. It counts from START_SIGNAL on, so that neither
imports nor the first requests are in it, and writes when the service ends.
"""

import json
import re
import runpy
import signal
import sys
from collections import Counter
from pathlib import Path
from types import FrameType

START_SIGNAL = signal.SIGUSR1
# Of CPU time; the kernel looks every 1 to 4 ms anyway.
SAMPLE_EVERY_SECONDS = 0.001
LINES_SHOWN = 16
PACKAGE = re.compile(r"site-packages[\\/](\w+)")
STANDARD_LIBRARY = re.compile(r"python3\.\d+[\\/](\w+)")
OURS = re.compile(r"[\\/](gateway_\w+)[\\/](.+)\.py$")
NOT_OURS = "(none of ours: server, framework, event loop)"


def profiled(module: str, output: Path) -> list[str]:
    """The arguments that make Python run `module` under the sampler."""
    return ["-m", "bench.profiling", str(output), module]


def print_profile(path: Path, us_a_request: float, what: str = "the API's {us:.0f} us a create") -> None:
    """Shares of the samples, and what they are of a request's CPU time."""
    tables = json.loads(path.read_text())
    print(f"\nwhere {what.format(us=us_a_request)} go, by {sum(tables['code'].values())} samples")
    for name, title in (("code", "whose code ran"), ("behalf", "for which of our functions, the nearest above it")):
        counted = Counter(tables[name])
        print(f"  {title}:")
        for place, samples in counted.most_common(LINES_SHOWN):
            share = samples / counted.total()
            print(f"    {share:>6.1%} {share * us_a_request:>6.0f} us  {place}")


class _Sampler:
    """Counts, at each tick, whose code runs, and the nearest function of ours that called it."""

    def __init__(self) -> None:
        self.code: Counter[str] = Counter()
        self.behalf: Counter[str] = Counter()

    def start(self, _number: int, _frame: FrameType | None) -> None:
        signal.signal(signal.SIGPROF, self.tick)
        signal.setitimer(signal.ITIMER_PROF, SAMPLE_EVERY_SECONDS, SAMPLE_EVERY_SECONDS)

    def tick(self, _number: int, frame: FrameType | None) -> None:
        if frame is None:
            return
        self.code[_owner(frame.f_code.co_filename)] += 1
        while frame is not None:
            if ours := OURS.search(frame.f_code.co_filename):
                place = f"{ours[1]}/{ours[2]}"
                # __main__ only starts the loop: it stands above everything.
                if not place.endswith("__main__") and place != "gateway_common/serving":
                    self.behalf[f"{place} {frame.f_code.co_qualname}"] += 1
                    return
            frame = frame.f_back
        self.behalf[NOT_OURS] += 1

    def write(self, path: str) -> None:
        signal.setitimer(signal.ITIMER_PROF, 0)
        Path(path).write_text(json.dumps({"code": self.code, "behalf": self.behalf}))


def _owner(file: str) -> str:
    if file.startswith("<"):
        return "code made at run time"
    for pattern, prefix in ((PACKAGE, ""), (STANDARD_LIBRARY, "python ")):
        if found := pattern.search(file):
            return prefix + found[1]
    ours = OURS.search(file)
    return f"{ours[1]}/{ours[2].split('/')[0]}" if ours else Path(file).name


def main() -> None:
    output, module = sys.argv[1:]
    sys.argv = [module]
    sampler = _Sampler()
    signal.signal(START_SIGNAL, sampler.start)
    try:
        runpy.run_module(module, run_name="__main__")
    finally:
        sampler.write(output)


if __name__ == "__main__":
    main()
