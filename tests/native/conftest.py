import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent))  # fuzzing, shared by these tests
