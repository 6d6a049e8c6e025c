"""The processes of a group, for what kills some of them: scripts/torture.py and tests."""

from pathlib import Path


def members(group: int) -> list[int]:
    """The processes of a group that run; a zombie does not."""
    found = []
    for path in Path("/proc").glob("[0-9]*/stat"):
        try:
            fields = path.read_text().rsplit(")", 1)[1].split()
        except (FileNotFoundError, ProcessLookupError):
            continue
        if int(fields[2]) == group and fields[0] not in "ZX":
            found.append(int(path.parent.name))
    return found


def command_line(pid: int) -> bytes:
    """What a process was started by, as long as it is there."""
    try:
        return Path(f"/proc/{pid}/cmdline").read_bytes()
    except (FileNotFoundError, ProcessLookupError):
        return b""
