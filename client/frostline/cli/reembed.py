"""`frostline reembed`: a collection gets another encoder, without a gap."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from frostline.cli.arguments import CollectionName
from frostline.cli.failure import CommandFailed
from frostline.cli.jobs import exit_if_rejected, job_progress, summary_fields
from frostline.cli.output import show_fields, show_json
from frostline.cli.session import Session, client_command

if TYPE_CHECKING:
    from frostline.indexer import Reembedded


@client_command
def reembed(
    session: Session,
    collection: CollectionName,
    encoder: Annotated[str, typer.Option(metavar="NAME", help="Makes the new vectors.", show_default=False)],
    vector: Annotated[
        str,
        typer.Option(metavar="NAME", help="Vector that is made anew; the first when not given.", show_default=False),
    ] = "",
    shadow: Annotated[
        str,
        typer.Option(
            "--as",
            metavar="NAME",
            help="Name of the new collection; that of the collection and the encoder when not given.",
            show_default=False,
        ),
    ] = "",
    alias: Annotated[
        str,
        typer.Option(metavar="ALIAS", help="Alias to point to the new collection at the end.", show_default=False),
    ] = "",
    queries: Annotated[
        int, typer.Option(metavar="N", help="How many stored records are searched for in both collections.", min=0)
    ] = 100,
    query_file: Annotated[
        Path | None,
        typer.Option(metavar="FILE", help="Search for its lines instead of stored records.", show_default=False),
    ] = None,
    work_dir: Annotated[
        Path | None,
        typer.Option(
            metavar="FOLDER",
            help="For the checkpoint and rejected.jsonl. Default: frostline-reembed/ and the new collection's name.",
            show_default=False,
        ),
    ] = None,
    restart: Annotated[
        bool,
        typer.Option(
            "--restart",
            help="Go through all records again; a collection of the new name is taken over, and what it has beyond the "
            "old one is deleted.",
        ),
    ] = False,
    batch_size: Annotated[int, typer.Option(metavar="N", help="The most records of a batch.", min=1, max=10_000)] = 128,
) -> None:
    """Embed a collection again with another encoder, into a new collection beside it.

    Takes over what is written and deleted meanwhile, goes on where an interrupted run stopped, and says how many of the
    10 closest records both collections have in common. Run it again to catch up, and with --alias to put the new
    collection in the place of the old one, at once for all; the old one stays. The exit code is 3 when records could
    not be embedded again.
    """
    from frostline.indexer import ReembedOptions
    from frostline.indexer import reembed as run

    options = ReembedOptions(
        encoder=encoder,
        vector_name=vector,
        shadow=shadow,
        alias=alias,
        queries=queries,
        questions=_lines(query_file),
        work_dir=work_dir,
        restart=restart,
        batch_size=batch_size,
    )
    with session.connect() as client, job_progress(session, "Embedding again", "records") as report:
        done = run(client, collection, options, report)
    if session.as_json:
        show_json(done)
    else:
        show_fields(_fields(done))
    exit_if_rejected(done.summary)


def _lines(path: Path | None) -> tuple[str, ...]:
    if path is None:
        return ()
    try:
        lines = tuple(line.strip() for line in path.read_text(encoding="utf-8").splitlines() if line.strip())
    except ValueError as error:
        raise CommandFailed(f"{path} is no UTF-8: {error}") from error
    if not lines:
        raise CommandFailed(f"{path} has no lines; write a query on each")
    return lines


def _fields(done: "Reembedded") -> dict[str, str]:
    fields = {"Collection": f"{done.collection}, which stays", "Made": f"{done.shadow}, {done.records:,} records"}
    fields |= summary_fields(done.summary)
    if done.without_content:
        more = ", ..." if done.without_content > len(done.named) else ""
        fields["No content"] = (
            f"{done.without_content:,} records keep only their old vector: {', '.join(done.named)}{more}"
        )
    if done.deleted:
        fields["Deleted"] = f"{done.deleted:,} records that {done.collection} has no longer"
    if alike := done.overlap:
        fields["Overlap"] = (
            f"{alike.mean:.0%} of the {alike.k} closest records; a tenth of {alike.queries:,} queries at most "
            f"{alike.tenth_percentile:.0%}"
        )
    if done.alias:
        back = (
            f"frostline aliases set {done.alias} {done.before}"
            if done.before
            else f"frostline aliases delete {done.alias}"
        )
        fields["Alias"] = f"{done.alias} leads to {done.shadow}; back again: {back}"
    else:
        fields["Next"] = "compare both, then run this again with --alias to point an alias to the new one"
    return fields
