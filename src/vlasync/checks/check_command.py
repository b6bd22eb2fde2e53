"""`vlasync check`: an audit from the options to the terminal, the files and the exit code."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from rich.console import Console
from rich.table import Table
from rich.text import Text

from vlasync.checks.codes import CODES

if TYPE_CHECKING:
    from vlasync.checks.report.audit_report import AuditReport


@dataclass(frozen=True, kw_only=True)
class CheckOptions:
    """How to audit, and what to write.

    Attributes:
        json: write what was found to this file, for scripts.
        html: write what was found to this page, with pictures, for people.
        images: look at pixels too; without, only the small streams are read.
        sample: check so many episodes, spread evenly over the dataset; all by default.
        workers: processes, for datasets that take longer than starting them.
        window_size: frames of a training window, which each sentence should be long enough for.
        statistics: a run, a checkpoint or a spec.json, whose normalisation is held against the actions.
        replay: drive the play table with the recorded actions, in every representation; needs the simulator's state.
        calvin_root: replay: a checkout of CALVIN, whose simulator is driven instead; see `vlasync doctor`.
        fix_spec: write the convention that the numbers show into the dataset's SyncSpec.
        list: print all codes that the audit can find, and what they mean; needs no dataset.
    """

    json: Path | None = None
    html: Path | None = None
    images: bool = True
    sample: int | None = None
    workers: int = 2
    window_size: int = 8
    statistics: Path | None = None
    replay: bool = False
    calvin_root: Path | None = None
    fix_spec: bool = False
    list: bool = False


def run_check(data: Path | None, options: CheckOptions, console: Console) -> int:
    """Audit `data` as the options say.

    Imports stand inside, so that the help does not wait for torch.

    Returns:
        The exit code: 0 nothing found, 1 problems, 2 data that cannot be read.

    Raises:
        VlasyncError: no dataset given or there, or an option makes no sense.
    """
    if options.list:
        console.print(codes_table())
        return 0
    from vlasync.checks.audit import audit
    from vlasync.checks.detectors import AuditConfig
    from vlasync.checks.fix import fix_spec
    from vlasync.checks.policy_spec import read_policy_spec
    from vlasync.checks.replay.drive import print_replays, with_replays
    from vlasync.checks.report.audit_report import print_report
    from vlasync.errors import VlasyncError

    if data is None or not data.is_dir():
        got = "no dataset given" if data is None else f"{data}: no such folder"
        raise VlasyncError(f"{got}; give a training store, a split of a CALVIN dataset, or a folder with both splits")
    config = AuditConfig(
        images=options.images,
        sample=options.sample,
        workers=options.workers,
        window_size=options.window_size,
        statistics=None if options.statistics is None else read_policy_spec(options.statistics),
    )
    report = audit(data, config)
    print_report(report, console)
    _write(report, options)
    if options.replay:  # what was found so far stands already: data may be such that it cannot be replayed
        report = with_replays(report, sample=options.sample, workers=options.workers, calvin_root=options.calvin_root)
        print_replays(report, console)
        _write(report, options)
    if options.html is not None:
        console.print(f"page: {options.html}")
    if options.fix_spec:
        for line in fix_spec(report):
            console.print(Text(line))
    return report.exit_code


def _write(report: AuditReport, options: CheckOptions) -> None:
    """Write the files that the options ask for."""
    from vlasync.checks.report.page import write_page
    from vlasync.files import write_text

    if options.json is not None:
        write_text(options.json, report.to_json())
    if options.html is not None:
        write_page(report, options.html)


def codes_table() -> Table:
    """All codes and what they mean."""
    table = Table("code", "what it means", box=None, header_style="dim")
    for code, meaning in CODES.items():
        table.add_row(Text(code, style="bold"), meaning)
    return table
