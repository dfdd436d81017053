"""`mplp modules`, and `mplp modules list`."""

from __future__ import annotations

from mplp_cli.cli.options import NoColor, Output, TextOrJson


def main(
    output: Output = TextOrJson.text,
    no_color: NoColor = False,
) -> None:
    """List the modules, those of installed packages included.

    `mplp modules describe MODULE` says what one can do.

    Examples:

      mplp modules

      mplp modules list --output json
    """
    from mplp_cli.cli.showing import show
    from mplp_cli.modules.catalogue import all_modules
    from mplp_cli.render.described import modules_table

    modules = all_modules()
    rows = [(name, one.summary, modules.package_of(name), "") for name, one in modules.items()]
    rows += [(name, "", modules.package_of(name), why) for name, why in modules.broken().items()]
    if output is TextOrJson.json:
        from mplp_cli.render.machine import write_document

        listed = [
            {"module": name, "summary": says or None, "package": package or None, "error": why or None}
            for name, says, package, why in rows
        ]
        write_document({"modules": listed})
    else:
        show(lambda theme, width: modules_table(rows, theme, width), no_color=no_color)
