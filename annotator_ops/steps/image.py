"""Layer 4. Image: make sure, ahead of time, that Docker instances can be started."""

from __future__ import annotations

from annotator_ops.models import LabelStudioChoice, Outcome, StepResult
from annotator_ops.runtimes import Runtime
from annotator_ops.steps import Board


def prepare_image(runtime: Runtime, choice: LabelStudioChoice, board: Board) -> StepResult:
    """Build the image of `choice`, or fetch and try the one that the study names."""
    runtime.prepare(choice, lambda text, part: board.update("image", text, part))
    name = choice.image or f"Label Studio {choice.version}"
    return StepResult(command="image", outcomes=(Outcome("image", "ok", f"{name} is ready to start", "ready"),))
