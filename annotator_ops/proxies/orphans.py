"""Layer 3. What a killed `ops expose` leaves: an ngrok agent that goes on serving, and the file with its token."""

from __future__ import annotations

from pathlib import Path

from annotator_ops.processes import processes_with

CONFIG_NAME = "ngrok.yml"


def end_orphaned_agents(directory: Path) -> int:
    """End every agent that runs with the configuration in `directory`, and remove that file. Returns how many ended.

    Only for a directory whose `ops expose` is known to be gone: an agent outlives a parent that was killed.
    """
    config = directory / CONFIG_NAME
    agents = processes_with(str(config))
    for agent in agents:
        agent.end(patience=5.0)
    config.unlink(missing_ok=True)
    return len(agents)
