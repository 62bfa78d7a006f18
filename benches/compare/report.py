"""The table."""

import machine
from cases import CASES, IDLE
from peers import OURS

ASKED = """\
Each stands with TLS and two workers in front of the same upstream, over loopback: connections to it are kept, `Host` is
passed on, `X-Forwarded-For` and `X-Forwarded-Proto` are set. The others write no access log and keep no metrics;
Vestibule runs with its defaults, and does both."""


def print_all(peers, results, options):
    print(f"\n{machine.described()}; medians of {options.rounds} round{'s'[:options.rounds > 1]}.\n")
    for peer in peers:
        print(f"- {peer.name}: {peer.release()}")
    print(f"\n{ASKED}\n")
    names = [peer.name for peer in peers]
    print(f"| case | {' | '.join(names)} | ours to the best |")
    print(f"|---|{'---:|' * (len(names) + 1)}")
    for case in CASES:
        print(row(f"{case.name}, µs of CPU", case.name, names, results))
    print(row(f"{IDLE.name}, KiB", IDLE.name, names, results))
    if options.quick:
        print("\n`--quick` shows that it works. Its figures mean nothing.")


def row(title, case, names, results):
    values = {name: results.get((case, name)) for name in names}
    others = {name: value for name, value in values.items() if name != OURS and value is not None}
    ratio = "-"
    if others and values[OURS] is not None:
        best = min(others, key=others.get)
        # Memory of few connections may not have grown at all.
        ratio = f"{values[OURS] / others[best]:.2f} ({best})" if others[best] > 0 else "-"
    cells = ["failed" if value is None else f"{value:.1f}" for value in values.values()]
    return f"| {title} | {' | '.join(cells)} | {ratio} |"
