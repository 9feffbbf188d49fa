import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent))  # sampling_cases and sampling_reference, shared by these tests
