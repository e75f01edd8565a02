"""Layer 3. The client of one Label Studio instance: accounts, project, tasks, progress, export.

Reading (health, progress, fingerprint, export) goes over plain HTTP, because it is repeated and Label Studio's SDK
takes more than a second to import; what makes or changes a project goes through the SDK.
"""

from annotator_ops.labelstudio.client import LabelStudio
from annotator_ops.labelstudio.records import ImportResult, ProjectProgress, ProjectSettings
from annotator_ops.labelstudio.transport import load_sdk

__all__ = ["ImportResult", "LabelStudio", "ProjectProgress", "ProjectSettings", "load_sdk"]
