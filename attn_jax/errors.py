"""What a command tells its user: one or two sentences, and the exit code that goes with them."""


class UserError(Exception):
    """A mistake or mishap that a sentence explains; the command prints it without a traceback."""

    exit_code = 1


class ConfigError(UserError, ValueError):
    """A config, a name or a file that is wrong, or a directory that belongs to another study."""

    exit_code = 2


class AllDivergedError(UserError):
    """No run of the study stayed finite."""

    exit_code = 3


class MachineError(UserError):
    """The machine does not allow it: a missing platform, a locked directory, a full disk, workers that die."""

    exit_code = 4


class InUseError(MachineError):
    """Another process holds the directory."""


class DefectError(UserError):
    """A defect of attn_jax itself, which should be reported."""

    exit_code = 70


class InterruptedStudyError(UserError):
    """Stopped by the user with everything saved; the same command resumes."""

    exit_code = 75
