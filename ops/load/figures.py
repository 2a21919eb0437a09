"""Claims with their figures: a line each, and an exit status."""
import sys
import time


class Report:
    def __init__(self, name):
        self.name = name
        self.failed = []
        self.began = time.monotonic()

    def say(self, text):
        print(f"{self.name} {time.monotonic() - self.began:6.1f} s  {text}", flush=True)

    def claim(self, holds, text):
        self.say(("pass  " if holds else "FAIL  ") + text)
        if not holds:
            self.failed.append(text)

    def end(self):
        self.say("passed" if not self.failed else f"failed: {len(self.failed)} claims")
        sys.exit(1 if self.failed else 0)


def third(samples, key, number):
    """The largest `key` of the first (0), second or last (2) third of the run."""
    size = max(1, len(samples) // 3)
    return max(sample[key] for sample in samples[number * size:(number + 1) * size])


def half(samples, key, number):
    """The largest `key` of the first (0) or second (1) half of the run."""
    size = max(1, len(samples) // 2)
    return max(sample[key] for sample in samples[number * size:(number + 1) * size])


def table(samples, rows=12):
    step = max(1, len(samples) // rows)
    lines = ["   second  RSS MiB  threads  files  largest -wal MiB  CPU s"]
    for sample in samples[::step] + samples[-1:]:
        lines.append(
            f"{sample['second']:9.0f} {sample['rss']:8.1f} {sample['threads']:8} {sample['files']:6}"
            f" {sample['wal']:17.1f} {sample['cpu']:6.1f}")
    return "\n".join(lines)
